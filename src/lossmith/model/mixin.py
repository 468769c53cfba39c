"""`lm.ModelMixin`: what a Keras model needs so that its losses get named sources."""

from __future__ import annotations

import inspect
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

import keras

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.losses._objective import Term
from lossmith.messages import ArgumentError, listed
from lossmith.model import _fields
from lossmith.model._compiled import Compiled, added_losses
from lossmith.model._progress import PROGRESS, ProgressState
from lossmith.model._refused import check_accumulation, check_class_weight, check_order
from lossmith.model._taps import Taps, counting_taps
from lossmith.model._terms import Terms
from lossmith.model._uncounted import WarnOfUncounted

_Base = keras.Model if TYPE_CHECKING else object


class ModelMixin(Terms, _Base):
    """Hands the losses of a subclassed `keras.Model` everything that they name.

    It stands before `keras.Model` among the bases, and does for a class of your own what
    `lm.Model` does for a functional model. A layer is named by its own name or by the attribute
    that holds it: `"layer:encoder"` is `self.encoder`. Several inputs or outputs in a list are
    named by their places: `"output:0"`.

    Raises:
        ArgumentError: Where the class is defined, if `keras.Model` stands before the mixin; at
            `compile`, as `lm.Model` does.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> class Coder(lm.ModelMixin, keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.encoder = keras.layers.Dense(2, kernel_initializer="ones")
        ...         self.decoder = keras.layers.Dense(3, kernel_initializer="zeros")
        ...
        ...     def call(self, inputs):
        ...         return self.decoder(self.encoder(inputs))
        >>> model = Coder()
        >>> model.compile(loss=lm.Loss("mse", "b f, b f") + lm.Loss("l1", of="layer:encoder"))
        >>> x = np.ones((4, 3))
        >>> logs = model.evaluate(x, x, return_dict=True, verbose=0)
        >>> float(logs["mse"]), float(logs["l1"]), float(logs["loss"])
        (1.0, 3.0, 4.0)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class whose bases stand in the wrong order; hear the taps of its own loss."""
        super().__init_subclass__(**kwargs)
        if "compute_loss" in cls.__dict__:
            cls.compute_loss = counting_taps(cls.__dict__["compute_loss"])
        bases = cls.__mro__
        if keras.Model in bases and bases.index(keras.Model) < bases.index(ModelMixin):
            raise ArgumentError(
                "keras.Model hides the mixin, which has to stand before it",
                got=f"class {cls.__name__}({', '.join(base.__name__ for base in cls.__bases__)})",
                expected="lm.ModelMixin before keras.Model among the bases",
                fix=f"write class {cls.__name__}(lm.ModelMixin, keras.Model)",
            )

    # Keras builds a saved functional model again only where these are the parameters' names.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compiled: Compiled | None = None
        self._taps: Taps | None = None
        self._progress = ProgressState(name=PROGRESS)

    def compile(self, *args: Any, loss: Any = None, taps: Any = None, **kwargs: Any) -> None:
        """Configure training as `keras.Model.compile` does.

        Args:
            *args: As for Keras: the optimizer.
            loss: An `lm.Loss`, a sum of these, or any loss of Keras.
            taps: Of which `lm.tap`s to log statistics: a list of names, for their means, or a dict
                of names to `"mean"`, `"summary"` or `"histogram"`.
            **kwargs: As for Keras.
        """
        if args[1:]:
            loss, args = args[1], (args[0], *args[2:])
        nested = loss is not None and not isinstance(loss, (str, keras.losses.Loss))
        if nested and any(isinstance(item, Term) for item in keras.tree.flatten(loss)):
            raise ArgumentError(
                "an lm.Model takes one loss for all outputs",
                got=f"a {type(loss).__name__} of losses",
                expected="one lm.Loss, or a sum",
                fix='write lm.Loss("mse", of=("y:a", "output:a")) + '
                'lm.Loss("mae", of=("y:b", "output:b"))',
            )
        if isinstance(loss, Term) and kwargs.get("loss_weights") is not None:
            raise ArgumentError(
                "the factors of terms stand in the sum",
                got=f"loss_weights={kwargs['loss_weights']!r}",
                expected="no loss_weights beside a loss of lossmith",
                fix="write compile(loss=a + 0.1 * b)",
            )
        compiled = Compiled(self, loss, self._progress) if isinstance(loss, Term) else None
        self._compiled = None
        self._taps = Taps(taps) if taps else None
        # Keras would wrap the loss, and trace it anew for each train_on_batch.
        super().compile(*args, loss=None if compiled else loss, **kwargs)
        if compiled is not None:
            self.loss = loss
            self._progress.prepare(compiled.objective.names, compiled.objective.factors)
            self._compiled = compiled

    def get_compile_config(self) -> dict[str, Any]:
        """Return how the model is compiled, for saving."""
        config = super().get_compile_config()
        if self._compiled is not None:
            config["loss"] = keras.saving.serialize_keras_object(self.loss)
        if self._taps is not None:
            config["taps"] = self._taps.metric.levels
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Configure training as it was when the model was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model, and keep what the layers return that a loss names."""
        with self._recording():
            return super().__call__(*args, **kwargs)

    def stateless_call(self, *args: Any, **kwargs: Any) -> Any:
        """Run the model on given variables, and keep the same; JAX trains through it."""
        with self._recording():
            return super().stateless_call(*args, **kwargs)

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Take a step of training; layers that the loss computes itself are left to it."""
        with self._step_of_keras(training=True):
            return super().train_step(*args, **kwargs)

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        """Take a step of testing; layers that the loss computes itself are left to it."""
        with self._step_of_keras(training=False):
            return super().test_step(*args, **kwargs)

    def _step_of_keras(self, *, training: bool) -> Any:
        compiled = self.__dict__.get("_compiled")
        return compiled.step_of_keras(training=training) if compiled else nullcontext()

    def _recording(self) -> Any:
        compiled, taps = (self.__dict__.get(name) for name in ("_compiled", "_taps"))
        stack = ExitStack()
        if compiled is not None:
            stack.enter_context(compiled.inside.recording())
        if taps is not None:
            stack.enter_context(taps.during_call())
        return stack

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train as `keras.Model.fit` does, and warn of terms that nothing counts for.

        Raises:
            ArgumentError: If `class_weight` would weigh the wrong positions, or if groups of
                batches would be shuffled.
        """
        if self._compiled is None:
            return super().fit(*args, **kwargs)
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        check_class_weight(self._compiled.objective, given.get("y"), given.get("class_weight"))
        check_order(given.get("x"), shuffle=given.get("shuffle", True))
        callbacks = given.pop("callbacks", None) or []
        watch = WarnOfUncounted(self._compiled.log)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(watch)
        else:
            callbacks = [*keras.tree.flatten(callbacks), watch]
        return super().fit(callbacks=callbacks, **given)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Train on one batch as `keras.Model.train_on_batch` does.

        Raises:
            ArgumentError: If `class_weight` would weigh the wrong positions.
        """
        if self._compiled is not None:
            given = inspect.signature(super().train_on_batch).bind(*args, **kwargs).arguments
            check_class_weight(self._compiled.objective, given.get("y"), given.get("class_weight"))
        return super().train_on_batch(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras' own
        """Make the step of training; an error in it costs no weights."""
        if force or self.train_function is None:
            super().make_train_function(force)
            self.train_function = backend.keeping_state(self.train_function, self._trained)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - Keras' own
        """Make the step of testing; an error in it costs no weights."""
        if force or self.test_function is None:
            super().make_test_function(force)
            self.test_function = backend.keeping_state(self.test_function, self._tested)
        return self.test_function

    def _tested(self) -> list[Any]:
        weights = [*self.trainable_variables, *self.non_trainable_variables]
        return [*weights, *self.metrics_variables]

    def _trained(self) -> list[Any]:
        weights = [*self.trainable_variables, *self.non_trainable_variables]
        return [*weights, *self.optimizer.variables, *self.metrics_variables]

    @counting_taps
    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: Any = True,  # noqa: FBT002 - Keras' signature
    ) -> Tensor:
        """Return the total of all terms and of the model's other losses."""
        if self._compiled is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        sources = self.loss_sources(x, y, y_pred, sample_weight)
        training = training is True
        if training:
            check_accumulation(
                self._compiled.objective,
                self.optimizer,
                y_pred,
                sources.y,
                in_keras=self._compiled.trained_by_keras,
            )
        return self._compiled.total(sources, added_losses(self), training=training)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Tensor]:
        """Update the compiled metrics, which see of the fields of `y` those that are targets."""
        if self._compiled is not None:
            y, sample_weight = (_fields.for_metrics(self, given) for given in (y, sample_weight))
        return super().compute_metrics(x, y, y_pred, sample_weight)

    @property
    def metrics(self) -> list[Any]:
        """All metrics, the terms' sums and counts among them."""
        compiled, taps = (self.__dict__.get(name) for name in ("_compiled", "_taps"))
        terms = compiled.log.metrics if compiled else []
        return [*super().metrics, *terms, *([taps.metric] if taps else [])]

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Return the logs of an epoch so far, the terms from their sums and counts."""
        if self._compiled is None:
            return super().get_metrics_result()
        results: dict[str, Tensor] = {}
        for metric in super().metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        own = self._compiled.log.logs()
        clash = [name for name in own if name in results and name != "loss"]
        if clash:
            raise ArgumentError(
                f"a metric and a term are both called {clash[0]!r}",
                got=f"metrics {listed(results)} and terms {listed(own)}",
                expected="a name of its own for each log",
                fix=f'name the loss, as in lm.Loss(..., name="{clash[0]}_loss")',
            )
        return {**results, **own, **(self._taps.metric.result() if self._taps else {})}
