"""Where a demo's results go: refused early when they could not be written at the end."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.messages import ArgumentError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = "results.json"
CURVES = "curves.png"
RUN = "run"
PAGE = "report.html"


class Output:
    """A directory for `results.json` and `curves.png`, or nowhere.

    Args:
        directory: Where to write; made when the first file is written. None writes nothing.

    Attributes:
        written: The files written so far, the one being written among them.

    Raises:
        ArgumentError: If the files could not be written there.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.written: list[Path] = []
        obstacle = directory and _obstacle(directory)
        if obstacle:
            raise ArgumentError(
                "the results cannot be written there",
                got=f"--out {directory}: {obstacle}",
                expected="a directory that can be written to, or one that can be made",
                fix="--out results",
            )

    def __bool__(self) -> bool:
        """Return whether there is anywhere to write to."""
        return self.directory is not None

    def write(self, results: dict[str, Any], curves: Figure) -> None:
        """Write both files, the numbers first."""
        text = json.dumps(_plain(results), indent=2, ensure_ascii=False, allow_nan=False)
        image = io.BytesIO()
        curves.savefig(image, format="png", dpi=120)
        self._write(RESULTS, f"{text}\n".encode())
        self._write(CURVES, image.getvalue())

    @property
    def run(self) -> Path:
        """The run directory of a training, of which `write_page` makes a page."""
        return self._place() / RUN

    def write_page(self, title: str) -> Path:
        """Write a page of the run directory, and return where it is."""
        from lossmith.look import page
        from lossmith.look.run_dir import read

        path = self._place() / PAGE
        self.written.append(path)
        page.write(path, title, page.of_run(read(self.run)))
        return path

    def _write(self, name: str, content: bytes) -> None:
        directory = self._place()
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / name
        self.written.append(path)
        path.write_bytes(content)

    def _place(self) -> Path:
        if self.directory is None:
            message = "an Output without a directory writes nothing"
            raise RuntimeError(message)
        return self.directory


def _plain(value: Any) -> Any:
    """Return what JSON has a word for: it has none for NaN and infinity."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _obstacle(directory: Path) -> str | None:
    """Say what stands in the way of writing into a directory."""
    nearest = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not nearest.is_dir():
        return f"{nearest} is not a directory"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} is not writable"
    for path in (directory / name for name in (RESULTS, CURVES, PAGE)):
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            return f"{path} cannot be written over"
    return None
