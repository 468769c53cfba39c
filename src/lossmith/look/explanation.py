"""What `lm.explain` found, as data and as text."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from lossmith.look.summary import Tensor

_WIDTH = 100


@dataclass(frozen=True)
class Note:
    """A mark beside a line: what begins there.

    Attributes:
        kind: `"broadcast"`, `"mixing"`, `"not finite"`, `"dead gradient"` or `"raised"`.
        text: What was seen.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class Line:
    """A line of source, or a stage of a loss.

    Attributes:
        number: Its number in the file; of a stage, its place.
        source: The line, or what the stage is.
        tensors: What it made.
        marks: What begins there.
    """

    number: int
    source: str
    tensors: tuple[Tensor, ...] = ()
    marks: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines that belong together: the inputs, a function, the stages of a term.

    Attributes:
        title: What they are.
        file: The file they stand in; empty for what is no source.
        lines: The lines.
    """

    title: str
    file: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Explanation:
    """A loss, with the values inside it.

    Attributes:
        title: The name of the loss, with that of its file.
        facts: What it was run on, and its value: label and text.
        sections: The inputs, then each function of the user's that ran, or the stages.
        error: What it raised; empty: it ran to its end.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    error: str = ""

    @property
    def marked(self) -> dict[str, tuple[str, Line]]:
        """The marked lines by the kind of the mark, each with its file."""
        return {
            note.kind: (section.file, line)
            for section in self.sections
            for line in section.lines
            for note in line.marks
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "title": self.title,
            "facts": dict(self.facts),
            "sections": [
                {
                    "title": section.title,
                    "file": section.file,
                    "lines": [_line_dict(line) for line in section.lines],
                }
                for section in self.sections
            ],
            "error": self.error,
        }

    def __rich__(self) -> Text:
        """Write it for a terminal. All that comes from users is text, never markup."""
        text = Text(f"{self.title}\n", style="bold")
        for label, said in (*self.facts, ("numbers", "least .. mean .. largest")):
            text.append(f"  {label:<9} {said}\n", style="not bold")
        for section in self.sections:
            text.append(f"\n{section.title}\n", style="bold")
            _write(text, section)
        if self.error:
            text.append(f"\n{self.error}\n", style="red not bold")
        text.rstrip()
        return text

    def __str__(self) -> str:
        """Write it as plain text."""
        stream = io.StringIO()
        Console(file=stream, width=_WIDTH, color_system=None, soft_wrap=True).print(self)
        return stream.getvalue().rstrip("\n")

    __repr__ = __str__


def _write(text: Text, section: Section) -> None:
    width = max((len(str(line.number)) for line in section.lines), default=1)
    margin = " " * (width + 2)
    for line in section.lines:
        if section.file or line.source:
            text.append(f"{line.number:>{width}}  ", style="dim not bold")
            text.append(f"{line.source}\n", style="not bold")
        indent = margin + " " * (4 + len(line.source) - len(line.source.lstrip()))
        for tensor in line.tensors:
            style = "red not bold" if tensor.nan or tensor.inf else "cyan not bold"
            text.append(f"{indent}{tensor}\n", style=style)
        for note in line.marks:
            text.append(f"{indent}^ {note.kind}: {note.text}\n", style="yellow bold")


def _line_dict(line: Line) -> dict[str, Any]:
    return {
        "number": line.number,
        "source": line.source,
        "tensors": [tensor.to_dict() for tensor in line.tensors],
        "marks": [{"kind": note.kind, "text": note.text} for note in line.marks],
    }
