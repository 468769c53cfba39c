"""What is known of a file before it runs: its losses, and what lint finds in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lossmith.cli.check_output import Outcome
from lossmith.lint import config, files, run
from lossmith.lint.losses import loss_functions
from lossmith.lint.module import Module
from lossmith.lint.rule import RULES
from lossmith.lint.source import Unreadable
from lossmith.messages import ArgumentError


@dataclass(frozen=True)
class Reading:
    """What is known of a file without running it.

    Attributes:
        functions: The functions of it that are losses.
        findings: What lint finds, by the name of the function or class.
    """

    functions: list[str]
    findings: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file."""
        try:
            source = files.read(path)
            found = run.lint(source, config.load([path]).rules_for(path)).findings
        except Unreadable as fault:
            raise not_imported(path, str(fault), "any backend") from None
        module = Module(source.text, str(path))
        findings: dict[str, list[dict[str, Any]]] = {}
        for finding in found:
            entry = {
                "code": finding.code,
                "name": finding.name,
                "line": finding.span.line,
                "message": finding.message,
            }
            findings.setdefault(finding.function.partition(".")[0], []).append(entry)
        return cls(loss_functions(module), findings)

    def joined(self, outcome: Outcome) -> list[dict[str, Any]]:
        """Return the findings in a loss, each with the broken checks that see the same fault."""
        rules = {result["check"]: result["rules"] for result in outcome.results}
        return [
            {
                **finding,
                "confirmed": [
                    name
                    for name in outcome.broken
                    if finding["code"] in rules[name] or name in RULES[finding["code"]].confirmed_by
                ],
            }
            for finding in self.findings.get(outcome.loss.rpartition(":")[2], [])
        ]


def not_imported(path: Path, error: str, backend: str) -> ArgumentError:
    """Return the error for a file of which nothing can be checked."""
    return ArgumentError(
        f"{path.name} could not be run, so nothing of it is checked",
        got=error,
        expected=f"a file that runs on {backend}: it is imported, and ends within the limit",
        fix=f"python {path}",
    )
