"""A training as lines of a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table as Rows
from rich.text import Text

from lossmith.look.sinks._sink import Sink


class Table(Sink):
    """A table in the terminal after each epoch: each value, with its change since the last one.

    Args:
        console: Where to print; standard output if None.

    Example:
        >>> import lossmith as lm
        >>> table = lm.sinks.Table()
        >>> table.epoch(0, {"loss": 0.5})
        epoch 1
          loss  0.5
        >>> table.epoch(1, {"loss": 0.25, "val_loss": 1.0})
        epoch 2
          loss      0.25   -0.25
          val_loss  1
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._before: Mapping[str, float] = {}

    def epoch(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Print the logs of an epoch, in the order in which they were logged."""
        rows = Rows(box=None, show_header=False, padding=(0, 0, 0, 2))
        rows.add_column(overflow="fold")
        rows.add_column(no_wrap=True)
        rows.add_column(no_wrap=True)
        for name, value in logs.items():
            change = f"{value - self._before[name]:+.4g}" if name in self._before else ""
            rows.add_row(Text(name), f"{value:.4g}", change)
        console = self._console or Console(highlight=False)
        console.print(f"epoch {epoch + 1}", rows, sep="\n")
        self._before = dict(logs)
