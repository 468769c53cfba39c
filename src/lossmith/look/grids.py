"""Maps of any rank as grids of rows and columns, and the colours of their values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

VIRIDIS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""From low to high, told apart without colour vision and in grey."""

MASKED = "#8c8c8c"
NOT_FINITE = "#ff00c8"


def as_grid(values: NDArray[Any]) -> NDArray[Any]:
    """Return two axes: the last one, and all before it as rows."""
    *leading, last = values.shape or (1,)
    return values.reshape(math.prod(leading), last)


def picture(loss: NDArray[Any], mask: NDArray[np.bool_], least: int = 256) -> NDArray[np.uint8]:
    """Draw a map as an image.

    Args:
        loss: Losses, of any shape.
        mask: True where a position counts.
        least: Small grids are drawn with larger squares, up to about this many pixels.

    Returns:
        Red, green and blue, `(rows, columns, 3)`.
    """
    loss, mask = as_grid(loss.astype(float)), as_grid(mask)
    finite = np.isfinite(loss)
    counted = loss[finite & mask]
    low, high = (counted.min(), counted.max()) if counted.size else (0.0, 0.0)
    share = (np.where(finite, loss, low) - low) / ((high - low) or 1.0)
    stops = np.linspace(0, 1, len(VIRIDIS))
    channels = np.array([_rgb(colour) for colour in VIRIDIS], float).T
    image = np.stack([np.interp(share, stops, channel) for channel in channels], axis=-1)
    image[~finite] = _rgb(NOT_FINITE)
    image[~mask] = _rgb(MASKED)
    size = max(1, least // max(1, *loss.shape))
    return image.round().astype(np.uint8).repeat(size, axis=0).repeat(size, axis=1)


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
