"""Where tensors come from: names such as `"y"`, `"y:lengths"`, `"output:head"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor
from lossmith.messages import SourceError, closest, listed

KINDS = ("y", "x", "output", "sample_weight", "layer", "weights")
_FIELDS_ONLY = ("layer", "weights")


def check_source(source: str) -> str:
    """Return `source` if it is the name of a source.

    Raises:
        SourceError: Otherwise.
    """
    kind, _, field = source.partition(":")
    if kind not in KINDS or source.endswith(":") or (kind in _FIELDS_ONLY and not field):
        raise SourceError(
            "a source has an unknown name",
            got=repr(source),
            expected="y, x, output or sample_weight, or a field as in 'y:lengths', 'output:head', "
            "'layer:encoder', 'weights:lstm/kernel'",
            fix=f"write {closest(source, KINDS[:4])[0]!r}, or name a field after a colon",
        )
    return source


@dataclass(frozen=True)
class Sources:
    """The tensors of one step, by name.

    Attributes:
        y: The targets: a tensor, or a dict or tuple of fields. `"y"` is then its entry `"y"`.
        output: The model's output: a tensor, or a dict or tuple of outputs.
        x: The model's inputs; None where a loss is called without a model.
        sample_weight: Keras' sample weights, or None.
        layer: Outputs of layers, by the name that the loss gives them; None without a model.
        weights: Weights of the model, by the name that the loss gives them; None without a model.
        head: Last layers that a loss computes itself, by name, each a `Head`; None without a model.
    """

    y: Any
    output: Any
    x: Any = None
    sample_weight: Any = None
    layer: Mapping[str, Any] | None = None
    weights: Mapping[str, Any] | None = None
    head: Mapping[str, Any] | None = None

    def raw(self, source: str) -> Any:
        """Return what the user gave under a name, as given.

        Raises:
            SourceError: If there is nothing under that name.
        """
        kind, _, field = source.partition(":")
        given = getattr(self, kind)
        if given is None:
            raise _absent(kind, source)
        if isinstance(given, Mapping):
            fields = dict(given)
        elif isinstance(given, tuple):
            fields = {str(place): item for place, item in enumerate(given)}
        elif field:
            raise SourceError(
                f"{kind!r} has no fields",
                got=f"{source!r} with {kind!r} a single tensor",
                expected=f"{kind!r} as a dict with a field {field!r}",
                fix=f"give {kind}={{{kind!r}: ..., {field!r}: ...}} in lm.Model's fit, or call "
                "the loss with such a dict",
            )
        else:
            return given
        if (field or kind) not in fields:
            near = closest(field or kind, fields)
            raise SourceError(
                f"{kind!r} has no field {field or kind!r}",
                got=f"{source!r}",
                expected=f"one of its fields: {listed(near)}",
                fix=f'write "{kind}:{near[0]}"' if near else f"give {kind!r} that field",
            )
        return fields[field or kind]

    def tensor(self, source: str) -> Tensor:
        """Return the tensor under a name; integers stay integers.

        Raises:
            SourceError: If there is nothing under that name, or several tensors.
        """
        found = self.raw(source)
        if isinstance(found, Mapping):
            raise SourceError(
                f"{source!r} is several tensors",
                got=f"a dict of {listed(found)}",
                expected="one tensor",
                fix="give fields side by side, without a dict inside a dict",
            )
        return ops.convert_to_tensor(found)

    def sample_weight_of(self, target: str) -> Tensor | None:
        """Return the sample weights of a term by its target; None where it has none.

        Where `y` is a dict, so are the weights: `fit` copies one array to every entry. The entry
        of the target weighs its term; a term without a target takes that of `"y"`, or the first.
        """
        given = self.sample_weight
        if not isinstance(given, (Mapping, tuple)):
            return self.tensor("sample_weight")
        entries: dict[str, Any] = (
            dict(given)
            if isinstance(given, Mapping)
            else {str(place): item for place, item in enumerate(given)}
        )
        kind, _, field = target.partition(":")
        if kind == "y" and field:
            entry = entries.get(field)
        else:
            entry = entries.get("y", next(iter(entries.values()), None))
        return None if entry is None else ops.convert_to_tensor(entry)

    def keras_mask(self, source: str) -> Tensor | None:
        """Return Keras' automatic mask of a tensor, or None."""
        mask = backend.keras_mask(self.raw(source))
        return None if mask is None else ops.cast(mask, "bool")


def _absent(kind: str, source: str) -> SourceError:
    if kind in ("x", "head", *_FIELDS_ONLY):
        return SourceError(
            "this loss needs a model that hands it more than target and prediction",
            got=f"{source!r} without a model",
            expected="a loss that is compiled into an lm.Model",
            fix="build lm.Model(inputs, outputs) instead of keras.Model(inputs, outputs)",
        )
    return SourceError(
        f"there is no {kind!r} in this step",
        got=f"{source!r}",
        expected=f"{kind!r} given to fit or to the loss",
        fix=f"give {kind!r}, or leave it out of the loss",
    )
