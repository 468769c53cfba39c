"""The step of training, run one batch at a time, with a copy of the state before each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any

import keras
from keras import ops

Tensor = Any
Step = Callable[..., Any]
Blame = Callable[[Any, int, list[str]], None]


class Snapshot:
    """What variables hold, and torch's random numbers, which its dropout draws from.

    Args:
        variables: The variables.
    """

    def __init__(self, variables: Iterable[Any]) -> None:
        tensors = [(variable, ops.convert_to_tensor(variable)) for variable in variables]
        self._held = [(variable, ops.stop_gradient(ops.copy(x))) for variable, x in tensors]
        self._random = _torch_random() if keras.backend.backend() == "torch" else None

    def restore(self) -> None:
        """Give the variables their values back."""
        for variable, value in self._held:
            variable.assign(value)
        if self._random is not None:
            import torch

            torch.set_rng_state(self._random[0])
            torch.cuda.set_rng_state_all(self._random[1])


def watched(step: Step, model: Any, blame: Blame) -> Step:
    """Stop a step of training at the first batch after which something is not finite.

    Every variable then gets the value back that it had before that batch, metrics excepted. Several
    steps in one execution are run one by one.

    Args:
        step: What `make_train_function` made.
        model: The model.
        blame: Called with the batch, its place among those of the execution, and what is not
            finite after it: names of losses in the logs, and paths of weights.
    """
    return (_stateless if keras.backend.backend() == "jax" else _stateful)(step, model, blame)


def _stateless(step: Step, model: Any, blame: Blame) -> Step:
    """JAX: the step takes the values of the variables and returns the new ones."""
    copied, finite = _compiled(_copied), _compiled(_finite)

    def run(state: Any, iterator: Any) -> Any:
        logs: Any = None
        for place, batch in enumerate(_batches(iterator, model)):
            before = copied(state[:3])  # the step gives the memory of its arguments away
            logs, state = step(state, iter([batch]))
            if bad := _not_finite(finite, logs, _paths(model), state[0]):
                state = (*before, state[3])
                for variable, value in zip(_variables(model), chain(*state), strict=True):
                    variable.assign(value)
                blame(batch, place, bad)
                break
        return logs, state

    return run


def _stateful(step: Step, model: Any, blame: Blame) -> Step:
    """TensorFlow and PyTorch: the step changes the variables."""
    finite = _compiled(_finite)

    def run(iterator: Any) -> Any:
        logs: Any = None
        for place, batch in enumerate(_batches(iterator, model)):
            _build(model, batch)
            before = Snapshot(_trained(model))
            logs = step([batch])
            weights = [ops.convert_to_tensor(v) for v in model.trainable_variables]
            if bad := _not_finite(finite, logs, _paths(model), weights):
                before.restore()
                blame(batch, place, bad)
                break
        return logs

    return run


def whole(model: Any, batch: Any) -> Any:
    """Return a batch as one device would have it.

    TensorFlow hands replicas their parts, and an `Optional` where there is nothing.
    """
    if keras.backend.backend() != "tensorflow":
        return batch
    import tensorflow as tf

    def joined(x: Any) -> Any:
        if isinstance(x, tf.experimental.Optional):
            return None
        if isinstance(x, tf.distribute.DistributedValues):
            parts = model.distribute_strategy.experimental_local_results(x)
            return tf.concat(parts, axis=0)
        return x

    return keras.tree.map_structure(joined, batch)


def _torch_random() -> tuple[Tensor, list[Tensor]]:
    import torch

    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), on_devices


def _batches(iterator: Any, model: Any) -> list[Any]:
    found = list(islice(iterator, model.steps_per_execution))
    if not found:
        raise StopIteration
    return found


def _not_finite(finite: Step, logs: Any, paths: list[str], weights: Sequence[Any]) -> list[str]:
    losses = {name: value for name, value in logs.items() if name.endswith("loss")}
    names = [*losses, *paths]
    held = finite([*map(ops.convert_to_tensor, losses.values()), *weights])
    good = ops.convert_to_numpy(held) if names else []
    return [name for name, is_good in zip(names, good, strict=True) if not is_good]


def _finite(tensors: list[Tensor]) -> Tensor:
    return ops.stack([ops.all(ops.isfinite(x)) for x in tensors])


def _copied(tensors: Any) -> Any:
    return keras.tree.map_structure(ops.copy, tensors)


def _compiled(function: Step) -> Step:
    name = keras.backend.backend()
    if name == "jax":
        import jax

        return jax.jit(function)
    if name == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    return function


def _paths(model: Any) -> list[str]:
    return [variable.path for variable in model.trainable_variables]


def _trained(model: Any) -> list[Any]:
    own = [*model.trainable_variables, *model.non_trainable_variables]
    return [*own, *model.optimizer.variables]


def _variables(model: Any) -> list[Any]:
    return [*_trained(model), *model.metrics_variables]


def _build(model: Any, batch: Any) -> None:
    """Make all variables before the first step; TensorFlow's trainer leaves that to the step."""
    if not model.built:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(whole(model, batch))
        model(keras.tree.map_structure(lambda t: keras.KerasTensor(t.shape, t.dtype), x))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
