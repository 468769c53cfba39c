"""What a check is: one property of losses, with its evidence, and the registry of all."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossmith.checks.promise import Promises
from lossmith.messages import ArgumentError, closest, listed

CHECKS: dict[str, Check] = {}
FAMILIES = (
    "shapes", "masks", "weights", "numerics", "gradients", "contract", "saving", "portability",
)  # fmt: skip
NEEDS: dict[str, str] = {
    "elements": "it gives no errors before reduction",
    "mask": 'no mask is known: promise mask="y_true != -1" or "keras"',
    "steps": "it has no axis of steps",
    "weights": "it takes no sample weights",
    "perfect": "the best prediction is not known for these domains",
    "integers": "its targets are no class numbers",
    "samples": "it takes one sample only",
}
"""What a check may need of a loss, and what is said where the loss lacks it."""

_MOST = 6


@dataclass(frozen=True)
class Case:
    """A loss that a check must accept, or must reject.

    Attributes:
        loss: A function or Keras loss in `keras.ops`.
        axes: Its axes.
        y_true: The domain of its targets.
        y_pred: The domain of its predictions.
        promises: What it promises.
        elsewhere: Makes its fingerprints on other backends, by their names.
    """

    loss: Any
    axes: str = "b [c], b [c]"
    y_true: str = "real"
    y_pred: str = "real"
    promises: Mapping[str, Any] = field(default_factory=dict[str, Any])
    elsewhere: Callable[[], Mapping[str, Mapping[str, Any]]] = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """One property.

    Attributes:
        name: It reads as a law.
        family: The file it stands in.
        run: Takes a `Probe`, and raises by it where the property does not hold.
        accepts: Losses that have the property.
        rejects: Losses that lack it.
        mend: The likely mend, in one clause.
        promise: The promise that allows a loss not to have it; empty: none does.
        rules: Codes of the lint rules that see the same fault in code.
        needs: What the loss must have for it to apply: keys of `NEEDS`.
        backends: The backends on which it can tell anything; empty: all.
    """

    name: str
    family: str
    run: Callable[[Any], None]
    accepts: tuple[Case, ...]
    rejects: tuple[Case, ...]
    mend: str
    promise: str = ""
    rules: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()

    @property
    def law(self) -> str:
        """The property in one sentence: the first of the docstring."""
        return " ".join((self.run.__doc__ or "").split("\n\n")[0].split())


def check(  # noqa: PLR0913 - each is a part of what a check owes
    name: str,
    family: str,
    *,
    accepts: Case | Sequence[Case],
    rejects: Case | Sequence[Case],
    mend: str,
    promise: str = "",
    rules: Sequence[str] = (),
    needs: Sequence[str] = (),
    backends: Sequence[str] = (),
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a function of a probe as a check. For the arguments see `Check`.

    Raises:
        ArgumentError: Where it does not carry its evidence, or names something unknown.
    """

    def register(run: Callable[[Any], None]) -> Callable[[Any], None]:
        unit = Check(
            name, family, run, _cases(accepts), _cases(rejects), mend, promise, tuple(rules),
            tuple(needs), tuple(backends),
        )  # fmt: skip
        _hold(unit)
        CHECKS[name] = unit
        return run

    return register


def load() -> dict[str, Check]:
    """Import every family and return all checks, by name."""
    package = importlib.import_module("lossmith.checks.families")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(CHECKS.items(), key=lambda item: FAMILIES.index(item[1].family)))


def chosen(only: str | Sequence[str] | None) -> dict[str, Check]:
    """Return all checks, or the ones named.

    Raises:
        ArgumentError: For a name that is not a check.
    """
    known = load()
    names = [only] if isinstance(only, str) else list(only or known)
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"there is no check {name!r}",
                got=f"only={only!r}",
                expected=listed(known),
                fix=f"write only={closest(name, known)[0]!r}",
            )
    return {name: known[name] for name in names}


def _cases(given: Case | Sequence[Case]) -> tuple[Case, ...]:
    return (given,) if isinstance(given, Case) else tuple(given)


def _hold(unit: Check) -> None:
    faults = [
        (not unit.law.endswith("."), "a docstring whose first paragraph is the property"),
        (not unit.accepts or not unit.rejects, "a loss it accepts and one it rejects"),
        (len(unit.accepts) + len(unit.rejects) > _MOST, f"at most {_MOST} cases"),
        (not unit.mend, "the likely mend"),
        (unit.family not in FAMILIES, f"a family among {listed(FAMILIES)}"),
        (not set(unit.needs) <= set(NEEDS), f"needs among {listed(NEEDS)}"),
        (bool(unit.promise) and not hasattr(Promises(), unit.promise), "a promise that exists"),
        (unit.name in CHECKS and CHECKS[unit.name].run.__module__ != unit.run.__module__,
         "a name of its own"),
    ]  # fmt: skip
    missing = [text for fault, text in faults if fault]
    if missing:
        raise ArgumentError(
            f"the check {unit.name!r} does not carry what it owes",
            got=f"{inspect.getmodule(unit.run).__name__}.{unit.run.__name__}",  # type: ignore[union-attr]
            expected=missing[0],
            fix='see "How to add a check" in the README of lossmith/checks',
        )
