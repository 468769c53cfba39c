"""The text of a module, and edits of it that keep its form and comments."""

from __future__ import annotations

import ast
import re
from functools import cached_property

from lossmith.lint.finding import Edit, Span

_NEWLINE = re.compile(r"\r\n|\r|\n")


Located = ast.expr | ast.stmt | ast.keyword | ast.arg | ast.ExceptHandler


class Text:
    """A source with the places of its syntax tree.

    Args:
        text: The source, with any newlines.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without what ends them."""
        return _NEWLINE.split(self.text)

    def span(self, node: Located) -> Span:
        """Return where a node stands, in characters; parentheses around it are outside."""
        last = node.end_lineno or node.lineno
        end = node.end_col_offset or node.col_offset
        return Span(
            node.lineno,
            self._column(node.lineno, node.col_offset),
            last,
            self._column(last, end),
        )

    def source(self, node: Located) -> str:
        """Return the text of a node as it is written."""
        return self.cut(self.span(node))

    def cut(self, span: Span) -> str:
        """Return the text of a span, one line below the other."""
        lines = self.lines[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column]
        lines[0] = lines[0][span.column :]
        return "\n".join(lines)

    def operand(self, node: Located) -> str:
        """Return the text of a node, in parentheses if it needs them inside an operator."""
        source = self.source(node)
        closed = (ast.Name, ast.Call, ast.Attribute, ast.Subscript, ast.Constant)
        return source if isinstance(node, closed) else f"({source})"

    def replace(self, node: Located, text: str) -> Edit:
        """Return the edit that writes `text` for a node."""
        return Edit(self.span(node), text)

    def insert_line(self, line: int, text: str) -> Edit:
        """Return the edit that puts a line of its own before line `line`."""
        if line > len(self.lines):
            end = len(self.lines[-1])
            return Edit(Span(len(self.lines), end, len(self.lines), end), f"\n{text}")
        return Edit(Span(line, 0, line, 0), f"{text}\n")

    def indent(self, node: Located) -> str:
        """Return the white space before a statement."""
        line = self.lines[node.lineno - 1]
        return line[: len(line) - len(line.lstrip())]

    def _column(self, line: int, offset: int) -> int:
        """Turn an offset in UTF-8 bytes into one in characters."""
        text = self.lines[line - 1]
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))
