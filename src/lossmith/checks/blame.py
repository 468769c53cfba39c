"""Where in its source a loss goes wrong."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from lossmith.checks.compare import Finding
from lossmith.checks.probe import LossRaised, Probe


@dataclass(frozen=True)
class Place:
    """A line of source."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Write it as editors find it."""
        return f"{self.file.name}:{self.line}: {self.text}"


def blame(probe: Probe, check: str, found: Finding | LossRaised) -> Place | None:
    """Return the line at which a fault arises, where it can be told.

    Args:
        probe: The loss.
        check: The name of the check that broke.
        found: What it found, or the error that the loss raised.

    Returns:
        For an error the innermost line of the loss's own file; otherwise None.
    """
    del check
    if isinstance(found, Finding) or probe.subject.file is None:
        return None
    for frame in reversed(traceback.extract_tb(found.error.__traceback__)):
        if Path(frame.filename) == probe.subject.file:
            return Place(Path(frame.filename), frame.lineno or 0, frame.line or "")
    return None
