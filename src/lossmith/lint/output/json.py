"""For programs: all there is, with columns from 1 and ends outside."""

from __future__ import annotations

import json
from typing import Any

from lossmith.lint.finding import Finding, Fix, Span
from lossmith.lint.run import Note, Report, Result


def render(report: Report) -> str:
    """Write one object: the findings, and what else there is to say."""
    document = {
        "files": len(report.results),
        "fixed": report.applied,
        "findings": [_finding(result, finding) for result, finding in report.findings],
        "notes": [_note(note) for note in report.notes],
    }
    return json.dumps(document, indent=2) + "\n"


def _finding(result: Result, finding: Finding) -> dict[str, Any]:
    return {
        "path": result.source.path,
        "cell": finding.cell,
        **_span(finding.span),
        "code": finding.code,
        "name": finding.name,
        "message": finding.message,
        "function": finding.function or None,
        "fix": finding.fix and _fix(finding.fix),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edits = [{**_span(edit.span), "text": edit.text} for edit in fix.edits]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _span(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column + 1,
        "end_line": span.end_line,
        "end_column": span.end_column + 1,
    }


def _note(note: Note) -> dict[str, Any]:
    return {"path": note.path, "cell": note.cell, "line": note.line, "message": note.message}
