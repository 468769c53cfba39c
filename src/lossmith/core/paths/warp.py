"""What soft-DTW is told: how soft its minimum is, and which alignments there are."""

from __future__ import annotations

from dataclasses import dataclass

from lossmith.core.part import number
from lossmith.messages import ArgumentError


@dataclass(frozen=True)
class Warp:
    """Which alignments there are, and how soft their minimum is.

    Attributes:
        gamma: The temperature: the nearer to 0, the nearer to the least cost alone.
        bandwidth: How many positions an alignment may stray from the diagonals between the first
            cell and the last; None: any number.
    """

    gamma: float = 1.0
    bandwidth: int | None = None

    def __post_init__(self) -> None:
        """Refuse what leaves no alignment."""
        number(self.gamma, "gamma", above=0)
        if self.bandwidth is not None and (type(self.bandwidth) is not int or self.bandwidth < 1):
            raise ArgumentError(
                "bandwidth is out of its domain",
                got=f"bandwidth={self.bandwidth!r}",
                expected="how many positions an alignment may stray, an integer of at least 1",
                fix="give bandwidth=1 or more; without a bandwidth it may stray anywhere",
            )
