"""What a run says: tables, numbers for `results.json`, and curves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lossmith.demos.environment import versions
from lossmith.demos.g2p.outcome import OURS, THEIRS, Outcome, Result, Settings
from lossmith.demos.g2p.scores import difference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10
"""How many decoded words are printed: the first ones, as they were drawn."""

ON_PADDING = (
    "A loss that padding moves cannot be compared between batches of different padding, and its "
    "weight beside other terms, a penalty or a clipped gradient changes with them."
)


def introduce(settings: Settings) -> None:
    """Say what is about to happen."""
    _console().print(
        f"Spelling to phonemes on CMUdict: {settings.words} words to train on, "
        f"{settings.held_out} held out, {settings.epochs} epochs, seed {settings.seed}. "
        "The same model is trained twice; only the loss differs."
    )


def show(result: Result) -> None:
    """Print the tables, each with what it means."""
    console = _console()
    console.print(_errors_table(result), f"{verdict(result)}\n", sep="\n")
    console.print(_words_table(result), "")
    console.print(_padding_table(result), ON_PADDING, sep="\n")
    console.print(f"\n{result.seconds:.0f} seconds in all.")


def say_where(page: Path) -> None:
    """Say which file to open."""
    _console().print(f"The training with {OURS}, epoch by epoch: {page}", soft_wrap=True)


def verdict(result: Result) -> str:
    """Say which is better, if that can be said."""
    gain, spread = _difference(result)
    points = f"{abs(gain) * 100:.2f} points, standard error of the words {spread * 100:.2f}"
    if abs(gain) <= 2 * spread:
        return (
            f"Phoneme errors are about equal ({points}). The hand-written loss is ours times the "
            "share of steps that are no padding, and Adam divides such a factor out again."
        )
    better = OURS if gain > 0 else THEIRS
    return f"Fewer phoneme errors: {better}, by {points}. One run each: a seed may turn it."


def as_dict(result: Result) -> dict[str, Any]:
    """Return the numbers of a run."""
    gain, spread = _difference(result)
    return {
        "demo": "g2p",
        "settings": {**asdict(result.settings), "held_out": len(result.dataset.held_out.words)},
        "versions": versions(),
        "seconds": result.seconds,
        "losses": {name: _numbers(outcome) for name, outcome in result.outcomes.items()},
        "phoneme_error_rate_gain": {"value": gain, "standard_error": spread},
        "padding": result.padding,
        "words": [dict(zip(_COLUMNS, row, strict=True)) for row in _word_rows(result)],
    }


def curves(result: Result) -> Figure:
    """Draw what each loss logs, and the yardstick that is the same for both."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    logged, held_out = figure.subplots(1, 2)
    for name, outcome in result.outcomes.items():
        epochs = range(1, len(outcome.nats) + 1)
        logged.plot(epochs, outcome.trained.losses, marker="o", label=name)
        held_out.plot(epochs, outcome.nats, marker="o", label=name)
    logged.set(title="training loss, as logged", xlabel="epoch", ylabel="loss")
    held_out.set(title="held-out words", xlabel="epoch", ylabel="nats per phoneme")
    for axes in (logged, held_out):
        axes.legend()
        axes.set_ylim(bottom=0)
    return figure


_COLUMNS = ("spelling", "reference", THEIRS, OURS)


def _console() -> Console:
    return Console(highlight=False)


def _errors_table(result: Result) -> Table:
    table = Table(
        title=f"{len(result.dataset.held_out.words)} held-out words", title_justify="left"
    )
    table.add_column("loss")
    for column in ("phoneme errors", "words with errors", "nats per phoneme", "trained in"):
        table.add_column(column, justify="right")
    for name, outcome in result.outcomes.items():
        table.add_row(
            name,
            f"{outcome.score.phoneme_error_rate:.2%}",
            f"{outcome.score.word_error_rate:.1%}",
            f"{outcome.nats[-1]:.4f}",
            f"{outcome.trained.seconds:.0f} s",
        )
    return table


def _words_table(result: Result) -> Table:
    table = Table(*_COLUMNS, title="The first of them", title_justify="left")
    for row in _word_rows(result):
        table.add_row(*row)
    return table


def _word_rows(result: Result) -> list[tuple[str, ...]]:
    words = result.dataset.held_out.words[:SHOWN]
    spoken = result.dataset.lexicon.words
    columns = [[spoken[word][0] for word in words]]
    columns += [result.outcomes[name].written for name in (THEIRS, OURS)]
    phonemes = ([" ".join(entry) for entry in column[:SHOWN]] for column in columns)
    return list(zip(words, *phonemes, strict=True))


def _padding_table(result: Result) -> Table:
    table = Table(title="Value of each loss, same model and words", title_justify="left")
    table.add_column("loss")
    for column in ("the batch", "padded to twice the length", "change"):
        table.add_column(column, justify="right")
    for name, values in result.padding.items():
        change = values["padded"] / values["batch"] - 1
        table.add_row(name, f"{values['batch']:.5f}", f"{values['padded']:.5f}", f"{change:+.2%}")
    return table


def _difference(result: Result) -> tuple[float, float]:
    return difference(result.outcomes[THEIRS].score, result.outcomes[OURS].score)


def _numbers(outcome: Outcome) -> dict[str, Any]:
    return {
        "phoneme_error_rate": outcome.score.phoneme_error_rate,
        "word_error_rate": outcome.score.word_error_rate,
        "held_out_nats": outcome.nats,
        "training_loss": outcome.trained.losses,
        "training_seconds": outcome.trained.seconds,
    }
