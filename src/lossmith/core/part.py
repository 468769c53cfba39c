"""What a part is: a frozen dataclass that carries its own evidence, and the registry of all."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import keras
import numpy as np

from lossmith.messages import ArgumentError

PARTS: dict[str, type[Part]] = {}
_SECTIONS = ("Shapes:", "Example:")
_MOST_EXAMPLES = 6
PartType = TypeVar("PartType", bound="type[Part]")


@dataclass(frozen=True)
class Example:
    """A case worked by hand: what a loss with this part gives, element by element.

    Attributes:
        y_true: The targets, or a dict of fields.
        y_pred: The prediction.
        values: The elements by hand: the errors, times their weights, 0 where they do not count.
        config: The arguments of the part.
        axes: The axes of the loss.
        error: The error of the loss, where the part is not an error itself.
        sample_weight: Keras' sample weights.
        masking: Whether the prediction comes out of `keras.layers.Masking`.
    """

    y_true: Any
    y_pred: Any
    values: Any
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    axes: str | None = None
    error: str = "absolute"
    sample_weight: Any = None
    masking: bool = False


class Part:
    """A piece of a loss. Its config, equality and repr come from its fields."""

    kind: ClassVar[str]
    EXAMPLES: ClassVar[tuple[Example, ...]]

    def get_config(self) -> dict[str, Any]:
        """Return the fields, nested parts and functions in Keras' serialised form."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {
            field.name: keras.saving.serialize_keras_object(getattr(self, field.name))
            for field in fields
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build the part again from its fields."""
        loaded = {
            name: keras.saving.deserialize_keras_object(value) for name, value in config.items()
        }
        return cls(**loaded)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the tensors that it asks for, its own and those of parts inside it."""
        values = [(f.name, getattr(self, f.name)) for f in dataclasses.fields(self)]  # type: ignore[arg-type]
        own = tuple(value for name, value in values if name == "source")
        inner = (
            source for _, value in values if isinstance(value, Part) for source in value.sources
        )
        return (*own, *inner)

    def __eq__(self, other: object) -> bool:
        """Parts are equal when their types and fields are."""
        return type(self) is type(other) and self.get_config() == other.get_config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        """Equal parts hash alike."""
        return hash(repr(self.get_config()))


@dataclass_transform(frozen_default=True)
def part(cls: PartType) -> PartType:
    """Freeze a class as a part and list it.

    A part without documented shapes, a runnable example or cases worked by hand is refused.
    """
    missing = [section for section in _SECTIONS if section not in (cls.__doc__ or "")]
    cases = cls.__dict__.get("EXAMPLES", ())
    if missing or not 0 < len(cases) <= _MOST_EXAMPLES:
        raise ArgumentError(
            f"the part {cls.__name__} does not carry its evidence",
            got=f"no {missing[0]} section" if missing else f"{len(cases)} EXAMPLES",
            expected="a docstring with Shapes: and Example:, and 1 to 6 EXAMPLES",
            fix="write the docstring sections and EXAMPLES = (Example(...),)",
        )
    frozen = dataclass(frozen=True, eq=False)(cls)
    PARTS[f"{frozen.kind}.{frozen.__name__}"] = frozen
    return keras.saving.register_keras_serializable("lossmith", f"{cls.kind}.{cls.__name__}")(
        frozen
    )


def snake_case(name: str) -> str:
    """Turn a class name into the name of a loss: `CrossEntropy` to `cross_entropy`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def number(
    value: Any,
    name: str,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    above: float = -np.inf,
) -> float:
    """Return a finite Python number from `low` to `high`, and more than `above`.

    Raises:
        ArgumentError: Otherwise.
    """
    numeric = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not numeric or not np.isfinite(value) or not low <= value <= high or value <= above:
        legal = 0.5 if high == 1 else max(low, 1.0)
        raise ArgumentError(
            f"{name} is out of its domain",
            got=f"{name}={value!r}",
            expected="a finite number" + _bounds(low, high, above),
            fix=f"give a number such as {name}={legal:g}",
        )
    return value if isinstance(value, (int, float)) else value.item()


def numbers(values: Any, name: str, *, ndim: int | None = 1) -> Any:
    """Return an array of finite numbers as nested tuples, which compare and save as they are.

    Raises:
        ArgumentError: If it is not a rectangular array of finite numbers of that rank.
    """
    try:
        array = np.asarray(values, dtype="float64")
    except (TypeError, ValueError):
        array = np.asarray(np.nan)
    if not array.size or not np.all(np.isfinite(array)) or ndim not in (None, array.ndim):
        raise ArgumentError(
            f"{name} is not an array of finite numbers",
            got=f"{name}={values!r}"[:200],
            expected=f"finite numbers with {'any number of' if ndim is None else ndim} axes",
            fix=f"give {name}=[0.2, 0.8] or a NumPy array",
        )
    return _as_tuple(array.tolist())


def _as_tuple(values: Any) -> Any:
    return tuple(_as_tuple(value) for value in values) if isinstance(values, list) else values


def _bounds(low: float, high: float, above: float) -> str:
    if np.isfinite(above):
        return f" above {above:g}"
    if np.isfinite(low) and np.isfinite(high):
        return f" from {low:g} to {high:g}"
    return f" of at least {low:g}" if np.isfinite(low) else ""
