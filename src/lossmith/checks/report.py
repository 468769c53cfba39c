"""What checks found, as data and as text."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, overload

import numpy as np

from lossmith.checks.blame import Place

_WIDTH = 88
_MOST = 84  # numbers of an array that are written out


class Status(StrEnum):
    """How a check ended.

    `EXPECTED` is a fault that a promise names with its reason. `INHERITED` is one that Keras adds
    to every loss. `CRASHED` is a fault of the check itself.
    """

    KEPT = "kept"
    BROKEN = "broken"
    SKIPPED = "skipped"
    EXPECTED = "expected"
    INHERITED = "inherited from Keras"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Result:
    """How one check ended.

    Attributes:
        check: Its name.
        status: How it ended.
        law: The property, in one sentence.
        reason: What was compared, why it was skipped, or why it was expected.
        got: What the loss gave.
        expected: What it should have given.
        inputs: The smallest failing inputs that were found, by name.
        place: The line where it goes wrong, where that can be told.
        mend: The likely mend.
        promise: The promise that would allow it.
        rules: The lint rules that see such faults in code.
        repeat: The command that runs this check alone.
        seconds: How long it took.
    """

    check: str
    status: Status
    law: str = ""
    reason: str = ""
    got: Any = None
    expected: Any = None
    inputs: dict[str, Any] = field(default_factory=dict[str, Any])
    place: Place | None = None
    mend: str = ""
    promise: str = ""
    rules: tuple[str, ...] = ()
    repeat: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "check": self.check,
            "status": self.status.value,
            "law": self.law,
            "reason": self.reason,
            "got": _plain(self.got),
            "expected": _plain(self.expected),
            "inputs": {name: _plain(array) for name, array in self.inputs.items()},
            "place": str(self.place) if self.place else None,
            "mend": self.mend,
            "promise": self.promise,
            "rules": list(self.rules),
            "repeat": self.repeat,
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        """Write it in full where it is broken, on one line otherwise."""
        head = f"{self.status.upper():<9} {self.check}"
        if self.status not in (Status.BROKEN, Status.CRASHED, Status.INHERITED):
            return f"{head}: {self.reason}" if self.reason else head
        rows = [
            ("law", self.law),
            ("tried", self.reason),
            ("got", _text(self.got)),
            ("expected", _text(self.expected)),
            ("where", str(self.place) if self.place else ""),
            *((name, _text(array)) for name, array in self.inputs.items()),
            ("mend", self.mend),
            ("allow", f'promises={{"{self.promise}": "why"}}' if self.promise else ""),
            ("lint", ", ".join(self.rules)),
        ]
        written = [_row(name, text) for name, text in rows if text]
        if self.repeat:  # on one line, to be pasted
            written.append(f"  {'repeat':<9} {self.repeat}")
        return "\n".join([head, *written])


class CheckFailed(AssertionError):
    """Raised by `Report.raise_if_broken`; its text is the report."""


@dataclass(frozen=True)
class Report(Sequence[Result]):
    """The results of all checks of one loss, in order.

    Attributes:
        subject: The name of the loss.
        facts: What was taken for granted: label and text; inferred ones say so.
        results: One for each check.
    """

    subject: str
    facts: tuple[tuple[str, str], ...]
    results: tuple[Result, ...]

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        """Return a result by its place."""
        return self.results[index]

    def __iter__(self) -> Iterator[Result]:
        """Go through the results."""
        return iter(self.results)

    def __len__(self) -> int:
        """Count the checks."""
        return len(self.results)

    @property
    def broken(self) -> tuple[Result, ...]:
        """The results that speak against the loss, and checks that crashed."""
        return tuple(r for r in self.results if r.status in (Status.BROKEN, Status.CRASHED))

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not self.broken

    def result(self, check: str) -> Result:
        """Return the result of one check."""
        return next(result for result in self.results if result.check == check)

    def raise_if_broken(self) -> None:
        """Fail a test with the report as its message.

        Raises:
            CheckFailed: If a result is broken.
        """
        if not self.ok:
            raise CheckFailed(f"\n{self}")

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "facts": dict(self.facts),
            "results": [result.to_dict() for result in self.results],
        }

    def __str__(self) -> str:
        """Write what was assumed, what is broken in full, the rest in lines, and a count."""
        facts = [_row(label, text) for label, text in self.facts]
        full = [r for r in self.results if "\n" in str(r)]
        short = [r for r in self.results if "\n" not in str(r)]
        blocks = ["\n".join([self.subject, *facts]), *(str(r) for r in full)]
        blocks += ["\n".join(str(r) for r in short)] if short else []
        counts = Counter(r.status for r in self.results)
        seconds = sum(r.seconds for r in self.results)
        total = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        return "\n\n".join([*blocks, f"{total or 'no checks'} in {seconds:.1f} s"])

    __repr__ = __str__


def _row(label: str, text: str) -> str:
    indented = text.replace("\n", "\n" + " " * 12)
    if "\n" not in text and len(text) > _WIDTH:
        indented = ("\n" + " " * 12).join(textwrap.wrap(text, _WIDTH, break_long_words=False))
    return f"  {label:<9} {indented}"


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    array = np.asarray(value)
    if array.dtype.kind in "iufb" and array.ndim:
        if array.size > _MOST:
            return f"shape {array.shape}, from {np.min(array):.4g} to {np.max(array):.4g}"
        return np.array2string(array, precision=5, suppress_small=True)
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "iufb":
        return str(value)
    return _finite(array.tolist())


def _finite(value: Any) -> Any:
    """Write NaN and Inf as text: JSON has no word for them."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value if np.isfinite(value) else str(value)
