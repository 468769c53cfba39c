"""The rules as a plug-in of flake8, which finds it by its entry point."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from lossmith import __version__
from lossmith.lint import run
from lossmith.lint.config import codes_of
from lossmith.lint.source import PythonFile, Unreadable

Found = tuple[int, int, str, type["Plugin"]]


class Plugin:
    """Runs the rules that are on by default; flake8 selects among them by their codes."""

    name = "lossmith"
    version = __version__

    def __init__(self, tree: ast.AST, lines: Sequence[str], filename: str = "<stdin>") -> None:
        del tree  # flake8 passes one to a plug-in that asks for it, and so knows its kind
        self.source = PythonFile(filename, "".join(lines))

    def run(self) -> Iterator[Found]:
        """Yield each finding as flake8 wants it."""
        try:
            result = run.lint(self.source, codes_of("DEFAULT"))
        except Unreadable:  # flake8 has said so already
            return
        for finding in result.findings:
            text = f"{finding.code} {finding.name}: {finding.message}"
            yield finding.span.line, finding.span.column, text, type(self)
