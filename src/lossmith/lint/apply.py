"""Mend a text: apply the fixes of findings, lint again, and never leave what does not parse."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lossmith.lint.finding import Edit, Finding, Fix
from lossmith.lint.source import NEWLINE

PASSES = 20
"""How often a text is mended and linted again. A fix may make room for another one."""

Find = Callable[[str], Sequence[Finding]]


@dataclass(frozen=True)
class Mended:
    """A text after its fixes.

    Attributes:
        text: The text; the given one if nothing could be mended.
        applied: How many fixes are in it.
        fault: What went wrong on the way, if anything.
    """

    text: str
    applied: int = 0
    fault: str | None = None


def mend(text: str, find: Find, *, unsafe: bool) -> Mended:
    """Apply fixes until there are none left.

    Args:
        text: Code, with any newlines.
        find: Lints a text.
        unsafe: Whether to apply fixes that may change values too.
    """
    done = Mended(text)
    for _ in range(PASSES):
        fixable = [x for x in find(done.text) if x.fix and is_applied(x.fix, unsafe=unsafe)]
        chosen = _without_overlap(fixable)
        if not chosen:
            return done
        fresh = edited(done.text, {edit for x in chosen if x.fix for edit in x.fix.edits})
        if not parses(fresh):
            codes = ", ".join(sorted({x.code for x in chosen}))
            fault = f"the fixes of {codes} would leave code that does not parse; they are not made"
            return Mended(done.text, done.applied, fault)
        done = Mended(fresh, done.applied + len(chosen))
    return Mended(text, 0, f"still not mended after {PASSES} passes, so it is left as it was")


def is_applied(fix: Fix, *, unsafe: bool) -> bool:
    """Whether a fix is one that may be applied."""
    return fix.safe or unsafe


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with edits that do not overlap; new lines end as those of the text do."""
    newline = found[0] if (found := NEWLINE.search(text)) else "\n"
    starts = [0, *(match.end() for match in NEWLINE.finditer(text))]
    pieces: list[str] = []
    at = 0
    for edit in sorted(edits):
        start = starts[edit.span.line - 1] + edit.span.column
        pieces += [text[at:start], edit.text.replace("\n", newline)]
        at = starts[edit.span.end_line - 1] + edit.span.end_column
    return "".join([*pieces, text[at:]])


def parses(text: str) -> bool:
    """Whether a text is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _without_overlap(findings: Iterable[Finding]) -> list[Finding]:
    """Choose findings whose fixes can be made in one pass, the first in the text first.

    Two fixes may share an edit, such as an import that both need: it is made once.
    """
    chosen: list[Finding] = []
    taken: set[Edit] = set()
    for finding in sorted(findings, key=lambda x: x.fix.edits if x.fix else ()):
        edits = finding.fix.edits if finding.fix else ()
        fresh = [edit for edit in edits if edit not in taken]
        if fresh and not any(_overlap(edit, other) for edit in fresh for other in taken):
            chosen.append(finding)
            taken.update(fresh)
    return chosen


def _overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits change the same place, or insert at one."""
    a, b = sorted([one.span, other.span])
    if a == b:
        return True
    return (b.line, b.column) < (a.end_line, a.end_column)
