"""What a rule finds: where, what is wrong, and the edits that mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """A piece of a text. Lines count from 1, columns from 0, in characters; the end is outside."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, order=True)
class Edit:
    """New text for a span; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True)
class Fix:
    """Edits that mend one finding, applied together or not at all.

    Attributes:
        edits: The edits, none of them overlapping.
        safe: Whether the value on valid inputs stays the same.
        title: What it does, in the imperative.
    """

    edits: tuple[Edit, ...]
    safe: bool
    title: str


@dataclass(frozen=True)
class Finding:
    """One fault at one place.

    Attributes:
        code: The code of the rule, such as `"LSM203"`.
        name: The name of the rule, such as `"mean-over-padding"`.
        message: What is wrong here, in one sentence.
        span: Where.
        function: The loss that it is in, such as `"Focal.call"`; empty outside of one.
        fix: How to mend it; None where only a person can.
        cell: The code cell of a notebook, from 1; None in a file of Python.
    """

    code: str
    name: str
    message: str
    span: Span
    function: str = ""
    fix: Fix | None = None
    cell: int | None = None
