"""`lossmith check`: run losses and hold them to properties, in a process apart from this one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from lossmith.cli.exits import FOUND, UNABLE
from lossmith.messages import ArgumentError, closest, listed

BACKENDS = ("jax", "tensorflow", "torch")


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
@click.option("--axes", metavar="AXES", help='Of target and prediction: "b t, b t [c]".')
@click.option("--y-true", metavar="DOMAIN", help='Of the targets: "int<10", "binary pad=-1".')
@click.option("--y-pred", metavar="DOMAIN", help='Of the predictions: "logits", "prob".')
@click.option("--promise", multiple=True, metavar="KEY=VALUE", help="What the loss says of itself.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this check alone, or these.")
@click.option("--seed", default=0, show_default=True, help="Of all that is drawn.")
@click.option(
    "--backend",
    envvar="KERAS_BACKEND",
    show_default="KERAS_BACKEND, else the first that is installed",
    metavar="jax|tensorflow|torch|all",
    help="What Keras runs on; all: one after the other, compared.",
)
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="For one loss on one backend.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="How results are printed.",
)
@click.pass_context
def check(ctx: click.Context, target: str, backend: str | None, form: str, **given: Any) -> None:
    """Hold losses to the properties that `lossmith list checks` names.

    FILE is run, in a process of its own. Without NAME, all losses of it are checked: functions of
    y_true and y_pred, subclasses of keras.losses.Loss that need no arguments, and lm.Loss objects.

    Exits with 0 when all is kept, 1 when something is broken, 2 when something could not run.
    """
    from lossmith.cli.check_output import FORMATS
    from lossmith.cli.check_reading import Reading
    from lossmith.cli.check_session import Bar, Session

    path, name = target_of(target)
    given["promises"] = _promises(given.pop("promise"))
    reading = Reading.of(path)
    with tempfile.TemporaryDirectory(prefix="lossmith") as folder, Bar() as bar:
        backends = _backends(backend)
        compared = backend == "all" and len(backends) > 1
        session = Session(path, name, reading, given, Path(folder), bar, backend, compared)
        for each in backends:
            session.run(each)
    for note in session.notes:
        click.echo(note, err=True)
    outcomes = session.outcomes
    if not outcomes:
        raise ArgumentError(
            f"{path.name} has no loss" + (f" {name}" if name else ""),
            got=f"functions that look like losses: {listed(reading.functions)}",
            expected="a function of y_true and y_pred, a keras.losses.Loss or an lm.Loss",
            fix=f"lossmith check {path}:NAME",
        )
    for outcome in outcomes:
        outcome.findings = reading.joined(outcome)
    click.echo(FORMATS[form](outcomes), nl=False)
    checked = {outcome.loss for outcome in outcomes if not outcome.refused}
    broken = any(outcome.broken for outcome in outcomes)
    unable = any(outcome.loss not in checked for outcome in outcomes)
    ctx.exit(FOUND if broken else UNABLE if unable else 0)


@click.command("explain-check")
@click.argument("name")
def explain_check(name: str) -> None:
    """Print what a check demands of a loss, how it is tested, and what to do about it."""
    prepare_keras()
    from lossmith.checks import pages
    from lossmith.checks.unit import chosen

    click.echo(pages.Page.of(chosen(name)[name]).text(), nl=False)


def prepare_keras(backend: str | None = None) -> None:
    """Let Keras start on a backend, or on one that is there, as `check` does."""
    if backend is not None:
        os.environ["KERAS_BACKEND"] = _backends(backend)[0]
    os.environ.setdefault("KERAS_BACKEND", _backends(None)[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def target_of(text: str) -> tuple[Path, str]:
    """Take `FILE[:NAME]` apart."""
    path, _, name = text.rpartition(":")
    if Path(text).is_file():
        path, name = text, ""
    if not Path(path or text).is_file():
        raise click.BadParameter(f"{path or text} is no file", param_hint="FILE[:NAME]")
    return Path(path), name


def _promises(given: Sequence[str]) -> dict[str, Any]:
    """Read `key=value`; a value that is JSON is taken as that: false, 2, ["jax"], {"a": "b"}."""
    found: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--promise")
        try:
            found[key] = json.loads(value)
        except json.JSONDecodeError:
            found[key] = value
    return found


def _backends(name: str | None) -> list[str]:
    installed = [each for each in BACKENDS if find_spec(each)]
    if name == "all" and installed:
        return installed
    if name is None and installed:
        return installed[:1]
    if name is None or name not in installed:
        raise ArgumentError(
            f"there is no backend {name or ''} to run on".replace("  ", " "),
            got=f"--backend {name} (or KERAS_BACKEND), installed: {listed(installed)}",
            expected=f"one of {listed(BACKENDS)} that is installed, or all",
            fix=f"pip install {closest(name or 'jax', BACKENDS)[0]}",
        )
    return [name]
