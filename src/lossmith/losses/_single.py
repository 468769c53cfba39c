"""What losses of one term share: their ratio, their elements, and how they are saved."""

from __future__ import annotations

import inspect
from typing import Any, Generic, Self, TypeVar

import keras

from lossmith.core.elements import Elements
from lossmith.core.paths.pipeline import PathPipeline
from lossmith.core.pipeline import Pipeline
from lossmith.core.sources import Sources
from lossmith.losses._objective import NamedRatio, Term
from lossmith.messages import ArgumentError, LossmithError, listed

PipelineType = TypeVar("PipelineType", Pipeline, PathPipeline)
_DTYPES = (None, "float32", "float64")


class Single(Term, Generic[PipelineType]):
    """A loss of one term, computed by one pipeline.

    Attributes:
        pipeline: Everything it is, apart from its name.
    """

    pipeline: PipelineType

    def ratios(self, sources: Sources) -> list[NamedRatio]:
        """Return the term before its division."""
        try:
            return [NamedRatio(self.name, 1.0, self.pipeline.ratio(sources))]
        except LossmithError as error:
            raise error.inside(self.name) from None

    def elements(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Elements:
        """Return the un-reduced losses, with their mask and weights."""
        return self.pipeline.elements(Sources(y_true, y_pred, sample_weight=sample_weight))

    def replace(self, **changes: Any) -> Self:
        """Return a loss like this one with some arguments changed.

        Example:
            >>> import lossmith as lm
            >>> lm.Loss("mse", "b t, b t").replace(reduce="sum")
            Loss(Squared(), 'b t, b t', reduce='sum', name='mse')
        """
        return type(self)(**{**self._arguments(), **changes})

    def _arguments(self) -> dict[str, Any]:
        """Return all arguments by name."""
        raise NotImplementedError

    def _typed(self, **empty: Any) -> str:
        """Write it as it can be typed: the first argument, and what is not as by default.

        Args:
            **empty: What arguments are that nobody gave, where `__init__` has another default.
        """
        given = self._arguments()
        rows = [repr(given.pop(next(iter(given))))]
        known = inspect.signature(type(self).__init__).parameters
        rows += [f"{k}={v!r}" for k, v in given.items() if v != empty.get(k, known[k].default)]
        return f"{type(self).__name__}({', '.join(rows)})"

    def get_config(self) -> dict[str, Any]:
        """Return all arguments, the parts in Keras' serialised form."""
        return {
            name: keras.saving.serialize_keras_object(value)
            for name, value in self._arguments().items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the loss again."""
        return cls(
            **{name: keras.saving.deserialize_keras_object(value) for name, value in config.items()}
        )


def checked_dtype(dtype: str | None) -> str | None:
    """Return what to compute in, if a loss can be.

    Raises:
        ArgumentError: Otherwise.
    """
    if dtype not in _DTYPES:
        raise ArgumentError(
            "a loss is computed in at least float32",
            got=f"dtype={dtype!r}",
            expected=f"one of {listed(_DTYPES)}",
            fix="leave dtype out: low precision predictions are raised to float32",
        )
    return dtype
