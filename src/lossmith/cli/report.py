"""`lossmith report`: one HTML page of what a training left behind."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", metavar="RUN_DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PAGE",
    help="Where to write it; RUN_DIR/report.html if not given.",
)
def report(run: Path, out: Path | None) -> None:
    """Write one HTML page of a run directory: it needs no network and no server.

    It shows what `lm.sinks.JsonLines` wrote there: terms and taps over time, maps of loss and mask,
    hardest samples; and checks.json, if `lossmith check --format json` was written to that.
    """
    from lossmith.look import page
    from lossmith.look.run_dir import read

    out = out or run / "report.html"
    page.write(out, str(run), page.of_run(read(run)))
    click.echo(out)
