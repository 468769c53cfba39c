"""One exception family and its one renderer: fact / got / expected / fix / in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Self


class LossmithError(ValueError):
    """A fault in what the user gave, as data.

    Args:
        fact: What is wrong, in one clause without blame.
        got: What was received.
        expected: What would have been right.
        fix: The likeliest mend, in code that can be pasted where possible.
        at: The path to the place, outermost first.
    """

    # Keras' layers rebuild errors from their first line alone, unless they are marked so.
    _keras_call_info_injected = True

    def __init__(
        self, fact: str, *, got: str, expected: str, fix: str, at: tuple[str, ...] = ()
    ) -> None:
        super().__init__(fact)
        self.fact = fact
        self.got = got
        self.expected = expected
        self.fix = fix
        self.at = at

    def inside(self, place: str) -> Self:
        """Add the enclosing place to the path, and return the error to be raised again."""
        self.at = (place, *self.at)
        return self

    def __str__(self) -> str:
        """Render the five rows; a row without content is left out."""
        rows = [("got", self.got), ("expected", self.expected), ("fix", self.fix)]
        if self.at:
            rows.append(("in", " > ".join(self.at)))
        lines = [f"  {label:<9} {_indented(text)}" for label, text in rows if text]
        return "\n".join([self.fact, *lines])


class NotationError(LossmithError):
    """An axes or reduce string that cannot be read."""


class ShapeError(LossmithError):
    """Tensors whose axes do not line up."""


class SourceError(LossmithError):
    """A tensor asked for by a name that is not there."""


class ArgumentError(LossmithError):
    """An argument outside its domain."""


class SavingError(LossmithError):
    """Something that could be trained with but not loaded again."""


def closest(name: str, names: Iterable[str]) -> list[str]:
    """Sort `names` so that those most alike to `name` come first."""
    return sorted(names, key=lambda other: -difflib.SequenceMatcher(a=name, b=other).ratio())


def listed(names: Iterable[object]) -> str:
    """Join names for a message, or say that there are none."""
    return ", ".join(str(name) for name in names) or "none"


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 12)
