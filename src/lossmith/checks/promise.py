"""What a loss says of itself: it decides what is tested, and what is not held against it."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from lossmith.messages import ArgumentError, closest, listed

_ATTRIBUTE = "__lossmith_promises__"
_PLACE = ("tool", "lossmith", "check")
Target = TypeVar("Target")


@dataclass(frozen=True)
class Promises:
    """What a loss promises. Each field left at its default promises nothing.

    Where a field is a reason, it is text that says why: silence is not enough to leave a check.

    Attributes:
        couples: Why samples meet inside the loss, such as `"in-batch negatives"`.
        normalises: What the sum is divided by: `"samples"`, `"tokens"`, `"weights"`; None: told
            from what it does.
        pads: False: the loss looks at the padded length on purpose.
        mask: Which positions count: `"y_true != -1"`, `"isfinite(y_true)"` or `"keras"`.
        weights: Why `sample_weight` does not weigh the samples.
        sparse_gradient: Why the gradient is zero at positions that count, such as `"hinge"`.
        gradient: Why the gradient is not that of the value, such as `"straight-through"`.
        direction: `"max"` for a loss that is maximised.
        min_batch: How many samples it needs.
        static_batch: Why the batch size must be known while tracing.
        jit: Why it cannot be compiled.
        half: Why it cannot be computed in 16 bits.
        serialise: Why it is not saved.
        random: Why two calls differ, such as `"dropout"`.
        backends: The backends it is written for.
        ordered: Why the order of the samples matters.
        empty: `"raise"` for a loss that refuses a batch where nothing counts.
        nan_targets: False: masked targets are never NaN.
        perfect: Why no prediction is the best one, such as `"regulariser"`.
        fails: Checks that are known to fail, by name, each with its reason. One that is kept is
            an error: then the entry has to go.
    """

    couples: str | None = None
    normalises: Literal["samples", "tokens", "weights"] | None = None
    pads: bool = True
    mask: str | None = None
    weights: str | None = None
    sparse_gradient: str | None = None
    gradient: str | None = None
    direction: Literal["min", "max"] = "min"
    min_batch: int = 1
    static_batch: str | None = None
    jit: str | None = None
    half: str | None = None
    serialise: str | None = None
    random: str | None = None
    backends: tuple[str, ...] = ()
    ordered: str | None = None
    empty: Literal["raise"] | None = None
    nan_targets: bool = True
    perfect: str | None = None
    fails: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Check the values; a list of backends becomes a tuple."""
        object.__setattr__(self, "backends", tuple(self.backends))
        for name in _REASONS:
            _check_reason(name, getattr(self, name))
        for name, reason in self.fails.items():
            _check_reason(f"fails[{name!r}]", reason)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ArgumentError(
                    f"a promise has a value it cannot have: {name}",
                    got=f"{name}={getattr(self, name)!r}",
                    expected=f"one of {listed(repr(value) for value in allowed)}",
                    fix=f"write {name}={allowed[0]!r}",
                )

    def made(self, name: str) -> bool:
        """Whether a promise is made: its field is not at its default."""
        return getattr(self, name) != getattr(_NONE, name)

    def merged(self, *others: Promises) -> Promises:
        """Return these promises, and those of the others where this one makes none."""
        result = self
        for other in others:
            given = {f.name: getattr(other, f.name) for f in _fields() if not result.made(f.name)}
            result = dataclasses.replace(result, **given)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return the promises that are made."""
        return {f.name: getattr(self, f.name) for f in _fields() if self.made(f.name)}


_REASONS = (
    "couples", "weights", "sparse_gradient", "gradient", "static_batch", "jit", "half",
    "serialise", "random", "ordered", "perfect",
)  # fmt: skip
_CHOICES: dict[str, tuple[Any, ...]] = {
    "normalises": ("tokens", "samples", "weights", None),
    "pads": (False, True),
    "direction": ("max", "min"),
    "empty": ("raise", None),
    "nan_targets": (False, True),
}


def _fields() -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(Promises)


def _check_reason(name: str, value: Any) -> None:
    if value is None or (isinstance(value, str) and value.strip()):
        return
    raise ArgumentError(
        f"the promise {name} gives no reason",
        got=f"{name}={value!r}",
        expected="the reason, as text",
        fix='say why in words: couples="in-batch negatives"',
    )


_NONE = Promises()


def as_promises(given: Promises | Mapping[str, Any] | None) -> Promises:
    """Take promises as an object or by name.

    Raises:
        ArgumentError: For a name that is not a promise.
    """
    if given is None or isinstance(given, Promises):
        return given or _NONE
    known = [f.name for f in _fields()]
    for name in given:
        if name not in known:
            near = closest(str(name), known)
            raise ArgumentError(
                f"{name!r} is not a promise",
                got=f"{name}={given[name]!r}",
                expected=f"one of {listed(known)}",
                fix=f"write {near[0]} in place of {name}",
            )
    return Promises(**given)


def promises(**given: Any) -> Callable[[Target], Target]:
    """State the promises of a loss where it is written.

    Args:
        **given: The fields of `Promises`.

    Returns:
        A decorator that leaves the function or class as it is, apart from one attribute.

    Raises:
        ArgumentError: For a name that is not a promise.

    Example:
        >>> import lossmith as lm
        >>> @lm.promises(couples="in-batch negatives", min_batch=2)
        ... def contrastive(y_true, y_pred): ...
    """
    stated = as_promises(given)

    def decorate(target: Target) -> Target:
        setattr(target, _ATTRIBUTE, stated)
        return target

    return decorate


def stated_promises(target: object) -> Promises:
    """Return what the decorator stated; for an instance, what its class or itself states."""
    return getattr(target, _ATTRIBUTE, _NONE)


def configured(file: Path | None, name: str) -> Mapping[str, Any]:
    """Return what pyproject.toml says of a loss: `[tool.lossmith.check."losses.py:my_loss"]`.

    The nearest pyproject.toml above the file counts, and the path is relative to it.
    """
    for folder in file.resolve().parents if file else ():
        project = folder / "pyproject.toml"
        if file and project.is_file():
            table: Any = tomllib.loads(project.read_text(encoding="utf-8"))
            for key in _PLACE:
                table = table.get(key, {})
            return table.get(
                f"{file.resolve().relative_to(folder.resolve()).as_posix()}:{name}", {}
            )
    return {}
