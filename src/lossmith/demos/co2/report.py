"""What a run says: a table, numbers for `results.json`, and curves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lossmith.demos.co2.data import FUTURE, PAST, SCALE
from lossmith.demos.co2.outcome import Outcome, Result, Settings
from lossmith.demos.environment import versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REMARK = (
    "A NaN in one target spoils every weight at the first update. A filled-in value is learned as "
    "if it had been measured, and does as much harm as it is wrong. Most gaps here are a week or "
    "two of a smooth series, where keeping the last value is a fair guess; a mask needs none."
)


def introduce(settings: Settings) -> None:
    """Say what is about to happen."""
    _console().print(
        f"Weekly CO2 at Mauna Loa: the next {FUTURE} weeks from the last {PAST}, "
        f"{settings.epochs} epochs, seed {settings.seed}. "
        "The same model is trained in each way; missing weeks in its inputs are always carried "
        "over and marked."
    )


def show(result: Result) -> None:
    """Print the table and what it means."""
    console = _console()
    missing = result.missing
    table = Table(
        title=f"Error on {int(np.isfinite(result.test.future).sum())} measured test values",
        title_justify="left",
    )
    table.add_column("targets")
    for column in ("test RMSE in ppm", "last training loss", "trained in"):
        table.add_column(column, justify="right")
    for name, outcome in result.outcomes.items():
        table.add_row(name, *_cells(outcome))
    console.print(table)
    console.print(
        f"{missing['weeks']} of {missing['of_weeks']} weeks are missing, and "
        f"{missing['training_targets'] / missing['of_training_targets']:.1%} of the training "
        f"targets. {REMARK}\n"
    )
    console.print(f"{result.seconds:.0f} seconds in all.")


def as_dict(result: Result) -> dict[str, Any]:
    """Return the numbers of a run."""
    return {
        "demo": "co2",
        "settings": asdict(result.settings),
        "versions": versions(),
        "seconds": result.seconds,
        "missing": result.missing,
        "ways": {
            name: {"rmse_ppm": outcome.rmse, **_numbers(outcome)}
            for name, outcome in result.outcomes.items()
        },
    }


def curves(result: Result) -> Figure:
    """Draw what each way logs, and the forecast of the last test window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    logged, forecast = figure.subplots(1, 2)
    weeks = range(1, FUTURE + 1)
    forecast.plot(weeks, result.test.future[-1] * SCALE, "k.", label="measured")
    for name, outcome in result.outcomes.items():
        epochs = range(1, len(outcome.trained.losses) + 1)
        logged.plot(epochs, outcome.trained.losses, label=name)
        forecast.plot(weeks, outcome.forecast[-1] * SCALE, label=name)
    logged.set(title="training loss, as logged", xlabel="epoch", yscale="log")
    forecast.set(title="last test window", xlabel="weeks ahead", ylabel="ppm, from the last week")
    forecast.legend(fontsize="small")
    return figure


def _console() -> Console:
    return Console(highlight=False)


def _cells(outcome: Outcome) -> tuple[str, str, str]:
    seconds = f"{outcome.trained.seconds:.0f} s"
    if outcome.trained.failed_at is not None:
        return "none", f"NaN at step {outcome.trained.failed_at}", seconds
    return f"{outcome.rmse:.3f}", f"{outcome.trained.losses[-1]:.4f}", seconds


def _numbers(outcome: Outcome) -> dict[str, Any]:
    return {
        "training_loss": outcome.trained.losses,
        "training_seconds": outcome.trained.seconds,
        "failed_at_step": outcome.trained.failed_at,
    }
