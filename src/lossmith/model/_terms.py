"""What a model tells of its loss between steps, and factors to set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras import ops

from lossmith.core.sources import Sources
from lossmith.losses._objective import Objective
from lossmith.messages import ArgumentError, listed
from lossmith.model import _fields
from lossmith.model._gradients import gradient_norms
from lossmith.model._taps import Histograms, Taps

if TYPE_CHECKING:
    from lossmith.model._compiled import Compiled
    from lossmith.model._progress import ProgressState


class Terms:
    """The part of `lm.ModelMixin` that answers questions between steps."""

    _compiled: Compiled | None
    _progress: ProgressState
    _taps: Taps | None

    @property
    def compiled_objective(self) -> Objective | None:
        """The loss of lossmith that is compiled, as a sum of terms; None without one."""
        return self._compiled.objective if self._compiled else None

    @property
    def term_counts(self) -> dict[str, float]:
        """What each term has counted since the epoch, or its validation, began."""
        metrics = self._compiled.log.terms if self._compiled else []
        return {metric.name: float(ops.convert_to_numpy(metric.count)) for metric in metrics}

    @property
    def term_factors(self) -> dict[str, float]:
        """The factor of each term, as it is now."""
        return self._compiled.factors() if self._compiled else {}

    @property
    def tap_histograms(self) -> Histograms:
        """Counts and edges, of each tap that has a histogram, since the epoch began."""
        return self._taps.metric.histograms() if self._taps else {}

    @property
    def settable_factors(self) -> dict[str, float]:
        """The factors that `set_factor` sets, as they are now."""
        settable = self._compiled.settable if self._compiled else ()
        return {name: self._progress.value(name) for name in settable}

    def set_factor(self, name: str, value: float) -> None:
        """Set the factor of a term, from now on.

        Args:
            name: The name of the term, whose factor is an `lm.schedules.Settable`.
            value: The factor.

        Raises:
            ArgumentError: If there is no such term, or its factor is something else.
        """
        settable = self.settable_factors
        if name not in settable:
            raise ArgumentError(
                f"the factor of {name!r} cannot be set",
                got=f"{name!r}",
                expected=f"a term whose factor is settable: {listed(settable)}",
                fix=f'compile it as lm.schedules.Settable(1.0) * lm.Loss(..., name="{name}")',
            )
        self._progress.set(name, value)

    def loss_sources(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Sources:
        """Return the tensors of a step by the names that terms give them.

        What the layers returned is that of the last call of the model, and is handed out once.

        Args:
            x: The inputs.
            y: The targets, or a dict or tuple of fields.
            y_pred: What the model returned for `x`.
            sample_weight: Sample weights, in the structure of `y`.

        Raises:
            ArgumentError: If no loss of lossmith is compiled.
        """
        compiled = self._of_lossmith("loss_sources")
        return Sources(
            y=_fields.targets(self, y),
            output=_fields.outputs(self, y_pred),
            x=_fields.inputs(self, x),
            sample_weight=_fields.targets(self, sample_weight),
            layer=compiled.inside.taken(),
            weights=compiled.inside.weights,
            head=compiled.inside.heads(),
        )

    def term_gradients(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Return how strongly each term pulls at the model's outputs on one batch.

        Args:
            x: The inputs of the batch.
            y: Its targets, as `fit` takes them.
            sample_weight: Its sample weights.

        Returns:
            For each term the Euclidean norm of the gradient of what it adds to the total, its
            factor included, with respect to all outputs. A term of layers or weights alone has 0.

        Raises:
            ArgumentError: If no loss of lossmith is compiled.
        """
        compiled = self._of_lossmith("term_gradients")
        return gradient_norms(self, compiled.values, x, y, sample_weight)

    def _of_lossmith(self, method: str) -> Compiled:
        if self._compiled is None:
            raise ArgumentError(
                f"{method} is about the terms of a loss of lossmith, and none is compiled",
                got="a model without one",
                expected="a compiled lm.Loss, or a sum of them",
                fix='model.compile("adam", loss=lm.Loss("mse"))',
            )
        return self._compiled
