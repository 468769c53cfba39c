"""A zoo of small wrong losses, each with one sin, each beside its right twin.

It is the yardstick of the checks and of the linter: each sin names the check that must reject it
and the rule that finds it by reading. The right twin is what neither may touch. The code is wrong
on purpose: do not correct it.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

ANYWHERE = (
    "shapes",
    "weights_reduction",
    "batch_statistics",
    "masks",
    "counts",
    "numerics",
    "gradients",
    "optimum",
    "graphs",
    "portability",
    "saving",
    "classes",
    "closures",
)
PAIRS: "list[Pair]" = []


@dataclass(frozen=True)
class Pair:
    """A wrong loss and its right twin.

    Attributes:
        sin: What is wrong, in kebab-case.
        wrong: A function of `(y_true, y_pred)` or a `keras.losses.Loss`.
        right: The same without the sin.
        axes: The axes of target and prediction.
        check: The check that must reject `wrong`; None where no property is broken.
        rule: The lint rule that finds it; None where reading cannot.
        why: What goes wrong, in one sentence.
        y_true: The domain of the target, as words: `simplex`, `int<3 pad=-1`.
        y_pred: The domain of the prediction.
        promises: What both twins say of themselves.
        backend: The one backend both are written for; None for `keras.ops`.
        witness: Makes `(y_true, y_pred)`, or these and a sample weight (a Keras mask, with the
            promise `mask="keras"`), on which the twins differ. None: ordinary inputs are enough.
        reference: What `right` returns, in NumPy.
    """

    sin: str
    wrong: Any
    right: Any
    axes: str
    check: str | None
    rule: str | None
    why: str
    y_true: str = ""
    y_pred: str = ""
    promises: Mapping[str, Any] = field(default_factory=dict)
    backend: str | None = None
    witness: Callable[[], tuple[Any, ...]] | None = None
    reference: Callable[[Any, Any], Any] | None = None


def pair(sin: str, wrong: Any, right: Any, **said: Any) -> None:
    """Add a pair to the zoo; the arguments are the fields of `Pair`."""
    PAIRS.append(Pair(sin, wrong, right, **said))


def pairs() -> list[Pair]:
    """All pairs that run on the running backend."""
    for name in (*ANYWHERE, f"in_{keras.config.backend()}"):
        importlib.import_module(f"{__name__}.{name}")
    return PAIRS


def apart(loss: Any) -> Any:
    """Return a loss that keeps what it computes to itself, and not on the one of the zoo.

    Not by `copy`: Keras copies by saving and loading, which some of these refuse.
    """
    if not isinstance(loss, keras.losses.Loss):
        return loss
    twin = object.__new__(type(loss))
    twin.__dict__.update(vars(loss))
    return twin
