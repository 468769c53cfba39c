"""For people: each finding with its source line, and carets underneath."""

from __future__ import annotations

import unicodedata

from lossmith.lint.finding import Finding
from lossmith.lint.run import Note, Report, Result

_BOLD, _RED, _CYAN, _YELLOW = "1", "1;31", "36", "33"


def render(report: Report, *, color: bool = False) -> str:
    """Write the findings, and how many there are."""
    blocks = [_block(result, finding, color) for result, finding in report.findings]
    return "\n\n".join([*blocks, _summary(report)]) + "\n"


def note(said: Note) -> str:
    """Write in one line what else there is to say of a file."""
    return f"{_printable(place(said.path, said.cell, said.line))}: {_printable(said.message)}"


def place(path: str, cell: int | None, *numbers: int | None) -> str:
    """Write where something is, as editors and terminals know it: `file.py:3:8`."""
    words = [path, f"cell {cell}" if cell else None, *numbers]
    return ":".join(str(word) for word in words if word is not None)


def _block(result: Result, finding: Finding, color: bool) -> str:  # noqa: FBT001
    span = finding.span
    at = place(result.source.path, finding.cell, span.line, span.column + 1)
    head = f"{_paint(_printable(at), _BOLD, color)}: {_paint(finding.code, _RED, color)}"
    inside = f" (in {finding.function})" if finding.function else ""
    said = [f"{head} {finding.name}: {_printable(finding.message)}{inside}"]
    line = result.lines[finding.cell][span.line - 1]
    number = str(span.line)
    bar = _paint("|", _CYAN, color)
    blank = " " * len(number)
    said += [
        f" {blank} {bar}",
        f" {_paint(number, _CYAN, color)} {bar} {_printable(line)}",
        f" {blank} {bar} {_paint(_carets(line, finding), _RED, color)}",
    ]
    if finding.fix:
        how = "--fix" if finding.fix.safe else "--unsafe-fixes"
        said.append(f" {blank} = fix ({how}): {_printable(finding.fix.title)}")
    return "\n".join(said)


def _carets(line: str, finding: Finding) -> str:
    """Write the line under a source line; tabs stay tabs, and wide characters take two places."""
    span = finding.span
    end = span.end_column if span.end_line == span.line else len(line.rstrip())
    before = "".join("\t" if c == "\t" else " " * _width(c) for c in line[: span.column])
    return before + "^" * max(sum(_width(c) for c in line[span.column : end]), 1)


def _width(character: str) -> int:
    """How many places of a terminal a character takes."""
    if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _printable(text: str) -> str:
    """Replace what would steer the terminal, or cannot be encoded; tabs and joiners may stay."""
    return "".join(c if c.isprintable() or c in "\t\u200d" else "\ufffd" for c in text)


def _paint(text: str, style: str, color: bool) -> str:  # noqa: FBT001
    return f"\x1b[{style}m{text}\x1b[0m" if color else text


def _summary(report: Report) -> str:
    files = _count(len(report.results), "file")
    left = len(report.findings)
    fixed = f"Fixed {_count(report.applied, 'fault')}, " if report.applied else ""
    if not left:
        return f"{fixed}none left in {files}." if fixed else f"No faults found in {files}."
    found = f"{fixed}{left} left" if fixed else f"Found {_count(left, 'fault')}"
    fixes = [finding.fix for _, finding in report.findings if finding.fix]
    safe = sum(fix.safe for fix in fixes)
    ways = [(safe, "--fix"), (len(fixes) - safe, "--unsafe-fixes")]
    how = ", ".join(f"{number} fixable with {way}" for number, way in ways if number)
    return f"{found} ({how})." if how else f"{found}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
