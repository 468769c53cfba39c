"""Notebooks: their code cells as one text, and the way back into the JSON."""

from __future__ import annotations

import ast
import bisect
import codecs
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from lossmith.lint.finding import Edit, Finding, Fix, Span
from lossmith.lint.source import Unreadable, unix

HEAD = "# %% lossmith cell "
"""Stands before each cell of the text, so that cells can be told apart after a fix."""

MAGIC = "pass  # lossmith magic: "
"""Stands before a line that is IPython's and not Python's; taken away again on the way back."""

PYTHON_MAGICS = frozenset({"capture", "prun", "time", "timeit"})
"""Cell magics whose cell is still Python."""

_MAGIC_LINE = re.compile(
    r"""(?P<indent>[ \t]*)
    (?P<code> [%!?].*                   # %matplotlib inline, !pip install, ?help
            | [\w.]+\?{1,2}[ \t]*       # help?
            | [\w, \t]+=[ \t]*[%!].*    # files = !ls
    )""",
    re.VERBOSE,
)
_MAGIC_BACK = re.compile(rf"^([ \t]*){re.escape(MAGIC)}", re.MULTILINE)
_HEAD_LINE = re.compile(rf"^{re.escape(HEAD)}(\d+)\n", re.MULTILINE)
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True)
class Cell:
    """The source of one code cell.

    Attributes:
        number: Its place among the code cells, from 1.
        start: Where its source begins in the JSON.
        end: Where it ends.
        source: The code as it is seen in the notebook.
    """

    number: int
    start: int
    end: int
    source: str


@dataclass(frozen=True)
class Notebook:
    """A notebook in the JSON format of Jupyter, version 4.

    Attributes:
        path: The path as it is shown.
        raw: The JSON, of which nothing changes but the sources of cells that are mended.
        encoding: `utf-8`, with or without a byte order mark.
        cells: The code cells that are Python.
        skipped: The cells that are meant to be Python and are not.
    """

    path: str
    raw: str
    encoding: str
    cells: tuple[Cell, ...]
    skipped: tuple[str, ...] = ()

    @classmethod
    def from_bytes(cls, path: str, content: bytes) -> Self:
        """Find the code cells."""
        encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8"
        try:
            raw = content.decode(encoding)
            document = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"it is no notebook, for it is not JSON: {error}") from error
        if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
            raise Unreadable("it is no notebook of version 4, for it has no list of cells")
        python: list[Cell] = []
        skipped: list[str] = []
        for cell in _code_cells(raw):
            if fault := _fault(cell):
                skipped.append(f"cell {cell.number} is not Python: {fault}")
            elif not _is_foreign(cell.source):
                python.append(cell)
        return cls(path, raw, encoding, tuple(python), tuple(skipped))

    @property
    def text(self) -> str:
        """All cells as one module, with the lines of IPython put aside."""
        return "".join(f"{HEAD}{cell.number}\n{_hide(cell.source)}\n" for cell in self.cells)

    def with_text(self, text: str) -> Self:
        """Write the cells of a text back into the JSON."""
        before, *parts = _HEAD_LINE.split(text)
        fresh = {
            int(number): _show(code.removesuffix("\n"))
            for number, code in zip(parts[::2], parts[1::2], strict=True)
        }
        first = self.cells[0].number
        fresh[first] = _prepended(before, fresh[first])
        raw = self.raw
        for cell in reversed(self.cells):
            if fresh[cell.number] != cell.source:
                old = raw[cell.start : cell.end]
                new = _like(old, fresh[cell.number], ascii_only=self.raw.isascii())
                raw = raw[: cell.start] + new + raw[cell.end :]
        return replace(self.from_bytes(self.path, raw.encode()), encoding=self.encoding)

    def to_bytes(self) -> bytes:
        """Encode the JSON as it was."""
        return self.raw.encode(self.encoding)

    def place(self, finding: Finding) -> Finding:
        """Give a finding its cell, and its lines within that cell."""
        cell, first = self._cell_at(finding.span.line)
        fix = finding.fix and self._place_fix(finding.fix, cell, first)
        return replace(finding, cell=cell.number, span=_up(finding.span, first), fix=fix)

    def pieces(self) -> Iterator[tuple[int | None, str]]:
        """Yield the code of each cell."""
        for cell in self.cells:
            yield cell.number, cell.source

    @cached_property
    def _firsts(self) -> list[int]:
        """The line of the text before the first line of each cell."""
        firsts = [1]
        for cell in self.cells:
            firsts.append(firsts[-1] + unix(cell.source).count("\n") + 2)
        return firsts[:-1]

    def _cell_at(self, line: int) -> tuple[Cell, int]:
        index = max(bisect.bisect_right(self._firsts, line) - 1, 0)
        return self.cells[index], self._firsts[index]

    def _place_fix(self, fix: Fix, cell: Cell, first: int) -> Fix:
        """Keep the edits where all are in the cell of the finding; an edit has no cell to name."""
        if any(self._cell_at(edit.span.line)[0] != cell for edit in fix.edits):
            return replace(fix, edits=())
        return replace(fix, edits=tuple(Edit(_up(e.span, first), e.text) for e in fix.edits))


