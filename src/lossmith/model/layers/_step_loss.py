"""`lm.layers.StepLossRNN`: a recurrent layer that computes its loss inside the time loop."""

from __future__ import annotations

from typing import Any, Self

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.elements import Ratio
from lossmith.core.part import number
from lossmith.messages import ArgumentError
from lossmith.model.layers._loop import Loop
from lossmith.model.layers._sources import add_loss
from lossmith.model.layers._steps import StepLoss

_PARTS = ("cell", "loss", "head", "feedback", "sampling")


@keras.saving.register_keras_serializable("lossmith")
class StepLossRNN(keras.layers.RNN):
    """A recurrent layer that computes its loss inside the time loop.

    Called with targets, it adds the loss to the model by `add_loss` and returns it. A step's
    output goes through `head` and into the loss at once, which carries a sum and a count from
    step to step; the backward pass computes it again. So no more than one step's output of
    vocabulary size is held at a time, where the plain form holds all of them. Value and gradient
    are those of the loss on the whole output sequence.

    Called without targets, it is the plain form with the same weights: it returns the head's
    output of every step, in the order of the input also with `go_backwards`.

    A step that Keras' mask leaves out is not run: the state stays, and the step does not count.
    Its input may be anything, NaN included.

    Args:
        cell: A Keras cell: `keras.layers.GRUCell`, `LSTMCell`, `StackedRNNCells`, a layer of
            your own with `state_size`, or a list of cells.
        loss: An `lm.Loss` whose axes are named, as in `"b t, b t [c]"`, and whose `reduce` is
            `"mean"`, `"weighted_mean"` or `"sum"`. It sees `y`, its fields and `sample_weight`.
        head: A layer from the cell's output to the prediction, run inside the loop, such as
            `keras.layers.Dense(vocabulary)`; None: the cell's output is the prediction.
        feedback: For scheduled sampling (Bengio et al., 2015), a layer from a prediction to the
            input of the next step. An `Embedding` gets the likeliest class.
        sampling: How often, in training, a sample's input is the fed-back prediction instead: a
            probability, or a Keras learning-rate schedule of it, by training step.
        return_state: Whether to return the final states too.
        go_backwards: Whether to read the sequence from its end. The output that has read step t
            and those after it meets the target of step t.
        stateful: Whether the final states are the initial ones of the next call.
        seed: The seed of the coins of scheduled sampling.
        **kwargs: As for any Keras layer, such as `name`.

    Shapes:
        sequences: (batch, steps, features).
        y: as in the axes of the loss, or a dict of fields. A field whose axes are not written
            varies over steps if it has a second axis longer than one.
        sample_weight: (batch,), (batch, 1), (batch, steps) or (batch, steps, 1).
        initial_state: a tensor (batch, units) for each state of the cell.
        mask: (batch, steps), true where a step is there; None: Keras' mask of `sequences`.
        returns: with `y` the loss, a scalar, else (batch, steps, ...); with `return_state` a
            list of it and the states.

    Raises:
        ArgumentError: If the loss does not add up over steps, or an argument is out of its domain.
        ShapeError: While the model is built, if `y` does not have the axes it is said to have,
            or another number of steps than the input.

    Example:
        >>> import keras, numpy as np, lossmith as lm
        >>> from lossmith.model.layers import StepLossRNN
        >>> loss = lm.Loss(lm.errors.CrossEntropy(from_logits=True), "b t, b t [c]")
        >>> head = keras.layers.Dense(3, kernel_initializer="zeros")
        >>> layer = StepLossRNN(keras.layers.GRUCell(4), loss, head=head)
        >>> x, y = keras.Input((5, 2)), keras.Input((5,), dtype="int32")
        >>> model = keras.Model([x, y], layer(x, y=y))
        >>> model.compile()
        >>> value = model.evaluate([np.ones((2, 5, 2)), np.zeros((2, 5), "int32")], verbose=0)
        >>> float(value)  # log(3): the head begins with zeros
        1.0986
        >>> keras.Model(x, layer(x)).output_shape
        (None, 5, 3)
    """

    def __init__(  # noqa: PLR0913
        self,
        cell: Any,
        loss: Any,
        *,
        head: keras.layers.Layer | None = None,
        feedback: keras.layers.Layer | None = None,
        sampling: Any = 0.0,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        step_loss = StepLoss(loss)
        # Targets must not become float16: cell, head and loss do their own casting.
        super().__init__(
            cell,
            return_sequences=True,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **{"autocast": False, **kwargs},
        )
        self.loss = loss
        self.head = _layer(head, "head")
        self.feedback = _layer(feedback, "feedback")
        self.sampling = _probability(sampling, feedback)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._step_loss = step_loss

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        """Build cell, head and feedback, and the states of a stateful layer."""
        super().build(sequences_shape, initial_state_shape)
        batch = sequences_shape[0]
        output = (batch, self._units)
        if self.head is not None and not self.head.built:
            self.head.build(output)
        if self.feedback is not None and not self.feedback.built:
            shape = self._of_head(output)
            self.feedback.build(shape[:-1] if _is_embedding(self.feedback) else shape)
        if self._scheduled:
            self.trained_steps = self.add_weight(
                name="trained_steps", shape=(), dtype="int32", initializer="zeros", trainable=False
            )

    def call(  # noqa: PLR0913, PLR0917 - as keras.layers.RNN
        self,
        sequences: Tensor,
        y: Any = None,
        sample_weight: Any = None,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = False,  # noqa: FBT001, FBT002
    ) -> Any:
        """Add and return the loss; without `y`, return the prediction of every step."""
        if mask is None:
            mask = backend.keras_mask(sequences)
        if y is None:
            return self._predictions(sequences, initial_state, mask, training)
        loop = Loop(
            cell=self.cell,
            head=self.head,
            feedback=self.feedback,
            loss=self._step_loss,
            training=bool(training),
            reverse=self.go_backwards,
        )
        states = self._states(sequences, initial_state)
        chance = self._chance() if training and self.feedback is not None else None
        total, count, states = loop.run(
            sequences, y, sample_weight, states, mask, chance, self.seed_generator
        )
        if self.stateful:
            old, new = keras.tree.flatten(self.states), keras.tree.flatten(states)
            for variable, state in zip(old, new, strict=True):
                variable.assign(state)
        value = Ratio(total, count if self._step_loss.counts else None).value
        add_loss(self, value)
        return [value, *states] if self.return_state else value

    def _predictions(self, sequences: Tensor, initial_state: Any, mask: Any, training: Any) -> Any:
        found = super().call(sequences, initial_state, mask, training)
        outputs, *states = found if self.return_state else [found]
        if self.go_backwards:
            outputs = ops.flip(outputs, axis=1)
        if self.head is not None:
            outputs = self.head(outputs, training=training)
        return [outputs, *states] if self.return_state else outputs

    def _states(self, sequences: Tensor, given: Any) -> list[Any]:
        if given is None:
            batch = ops.shape(sequences)[0]
            given = self.get_initial_state(batch_size=batch)
            if self.stateful:  # copied: PyTorch assigns in place, before the backward pass
                given = keras.tree.map_structure(
                    lambda v: ops.copy(ops.convert_to_tensor(v)), self.states
                )
        states = list(given) if keras.tree.is_nested(given) else [given]
        return keras.tree.map_structure(
            lambda x: ops.convert_to_tensor(x, dtype=self.cell.compute_dtype), states
        )

    def _chance(self) -> Tensor:
        if not self._scheduled:
            return ops.convert_to_tensor(self.sampling, dtype="float32")
        chance = self.sampling(ops.convert_to_tensor(self.trained_steps))
        self.trained_steps.assign_add(1)
        return ops.cast(chance, "float32")

    @property
    def _scheduled(self) -> bool:
        return isinstance(self.sampling, keras.optimizers.schedules.LearningRateSchedule)

    @property
    def _units(self) -> int:
        units = getattr(self.cell, "output_size", None)
        return self.state_size[0] if units is None else units

    def _of_head(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return shape if self.head is None else tuple(self.head.compute_output_shape(shape))

    def compute_output_spec(  # noqa: PLR0913, PLR0917
        self,
        sequences: Any,
        y: Any = None,
        sample_weight: Any = None,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = None,
    ) -> Any:
        """Return the shape of the loss, or of the predictions, and hold `y` to its axes."""
        del initial_state, mask, training
        batch, steps = sequences.shape[:2]
        if y is None:
            shape = self._of_head((batch, steps, self._units))
            spec = keras.KerasTensor(shape, dtype=(self.head or self.cell).compute_dtype)
        else:
            self._step_loss.split(y, sample_weight, steps)
            spec = keras.KerasTensor((), dtype=self._step_loss.dtype or "float32")
        if not self.return_state:
            return spec
        states = keras.tree.map_structure(
            lambda x: keras.KerasTensor((batch, *x.shape[1:]), dtype=self.compute_dtype),
            self.get_initial_state(batch_size=1),
        )
        return [spec, *states]

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return None: Keras' mask ends here."""
        del inputs, previous_mask

    def get_config(self) -> dict[str, Any]:
        """Return all arguments, layers and loss in Keras' serialised form."""
        config = super().get_config()
        for ours in ("return_sequences", "unroll", "zero_output_for_mask"):
            del config[ours]
        own = {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in _PARTS
            if name != "cell"
        }
        return {**config, **own, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Build the layer again."""
        loaded = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in _PARTS
        }
        return cls(**{**config, **loaded})


def _layer(given: Any, argument: str) -> Any:
    if given is not None and not isinstance(given, keras.layers.Layer):
        raise ArgumentError(
            f"{argument} is a layer",
            got=f"a {type(given).__name__} as {argument}",
            expected="a Keras layer, or None",
            fix=f"write {argument}=keras.layers."
            + ("Dense(vocabulary)" if argument == "head" else "Embedding(vocabulary, features)"),
        )
    return given


def _is_embedding(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Embedding)


def _probability(given: Any, feedback: Any) -> Any:
    if isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
        chance = given
    else:
        chance = number(given, "sampling", low=0.0, high=1.0)
    if (feedback is None) != (chance == 0.0):
        raise ArgumentError(
            "scheduled sampling takes a layer and a probability",
            got=f"feedback={feedback and feedback.name!r} and sampling={given!r}",
            expected="both, or neither",
            fix="write feedback=keras.layers.Embedding(vocabulary, features), sampling=0.25",
        )
    return chance
