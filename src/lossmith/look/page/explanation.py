"""What `lm.explain` found, as a page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lossmith.look.page.document import write
from lossmith.look.page.sections import Block, Line, Section, Source, Table, Text

if TYPE_CHECKING:
    from lossmith.look import explanation as found


def write_explanation(explanation: found.Explanation, path: str | os.PathLike[str]) -> None:
    """Write one HTML page of a loss and the values inside it.

    Raises:
        ArgumentError: If it cannot be written there.
    """
    write(path, explanation.title, of_explanation(explanation))


def of_explanation(explanation: found.Explanation) -> list[Section]:
    """Return the sections of an explanation."""
    facts: list[Block] = [Table("", ["", ""], explanation.facts)]
    if explanation.error:
        facts.append(Text("It ended with an error", explanation.error.splitlines()))
    sections = [
        Section(each.title, [Source(each.file, [_line(line) for line in each.lines])])
        for each in explanation.sections
    ]
    return [Section("Facts", facts), *sections]


def _line(line: found.Line) -> Line:
    notes = [str(tensor) for tensor in line.tensors]
    marks = [f"{note.kind}: {note.text}" for note in line.marks]
    return Line(line.number, line.source, notes, marks)
