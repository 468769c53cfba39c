"""`lossmith explain`: the values inside a loss, on given or drawn data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lossmith.cli.check import prepare_keras, target_of
from lossmith.cli.exits import FOUND
from lossmith.messages import ArgumentError, listed

if TYPE_CHECKING:
    from lossmith.look.explanation import Explanation


@click.command()
@click.argument("target", metavar="FILE[:NAME]")
@click.option("--axes", metavar="AXES", help='Of target and prediction: "b t, b t [c]".')
@click.option("--y-true", metavar="DOMAIN", help='Of drawn targets: "int<10", "binary pad=-1".')
@click.option("--y-pred", metavar="DOMAIN", help='Of drawn predictions: "logits", "prob".')
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="BATCH.npz",
    help="Real arrays: y, output, sample_weight, y:lengths, ... Without it they are drawn.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="PAGE",
    help="Write the same to a page that any browser opens.",
)
@click.option(
    "--backend",
    envvar="KERAS_BACKEND",
    show_default="KERAS_BACKEND, else the first that is installed",
    metavar="jax|tensorflow|torch",
    help="What Keras runs on.",
)
@click.pass_context
def explain(  # noqa: PLR0913 - one argument an option
    ctx: click.Context,
    target: str,
    *,
    data: Path | None,
    html: Path | None,
    backend: str | None,
    seed: int,
    **given: str | None,
) -> None:
    """Show the values inside a loss: each line with its tensors, or each stage of an lm.Loss.

    FILE is run. The first line is marked where a shape broadcasts by position, where samples
    mix, where NaN or Inf appears, and from which on there is no gradient.

    Exits with 0, with 1 when the loss raised, 2 when it could not be run.
    """
    path, name = target_of(target)
    prepare_keras(backend)
    loss = _loss(path, name)
    if data is not None:
        found = _of_file(loss, given["axes"], data)
    else:
        found = _of_draws(loss, given, seed)
    _show(found)
    if html is not None:
        from lossmith.look import page

        page.write_explanation(found, html)
        click.echo(f"written to {html}")
    ctx.exit(FOUND if found.error else 0)


def _loss(path: Path, name: str) -> Any:
    """Run the file and return one loss of it."""
    from lossmith.checks import loading
    from lossmith.cli.check_reading import Reading, not_imported

    reading = Reading.of(path)
    try:
        module = loading.load(path)
    except Exception as error:  # noqa: BLE001 - whatever the file raises
        import keras

        said = f"{type(error).__name__}: {error}"
        raise not_imported(path, said, keras.config.backend()) from None
    losses, _ = loading.losses_in(module, reading.functions)
    if name and hasattr(module, name):
        return getattr(module, name)
    if name or len(losses) != 1:
        raise ArgumentError(
            f"{path.name} has no loss {name}" if name else f"{path.name} has {len(losses)} losses",
            got=f"losses {listed(losses)}",
            expected="the name of one",
            fix=f"lossmith explain {path}:{next(iter(losses), 'NAME')}",
        )
    return next(iter(losses.values()))


def _of_file(loss: Any, axes: str | None, data: Path) -> Explanation:
    """Explain a loss on the arrays of a file."""
    from lossmith.look.batch import read_batch
    from lossmith.look.inside import explain as explained
    from lossmith.look.inside import explained_stages
    from lossmith.losses._objective import Term

    saved = read_batch(data)
    if isinstance(loss, Term):
        return explained_stages(loss, saved.sources)
    weight = saved.arrays.get("sample_weight")
    return explained(loss, saved.one("y"), saved.one("output"), axes, sample_weight=weight)


def _of_draws(loss: Any, given: dict[str, str | None], seed: int) -> Explanation:
    """Explain a loss on drawn inputs, of axes and domains that were given or found by trying."""
    from lossmith.checks.runner import prepare
    from lossmith.look.inside import explain as explained

    run = prepare(loss, given["axes"], y_true=given["y_true"], y_pred=given["y_pred"], seed=seed)
    if run.found.why:
        raise ArgumentError(
            "inputs cannot be drawn for this loss",
            got=run.found.why,
            expected="a file with all that it asks for",
            fix="lossmith explain FILE:NAME --data batch.npz",
        )
    batch = run.probe("explain").batch(masked=run.found.spec.mask is not None)
    return explained(loss, batch.y_true, batch.y_pred, str(run.found.spec.axes))


def _show(found: Explanation) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(found, soft_wrap=not console.is_terminal)
