"""What a loss sees of a model beyond its output: outputs of layers, and weights."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.core.fused import Head
from lossmith.messages import SourceError, closest, listed
from lossmith.model._heads import check_head, head_of, left_out
from lossmith.model._progress import PROGRESS

Call = Callable[..., Any]


class Inside:
    """The layers and weights that a loss names, and what the layers returned last.

    Not a Keras object, so that the model does not take the layers for new ones.

    Args:
        model: The model. The weights of one that is not built yet are looked for when they are
            wanted.
        sources: The names that the loss gives its tensors.

    Raises:
        SourceError: If a layer or a weight is not there.
    """

    def __init__(self, model: Any, sources: tuple[str, ...]) -> None:
        self._model = model
        self._layers = find_layers(model, _fields("layer", sources))
        heads = find_layers(model, _fields("head", sources), written="{}")
        self._heads = {name: check_head(layer) for name, layer in heads.items()}
        self._given: dict[str, Any] = {}
        self._waits = False
        self._patterns = _fields("weights", sources)
        self.outputs: dict[str, Any] = {}
        if model.built:
            self._variables()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights, by the name that the loss gives them."""
        return {name: weight_tensor(found) for name, found in self._variables().items()}

    def _variables(self) -> dict[str, list[Any]]:
        return {name: find_weights(self._model, name) for name in self._patterns}

    def taken(self) -> dict[str, Any]:
        """Return what the layers returned in the pass before, and keep none of it."""
        outputs, self.outputs = self.outputs, {}
        return outputs

    def heads(self) -> dict[str, Head]:
        """Return the last layers that the loss computes itself, and keep none of them."""
        given, self._given = self._given, {}
        return {name: head_of(self._heads[_layer_of(name)], x) for name, x in given.items()}

    @contextmanager
    def leaving_out_heads(self) -> Generator[None]:
        """Have these layers compute their outputs only where something else asks for them."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    @contextmanager
    def recording(self) -> Generator[None]:
        """Write down what the layers return: as `name`, or `name:0`, `name:1`, ... if more.

        Of several passes, such as one that builds the model before the one that counts, the last.
        """
        calls: dict[str, list[Any]] = {name: [] for name in self._layers}
        given: dict[str, list[Any]] = {name: [] for name in self._heads}
        with ExitStack() as stack:
            afresh = _afresh([*calls.values(), *given.values()])
            stack.enter_context(in_place_of_call(self._model, afresh))
            for name, layer in self._layers.items():
                stack.enter_context(in_place_of_call(layer, _recorded(calls[name])))
            for name, layer in self._heads.items():
                leave_out = left_out(layer, given[name], waits=self._waits)
                stack.enter_context(in_place_of_call(layer, leave_out))
            yield
        self.outputs, self._given = _by_call(calls), _by_call(given)


def _by_call(calls: dict[str, list[Any]]) -> dict[str, Any]:
    """Name what was written down: by the layer, or by the layer and the place of the call."""
    named: dict[str, Any] = {}
    for name, found in calls.items():
        several = {f"{name}:{place}": x for place, x in enumerate(found)}
        named.update({name: found[0]} if len(found) == 1 else several)
    return named


def layer_paths(model: Any) -> dict[str, Any]:
    """Return all layers of a model by name, those inside another as `outer/inner`.

    A layer that is an attribute goes by the attribute's name too. No path goes into a time loop:
    what is computed there cannot be had outside of it.
    """
    found: dict[str, Any] = {}
    for name, layer in _children(model).items():
        found[name] = layer
        if not hasattr(layer, "cell") and not isinstance(layer, keras.layers.TimeDistributed):
            inner = layer_paths(layer).items()
            found.update({f"{name}/{path}": below for path, below in inner})
    return found


def _children(layer: Any) -> dict[str, Any]:
    own = {child.name: child for child in getattr(layer, "layers", []) if child.name != PROGRESS}
    return {**backend.sublayers(layer), **own}


def find_layers(model: Any, names: list[str], written: str = "layer:{}") -> dict[str, Any]:
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
                got=repr(written.format(name)),
                expected=f"one of its layers: {listed(near)}",
                fix=f"write {written.format(near[0])!r}",
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


@contextmanager
def in_place_of_call(layer: Any, wrap: Callable[[Call], Call]) -> Generator[None]:
    """Wrap what a layer does when it is called, for a while."""
    own = layer.__dict__.get("call")
    layer.call = wrap(layer.call)
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own


def _recorded(found: list[Any]) -> Callable[[Call], Call]:
    def wrap(call: Call) -> Call:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            found.append(call(*args, **kwargs))
            return found[-1]

        return recorded

    return wrap


def _afresh(calls: list[list[Any]]) -> Callable[[Call], Call]:
    def wrap(call: Call) -> Call:
        def afresh(*args: Any, **kwargs: Any) -> Any:
            for found in calls:
                found.clear()
            return call(*args, **kwargs)

        return afresh

    return wrap


def _matches(path: list[str], pattern: list[str]) -> bool:
    if not fnmatchcase(path[-1], pattern[-1]):
        return False
    names = iter(path[:-1])
    return all(any(fnmatchcase(name, wanted) for name in names) for wanted in pattern[:-1])
