"""Reads one text and returns what the rules find in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import lossmith.lint.rules  # noqa: F401 # pyright: ignore[reportUnusedImport] - registers them
from lossmith.lint.finding import Finding, Span
from lossmith.lint.losses import losses
from lossmith.lint.module import Module
from lossmith.lint.naming import may_hold_loss
from lossmith.lint.rule import RULES, Rule


def lint_source(
    text: str,
    path: str = "<stdin>",
    *,
    rules: Collection[str] | None = None,
) -> list[Finding]:
    """Return the findings in a Python source, sorted by place. The code is never run or imported.

    Args:
        text: The source.
        path: Where it comes from; imports of sibling files are read from there if it is a file.
        rules: The codes of the rules to ask; by default those that are on by default.

    Raises:
        SyntaxError: From `ast.parse`, as `ValueError` and `RecursionError` are. A text without a
            word for a loss is not parsed.
    """
    if not may_hold_loss(text):
        return []
    module = Module(text, path)
    asked = [r(module) for r in RULES.values() if (r.default if rules is None else r.code in rules)]
    found: dict[tuple[Span, str], Finding] = {}
    for finding in _findings(module, asked):
        # A helper that two losses call is read twice, and its fault told once.
        found.setdefault((finding.span, finding.code), finding)
    return [found[key] for key in sorted(found)]


def _findings(module: Module, asked: list[Rule]) -> Iterator[Finding]:
    for rule in asked:
        yield from rule.find_in_module(module)
    for loss in losses(module):
        for rule in asked:
            for finding in rule.find(loss):
                yield replace(finding, function=loss.name)
