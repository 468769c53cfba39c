"""SARIF 2.1.0, which code-scanning services read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lossmith import __version__
from lossmith.lint import pages
from lossmith.lint.finding import Finding, Fix, Span
from lossmith.lint.rule import RULES, Rule
from lossmith.lint.run import Note, Report, Result

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report) -> str:
    """Write one run of the linter."""
    codes = sorted(RULES)
    run = {
        "tool": {
            "driver": {
                "name": "lossmith",
                "version": __version__,
                "rules": [_rule(RULES[code]) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": bool(report.results) or not report.skipped,
                "toolExecutionNotifications": [_notification(note) for note in report.notes],
            }
        ],
        "results": [_result(result, finding, codes) for result, finding in report.findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: type[Rule]) -> dict[str, Any]:
    page = pages.Page.of(rule)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": page.summary},
        "fullDescription": {"text": page.sections["What it does"]},
        "help": {"text": page.text(), "markdown": page.markdown()},
        "defaultConfiguration": {"enabled": rule.default, "level": "error"},
        "properties": {"confirmedBy": list(page.confirmed_by)},
    }


def _result(result: Result, finding: Finding, codes: list[str]) -> dict[str, Any]:
    artifact = {"uri": _uri(result.source.path)}
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact}}
    written: dict[str, Any] = {
        "ruleId": finding.code,
        "level": "error",
        "message": {"text": finding.message},
        "locations": [location],
    }
    if finding.code in codes:
        written["ruleIndex"] = codes.index(finding.code)
    names = [finding.function] if finding.function else []
    if finding.cell is None:
        location["physicalLocation"]["region"] = _region(finding.span)
    else:  # a line of a cell is no line of the file
        names.append(f"cell {finding.cell}, line {finding.span.line}")
    if names:
        location["logicalLocations"] = [{"fullyQualifiedName": name} for name in names]
    if finding.fix and finding.fix.edits and finding.cell is None:
        written["fixes"] = [_fix(finding.fix, artifact)]
    return written


def _fix(fix: Fix, artifact: dict[str, str]) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    change = {"artifactLocation": artifact, "replacements": replacements}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column + 1,
        "endLine": span.end_line,
        "endColumn": span.end_column + 1,
    }


def _notification(note: Note) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(note.path)}}
    if note.line is not None and note.cell is None:
        place["region"] = {"startLine": note.line}
    return {
        "level": "warning",
        "message": {"text": note.message},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """Return a relative path as a relative reference, an absolute one as a `file:` URI."""
    if Path(path).is_absolute():
        return Path(path).as_uri()
    return quote(Path(path).as_posix(), errors="surrogateescape")
