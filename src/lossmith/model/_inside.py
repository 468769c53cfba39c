"""What a loss sees of a model beyond its output: outputs of layers, and weights."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

import keras
from keras import ops

from lossmith.core.axes import Tensor
from lossmith.messages import SourceError, closest, listed


class Inside:
    """The layers and weights that a loss names, and what the layers returned last.

    Not a Keras object, so that the model does not take the layers for new ones.

    Args:
        model: The model.
        sources: The names that the loss gives its tensors.

    Raises:
        SourceError: If a layer or a weight is not there.
    """

    def __init__(self, model: Any, sources: tuple[str, ...]) -> None:
        self._layers = find_layers(model, _fields("layer", sources))
        self._weights = {name: find_weights(model, name) for name in _fields("weights", sources)}
        self.outputs: dict[str, Any] = {}

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights, by the name that the loss gives them."""
        return {name: weight_tensor(found) for name, found in self._weights.items()}

    @contextmanager
    def recording(self) -> Generator[None]:
        """Write down what the layers return: as `name`, or `name:0`, `name:1`, ... if more."""
        calls: dict[str, list[Any]] = {name: [] for name in self._layers}
        own = {name: layer.__dict__.get("call") for name, layer in self._layers.items()}
        for name, layer in self._layers.items():
            layer.call = _recorded(layer.call, calls[name])
        try:
            yield
        finally:
            for name, layer in self._layers.items():
                del layer.call
                if own[name] is not None:
                    layer.call = own[name]
        self.outputs = {}
        for name, found in calls.items():
            several = {f"{name}:{place}": output for place, output in enumerate(found)}
            self.outputs.update({name: found[0]} if len(found) == 1 else several)


def layer_paths(model: Any) -> dict[str, Any]:
    """Return all layers of a model by name, those of models inside it as `model/layer`."""
    found: dict[str, Any] = {}
    for layer in model.layers:
        found[layer.name] = layer
        if isinstance(layer, keras.Model):
            inner = layer_paths(layer).items()
            found.update({f"{layer.name}/{path}": below for path, below in inner})
    return found


def find_layers(model: Any, names: list[str]) -> dict[str, Any]:
    """Return the layers that a loss names.

    A name may end in `:0`, `:1`, ... for one of the calls of a layer that is called several times.

    Raises:
        SourceError: If there is no such layer.
    """
    known = layer_paths(model)
    for name in names:
        if _layer_of(name) not in known:
            near = closest(name, known)
            raise SourceError(
                f"the model has no layer {_layer_of(name)!r}",
                got=f"'layer:{name}'",
                expected=f"one of its layers: {listed(near)}",
                fix=f"write 'layer:{near[0]}'",
            )
    return {_layer_of(name): known[_layer_of(name)] for name in names}


def find_weights(model: Any, pattern: str) -> list[Any]:
    """Return the variables whose path has the names of a pattern, in order, the last one last.

    `"lstm/kernel"` is `lstm/lstm_cell/kernel`; `*` stands for anything within a name.

    Raises:
        SourceError: If there is none, or several without a `*`.
    """
    found = [v for v in model.weights if _matches(v.path.split("/"), pattern.split("/"))]
    if len(found) == 1 or (found and "*" in pattern):
        return found
    paths = [variable.path for variable in found or model.weights]
    near = closest(pattern, paths)
    raise SourceError(
        f"{pattern!r} names {len(found) or 'no'} weights of the model",
        got=f"'weights:{pattern}'",
        expected=f"one of {listed(near)}",
        fix=f"write 'weights:{near[0]}', or a * for several at once",
    )


def weight_tensor(variables: list[Any]) -> Tensor:
    """Return one variable as it is, or several as one flat tensor."""
    if len(variables) == 1:
        return ops.convert_to_tensor(variables[0])
    return ops.concatenate([ops.reshape(variable, (-1,)) for variable in variables])


def _fields(kind: str, sources: tuple[str, ...]) -> list[str]:
    parts = [source.partition(":") for source in sources]
    return [field for found, _, field in parts if found == kind]


def _layer_of(name: str) -> str:
    return name.partition(":")[0]


def _recorded(call: Callable[..., Any], found: list[Any]) -> Callable[..., Any]:
    def recorded(*args: Any, **kwargs: Any) -> Any:
        found.append(call(*args, **kwargs))
        return found[-1]

    return recorded


def _matches(path: list[str], pattern: list[str]) -> bool:
    if not fnmatchcase(path[-1], pattern[-1]):
        return False
    names = iter(path[:-1])
    return all(any(fnmatchcase(name, wanted) for name in names) for wanted in pattern[:-1])
