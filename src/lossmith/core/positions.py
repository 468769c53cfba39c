"""Where a loss is computed, and how much each position counts."""

from __future__ import annotations

from dataclasses import dataclass

from lossmith.core.axes import Named
from lossmith.core.context import Context
from lossmith.core.evaluate import outer


@dataclass(frozen=True)
class Positions:
    """Where a loss is computed, and how much each position counts.

    Attributes:
        context: The inputs, lined up, selected and adjusted.
        axes: The axes of the elements.
        mask: Which positions count, over axes of the elements or ones inside them; None: all.
        scales: Weights that multiply the inputs.
        weights: Weights that multiply the error.
    """

    context: Context
    axes: tuple[str, ...]
    mask: Named | None
    scales: tuple[Named, ...]
    weights: tuple[Named, ...]

    @property
    def counted(self) -> Named | None:
        """Which elements count; None: all."""
        return None if self.mask is None else outer(self.mask, self.axes)