def _up(span: Span, lines: int) -> Span:
    return replace(span, line=span.line - lines, end_line=span.end_line - lines)


def _fault(cell: Cell) -> str | None:
    """Say why a cell that is meant to be Python is not; None where it is, or is not meant to be."""
    if _is_foreign(cell.source):
        return None
    if HEAD in cell.source or MAGIC in cell.source:
        return "it has a comment that the linter keeps for itself"
    try:
        _parse(_hide(cell.source))
    except SyntaxError as error:
        return f"{error.msg} (line {error.lineno})"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return None


def _is_foreign(source: str) -> bool:
    """Whether a cell is handed to another language by a magic such as `%%bash`."""
    first = source.lstrip().partition("\n")[0]
    return first.startswith("%%") and first[2:].split(" ")[0].strip() not in PYTHON_MAGICS


def _parse(code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ast.parse(code)


def _hide(source: str) -> str:
    """Turn the lines that are IPython's into lines that do nothing, if there are any."""
    try:
        _parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(_hidden_lines(source))
    return source


def _hidden_lines(source: str) -> Iterator[str]:
    indent: str | None = None  # of a magic that goes on in the next line
    for line in source.split("\n"):
        if indent is None and (match := _MAGIC_LINE.fullmatch(line)):
            indent = match["indent"]
        if indent is None:
            yield line
            continue
        yield f"{indent}{MAGIC}{line.removeprefix(indent)}"
        if not line.endswith("\\"):
            indent = None


def _show(code: str) -> str:
    return _MAGIC_BACK.sub(r"\1", code)


def _prepended(line: str, code: str) -> str:
    """Put what a fix wrote before the first cell at its top, where a cell magic comes first."""
    magic, end, rest = code.partition("\n") if line and code.startswith("%%") else ("", "", code)
    return magic + end + line + rest


def _code_cells(raw: str) -> Iterator[Cell]:
    """Yield every code cell, with the place of its source in the JSON."""
    root = {key: (value, start) for key, value, start, _ in _members(raw, _skip(raw, 0))}
    number = 0
    for _, cell, at, _ in _members(raw, root["cells"][1]):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        number += 1
        for key, value, start, end in _members(raw, at):
            lines = value if isinstance(value, list) else [value]
            if key == "source" and all(isinstance(line, str) for line in lines):
                yield Cell(number, start, end, "".join(lines))


def _members(raw: str, at: int) -> Iterator[tuple[str, Any, int, int]]:
    """Yield key, value, start and end of each member of the object or array that begins at `at`."""
    decode = json.JSONDecoder().raw_decode
    is_object = raw[at] == "{"
    at = _skip(raw, at + 1)
    while raw[at] not in "]}":
        key = ""
        if is_object:
            key, at = decode(raw, at)
            at = _skip(raw, _skip(raw, at) + 1)
        value, end = decode(raw, at)
        yield key, value, at, end
        at = _skip(raw, end)
        if raw[at] == ",":
            at = _skip(raw, at + 1)


def _skip(raw: str, at: int) -> int:
    """Go past white space."""
    match = _SPACE.match(raw, at)
    return match.end() if match else at


def _like(old: str, code: str, *, ascii_only: bool) -> str:
    """Write code as JSON in the form that the old code of the cell has: a string, or lines."""
    if old.startswith('"'):
        return json.dumps(code, ensure_ascii=ascii_only)
    first = _skip(old, 1)
    last = len(old.rstrip("]").rstrip(" \t\r\n"))
    between = old[1:first] or (" " if ", " in old else "")
    lines = [json.dumps(line, ensure_ascii=ascii_only) for line in re.findall(r".*\n|.+", code)]
    return "[" + old[1:first] + f",{between}".join(lines) + old[last:-1] + "]"
