"""`lm.testing`: the checks of losses as tests of pytest, one for each loss and check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.checks import Promises
from lossmith.checks.report import CheckFailed, Report, Result, Status
from lossmith.checks.runner import Run, prepare
from lossmith.checks.subject import as_subject
from lossmith.checks.unit import Check, chosen

if TYPE_CHECKING:
    import pytest

__all__ = ["parametrize_with_checks"]


def parametrize_with_checks(  # noqa: PLR0913
    losses: Sequence[Any],
    axes: str | None = None,
    *,
    promises: Promises | Mapping[str, Any] | None = None,
    y_true: Any = None,
    y_pred: Any = None,
    seed: int = 0,
    only: str | Sequence[str] | None = None,
) -> pytest.MarkDecorator:
    """Make of a test of `loss` and `check` one test for each loss and each check.

    A check that does not apply is skipped with its reason. One that the promise `fails` names is
    an expected failure, and it is strict: if it is kept after all, the test fails.

    Args:
        losses: What `lm.check` takes.
        axes: As for `lm.check`, of all the losses.
        promises: The same; what a single loss promises stands above it, in `@lm.promises`.
        y_true: As for `lm.check`.
        y_pred: As for `lm.check`.
        seed: As for `lm.check`.
        only: As for `lm.check`.

    Returns:
        A decorator of pytest.

    Example:
        >>> import keras, lossmith as lm
        >>> @lm.testing.parametrize_with_checks([keras.losses.Huber(), "mae"], "b [c], b [c]")
        ... def test_losses(loss, check):
        ...     check(loss)
    """
    import pytest

    given = {"axes": axes, "promises": promises, "y_true": y_true, "y_pred": y_pred, "seed": seed}
    held = [Held(loss, given) for loss in losses]
    return pytest.mark.parametrize(
        ("loss", "check"),
        [
            pytest.param(each.loss, Test(each, check), id=f"{each.name}-{name}")
            for each in held
            for name, check in chosen(only).items()
        ],
    )


@dataclass(frozen=True)
class Held:
    """A loss that is made ready when its first check runs.

    Attributes:
        loss: The loss.
        given: What is said of it.
        file: The file that it has its name in; None: its own.
        named: That name.
    """

    loss: Any
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    file: Path | None = None
    named: str = ""

    @cached_property
    def name(self) -> str:
        """How to speak of it."""
        return self.named or as_subject(self.loss).name

    @cached_property
    def run(self) -> Run:
        """It, made ready."""
        named = (self.file, self.named) if self.file else None
        return prepare(self.loss, **self.given, named=named)


@dataclass(frozen=True)
class Test:
    """One check of one loss, to be called in a test."""

    __test__ = False  # no class of tests, for all its name

    held: Held
    check: Check

    def __call__(self, loss: Any) -> None:
        """Run it; a broken one raises `CheckFailed`."""
        del loss  # the one that is held
        settle(self.held.run.result(self.check), self.held.run)

    def __repr__(self) -> str:
        """Write the name of the check."""
        return self.check.name


def settle(result: Result, run: Run) -> None:
    """Say to pytest how a check ended.

    Raises:
        CheckFailed: If it is broken, with the result and what was taken for granted.
    """
    import pytest

    if result.status in (Status.BROKEN, Status.CRASHED):
        raise CheckFailed(f"\n{Report(run.place, run.facts, (result,))}")
    if result.status is Status.SKIPPED:
        pytest.skip(result.reason)
    if result.status in (Status.EXPECTED, Status.INHERITED):
        pytest.xfail(f"{result.status}: {result.reason}")
