"""What the run says: tables, numbers for `results.json`, and curves."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lossmith.demos.environment import versions
from lossmith.demos.g2p.outcome import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lossmith.demos.g2p_ctc.experiment import Result

SHOWN = 10
"""How many decoded words are printed: the first ones, as they were drawn."""


def introduce(settings: Settings) -> None:
    """Say what is about to happen."""
    _console().print(
        f"Spelling to phonemes on CMUdict with CTC: {settings.words} words to train on, "
        f"{settings.held_out} held out, {settings.epochs} epochs, seed {settings.seed}. "
        "An encoder makes two frames of each letter; no phoneme is told its letter."
    )


def show(result: Result) -> None:
    """Print the tables."""
    console = _console()
    console.print(_errors_table(result))
    if result.without_path:
        console.print(
            f"{result.without_path} of {result.settings.words} words to train on have more "
            "phonemes than their frames can say; the loss leaves them out."
        )
    console.print("", _words_table(result), "", sep="\n")
    console.print(f"Trained in {result.trained.seconds:.0f} s, {result.seconds:.0f} s in all.")


def as_dict(result: Result) -> dict[str, Any]:
    """Return the numbers of a run."""
    return {
        "demo": "g2p",
        "loss": "ctc",
        "settings": {**asdict(result.settings), "held_out": len(result.dataset.held_out.words)},
        "versions": versions(),
        "seconds": result.seconds,
        "training_loss": result.trained.losses,
        "training_seconds": result.trained.seconds,
        "words_without_path": result.without_path,
        "held_out_phoneme_error_rate": result.held_out,
        "decoded": {
            name: {
                "phoneme_error_rate": reading.score.phoneme_error_rate,
                "word_error_rate": reading.score.word_error_rate,
            }
            for name, reading in result.readings.items()
        },
        "words": [dict(zip(_columns(result), row, strict=True)) for row in _word_rows(result)],
    }


def curves(result: Result) -> Figure:
    """Draw the loss, and the errors on held-out words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    logged, held_out = figure.subplots(1, 2)
    epochs = range(1, len(result.held_out) + 1)
    logged.plot(epochs, result.trained.losses, marker="o")
    held_out.plot(epochs, result.held_out, marker="o")
    logged.set(title="training loss, as logged", xlabel="epoch", ylabel="nats per word")
    held_out.set(title="held-out words, greedy", xlabel="epoch", ylabel="phoneme error rate")
    for axes in (logged, held_out):
        axes.set_ylim(bottom=0)
    return figure


def _console() -> Console:
    return Console(highlight=False)


def _errors_table(result: Result) -> Table:
    title = f"{len(result.dataset.held_out.words)} held-out words"
    table = Table(title=title, title_justify="left")
    table.add_column("decoded")
    for column in ("phoneme error rate", "words with errors"):
        table.add_column(column, justify="right")
    for name, reading in result.readings.items():
        score = reading.score
        table.add_row(name, f"{score.phoneme_error_rate:.2%}", f"{score.word_error_rate:.1%}")
    return table


def _words_table(result: Result) -> Table:
    table = Table(*_columns(result), title="The first of them", title_justify="left")
    for row in _word_rows(result):
        table.add_row(*row)
    return table


def _columns(result: Result) -> tuple[str, ...]:
    return ("spelling", "reference", *result.readings)


def _word_rows(result: Result) -> list[tuple[str, ...]]:
    words = result.dataset.held_out.words[:SHOWN]
    spoken = result.dataset.lexicon.words
    columns = [[spoken[word][0] for word in words]]
    columns += [reading.written[:SHOWN] for reading in result.readings.values()]
    phonemes = ([" ".join(entry) for entry in column] for column in columns)
    return list(zip(words, *phonemes, strict=True))
