"""Lint one source, with suppressions and fixes; what came of many is a report."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property, partial

from lossmith.lint import apply, engine, suppress
from lossmith.lint.finding import Finding
from lossmith.lint.rule import RULES
from lossmith.lint.source import Source, Unreadable, unix


@dataclass(frozen=True)
class Note:
    """Something to say of a file that is no finding.

    Attributes:
        path: The file.
        message: What there is to say, in one line.
        line: Where, if anywhere.
        cell: The code cell of a notebook.
    """

    path: str
    message: str
    line: int | None = None
    cell: int | None = None


@dataclass(frozen=True)
class Result:
    """What linting one source gave.

    Attributes:
        before: The source as it was read.
        source: The source with its fixes; the same where there are none.
        findings: What is left, in the order of the text.
        notes: What else there is to say.
        applied: How many fixes were made.
    """

    before: Source
    source: Source
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...] = ()
    applied: int = 0

    @cached_property
    def lines(self) -> dict[int | None, list[str]]:
        """The lines that a reader sees; in a notebook, those of each cell."""
        return {cell: unix(text).split("\n") for cell, text in self.source.pieces()}


@dataclass(frozen=True)
class Report:
    """What linting many sources gave.

    Attributes:
        results: Those that could be read.
        skipped: Why the others could not.
    """

    results: tuple[Result, ...] = ()
    skipped: tuple[Note, ...] = ()

    @property
    def findings(self) -> list[tuple[Result, Finding]]:
        """Every finding with the result that it belongs to."""
        return [(result, finding) for result in self.results for finding in result.findings]

    @property
    def notes(self) -> list[Note]:
        """Everything to say that is no finding."""
        return [*self.skipped, *(note for result in self.results for note in result.notes)]

    @property
    def applied(self) -> int:
        """How many fixes were made."""
        return sum(result.applied for result in self.results)


def lint(
    source: Source, rules: Collection[str], *, fix: bool = False, unsafe: bool = False
) -> Result:
    """Lint a source, and mend it where asked. Nothing is written; raises Unreadable.

    Args:
        source: What to lint.
        rules: The codes of the rules to run.
        fix: Whether to apply fixes that are safe.
        unsafe: Whether to apply the others too, if any.
    """
    find = partial(_find, path=source.path, rules=rules)
    text = source.text
    notes = [Note(source.path, message) for message in source.skipped]
    findings = find(text)
    mended = apply.Mended(text)
    if fix and findings:
        mended = apply.mend(text, find, unsafe=unsafe)
    if mended.fault:
        notes.append(Note(source.path, mended.fault))
    after = source.with_text(mended.text) if mended.applied else source
    left = find(after.text) if mended.applied else findings
    notes += _comment_faults(after)
    placed = tuple(after.place(finding) for finding in left)
    return Result(source, after, placed, tuple(notes), mended.applied)


def _find(text: str, *, path: str, rules: Collection[str]) -> list[Finding]:
    text = unix(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the parser says of a file is none of our faults
            found = engine.lint_source(text, path, rules=rules)
    except SyntaxError as error:
        raise Unreadable(f"it is not Python 3: {error.msg} (line {error.lineno})") from error
    except (RecursionError, MemoryError) as error:
        raise Unreadable("it is nested too deeply") from error
    except UnicodeEncodeError as error:
        raise Unreadable(f"it is no text: {error.reason}") from error
    return suppress.unsuppressed(text, found, _directives(text))


def _comment_faults(source: Source) -> list[Note]:
    """Say what is wrong with the comments that are for the linter."""
    return [
        Note(source.path, fault, line, cell)
        for cell, text in source.pieces()
        for line, fault in _directives(unix(text)).faults
    ]


def _directives(text: str) -> suppress.Directives:
    return suppress.directives(text, {rule.name: code for code, rule in RULES.items()})
