"""For GitHub's workflows: commands that annotate the lines of a pull request."""

from __future__ import annotations

from lossmith.lint.finding import Finding
from lossmith.lint.run import Note, Report, Result


def render(report: Report) -> str:
    """Write one command a finding, and one warning for what else there is to say."""
    commands = [_error(result, finding) for result, finding in report.findings]
    commands += [_warning(note) for note in report.notes]
    return "".join(f"{command}\n" for command in commands)


def _error(result: Result, finding: Finding) -> str:
    span = finding.span
    where = {
        "title": f"lossmith {finding.code} {finding.name}",
        "file": result.source.path,
        "line": span.line,
        "endLine": span.end_line,
        "col": span.column + 1,
        "endColumn": span.end_column + 1,
    }
    if span.end_line != span.line:  # GitHub refuses columns of more than one line
        del where["col"], where["endColumn"]
    if finding.cell is not None:  # and a line of a cell is none of the file
        where = {key: where[key] for key in ("title", "file")}
        return _command("error", where, f"cell {finding.cell}, line {span.line}: {finding.message}")
    return _command("error", where, finding.message)


def _warning(note: Note) -> str:
    where: dict[str, str | int] = {"title": "lossmith", "file": note.path}
    if note.line is not None and note.cell is None:
        where["line"] = note.line
    return _command("warning", where, note.message)


def _command(kind: str, where: dict[str, str | int], message: str) -> str:
    values = ",".join(f"{key}={_property(str(value))}" for key, value in where.items())
    return f"::{kind} {values}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
