"""`lossmith lint` and `lossmith rule`: faults found by reading code. No Keras is imported."""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lossmith.cli.exits import FOUND, UNABLE

if TYPE_CHECKING:
    from lossmith.lint.config import Config
    from lossmith.lint.run import Report, Result
    from lossmith.lint.source import Source

STDIN = Path("-")


def _names(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str] | None:
    """Take apart `--select LSM1,LSM2 --select LSM3`; None where the option is not given."""
    names = [name.strip() for text in given for name in text.split(",")]
    return [name for name in names if name] if given else None


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--select", multiple=True, callback=_names, metavar="RULES", help="Run these rules.")
@click.option("--ignore", multiple=True, callback=_names, metavar="RULES", help="But not these.")
@click.option("--fix", is_flag=True, help="Apply fixes that leave the value as it is.")
@click.option("--unsafe-fixes", is_flag=True, help="Apply fixes that may change the value too.")
@click.option("--diff", is_flag=True, help="Show what the fixes would change, and write nothing.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--stdin-filename", metavar="NAME", help="What to call the text that - reads.")
@click.pass_context
def lint(  # noqa: PLR0913, PLR0917 - one argument an option
    ctx: click.Context,
    paths: tuple[Path, ...],
    select: list[str] | None,
    ignore: list[str] | None,
    fix: bool,  # noqa: FBT001 - an option of the command
    unsafe_fixes: bool,  # noqa: FBT001
    diff: bool,  # noqa: FBT001
    form: str,
    stdin_filename: str | None,
) -> None:
    """Find faults of losses in Python files and notebooks by reading them.

    PATHS are files and directories, the current one if there are none; - reads from stdin. RULES
    are names, codes or beginnings of codes, with commas between them: LSM2,half-guarded-where.

    Exits with 0 when nothing is found, 1 when something is, 2 when nothing could be read.
    """
    from lossmith.lint import config

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a path may be of bytes that are no text
            stream.reconfigure(errors="backslashreplace")
    paths = paths or (Path(),)
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("- stands alone: stdin is one file")
    of_stdin = paths == (STDIN,)
    settings = config.load(
        [Path(stdin_filename or ".")] if of_stdin else paths, select=select, ignore=ignore
    )
    fix = fix or unsafe_fixes or diff
    typed = sys.stdin.buffer.read() if of_stdin else b""
    sources = [(stdin_filename or "<stdin>", typed)] if of_stdin else _files(paths, settings)
    report = _report(sources, settings, fix=fix, unsafe=unsafe_fixes)
    if diff:
        code = _show_diff(report)
    elif of_stdin and fix:
        code = _filter(report, typed)
    else:
        report = _written(report) if fix else report
        _print(report, form)
        code = FOUND if report.findings else 0
    ctx.exit(UNABLE if report.skipped and not report.results else code)


def _files(paths: Sequence[Path], settings: Config) -> Iterator[tuple[str, bytes | None]]:
    from lossmith.lint import files

    for path in files.find(paths, settings.excludes):
        yield str(path), None


def _report(
    sources: Iterable[tuple[str, bytes | None]], settings: Config, *, fix: bool, unsafe: bool
) -> Report:
    """Lint every source; one that cannot be read is noted, and the others go on."""
    from lossmith.lint import files, run
    from lossmith.lint.source import Unreadable

    results: list[Result] = []
    skipped: list[run.Note] = []
    for name, content in sources:
        try:
            path = Path(name)
            source: Source = files.read(path) if content is None else files.parse(name, content)
            results.append(run.lint(source, settings.rules_for(path), fix=fix, unsafe=unsafe))
        except Unreadable as fault:
            skipped.append(run.Note(name, f"skipped: {fault}"))
    return run.Report(tuple(results), tuple(skipped))


def _written(report: Report) -> Report:
    """Write the files that were mended; one that cannot be written is as it was before."""
    from lossmith.lint import files, run

    skipped = list(report.skipped)
    results: list[Result] = []
    for result in report.results:
        try:
            if result.applied:
                files.write(Path(result.source.path), result.source.to_bytes())
            results.append(result)
        except (OSError, UnicodeEncodeError) as error:
            skipped.append(run.Note(result.source.path, f"not mended: {error}"))
    return run.Report(tuple(results), tuple(skipped))


def _filter(report: Report, typed: bytes) -> int:
    """Print stdin mended, or as it is if it cannot be read; what is left goes to stderr."""
    mended = [result.source.to_bytes() for result in report.results]
    sys.stdout.buffer.write(mended[0] if mended else typed)
    sys.stdout.buffer.flush()
    _print(report, "text", err=True)
    return FOUND if report.findings else 0


def _show_diff(report: Report) -> int:
    """Print what the fixes change as unified diffs."""
    _print_notes(report)
    changed = [result for result in report.results if result.applied]
    for result in changed:
        after = dict(result.source.pieces())
        for cell, text in result.before.pieces():
            name = result.source.path + (f":cell {cell}" if cell else "")
            click.echo("".join(_diff(text, after[cell], name)), nl=False)
    count = sum(result.applied for result in changed)
    click.echo(f"Would fix {count} fault{'s' * (count != 1)}.", err=True)
    return FOUND if changed else 0


def _diff(before: str, after: str, name: str) -> Iterator[str]:
    from lossmith.lint.source import unix

    old, new = (re.findall(r".*\n|.+", unix(text)) for text in (before, after))
    for line in difflib.unified_diff(old, new, name, name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _print(report: Report, form: str, *, err: bool = False) -> None:
    from lossmith.lint import output

    stream = sys.stderr if err else sys.stdout
    if form == "text":
        color = stream.isatty() and not os.environ.get("NO_COLOR")
        click.echo(output.text.render(report, color=color), nl=False, err=err, color=color)
    else:
        click.echo(output.FORMATS[form](report), nl=False, err=err)
    _print_notes(report)


def _print_notes(report: Report) -> None:
    from lossmith.lint import output

    for note in report.notes:
        click.echo(output.text.note(note), err=True)


@click.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All rules.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def rule(name: str | None, every: bool, form: str) -> None:  # noqa: FBT001
    """Print what a rule finds, why that is bad, and what to write instead.

    NAME is a code or a name: LSM203, mean-over-padding.
    """
    from lossmith.lint import pages
    from lossmith.lint.config import rule_of
    from lossmith.lint.rule import RULES

    if every == (name is not None):
        raise click.UsageError("give the name of one rule, or --all")
    rules = [RULES[code] for code in sorted(RULES)] if name is None else [rule_of(name)]
    if form == "json":
        entries = [pages.Page.of(each).to_dict() for each in rules]
        click.echo(json.dumps(entries if every else entries[0], indent=2))
    else:
        click.echo("\n\n".join(pages.Page.of(each).text().rstrip() for each in rules))
