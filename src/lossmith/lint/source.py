"""One file as it is read, linted and written back: its text, and what keeps its form."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self

from lossmith.lint.finding import Finding

NEWLINE = re.compile(r"\r\n|\r|\n")
"""What ends a line of Python; a form feed does not, though `str.splitlines` has it so."""


class Unreadable(Exception):
    """A file that cannot be linted, and why, in one line."""


class Source(Protocol):
    """What the linter asks of a file, be it Python or a notebook."""

    @property
    def path(self) -> str:
        """The path as it is shown."""
        ...

    @property
    def text(self) -> str:
        """The code, as one text with the file's own newlines."""
        ...

    @property
    def skipped(self) -> tuple[str, ...]:
        """What could not be read inside of it, one line each."""
        ...

    def with_text(self, text: str) -> Self:
        """Return the same file with other code."""
        ...

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        ...

    def place(self, finding: Finding) -> Finding:
        """Say where a finding in `text` is for the reader of the file."""
        ...

    def pieces(self) -> Iterator[tuple[int | None, str]]:
        """Yield the texts that a reader sees: one, or one a cell."""
        ...


@dataclass(frozen=True)
class PythonFile:
    """A file of Python.

    Attributes:
        path: The path as it is shown.
        text: The code, with the file's own newlines and without a byte order mark.
        encoding: What it was decoded with, and is encoded with again.
    """

    path: str
    text: str
    encoding: str = "utf-8"

    skipped: tuple[str, ...] = ()

    @classmethod
    def from_bytes(cls, path: str, content: bytes) -> Self:
        """Decode as Python does: by byte order mark or coding comment, else UTF-8."""
        if b"\0" in content:
            raise Unreadable("it has NUL bytes, so it is no source code")
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
            return cls(path, content.decode(encoding), encoding)
        except (SyntaxError, UnicodeError, LookupError) as error:
            raise Unreadable(f"it cannot be decoded: {error}") from error

    def with_text(self, text: str) -> Self:
        """Return the same file with other code."""
        return replace(self, text=text)

    def to_bytes(self) -> bytes:
        """Encode the text as it was, byte order mark included."""
        return self.text.encode(self.encoding)

    def place(self, finding: Finding) -> Finding:
        """Return the finding: lines of the text are lines of the file."""
        return finding

    def pieces(self) -> Iterator[tuple[int | None, str]]:
        """Yield the text."""
        yield None, self.text


def unix(text: str) -> str:
    """Return the text with a line feed for every newline, which is what the parser is given."""
    return NEWLINE.sub("\n", text)
