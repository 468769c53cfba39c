"""The one best alignment of two sequences, for the eye: dynamic time warping in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from lossmith import backend
from lossmith.messages import ShapeError

_STEPS = ((1, 1), (1, 0), (0, 1))


def dtw_path(cost: Any) -> Any:
    """Return the alignment of least cost.

    It is for plots and reports, on NumPy; `soft_dtw_alignment` is its soft form for tensors.

    Args:
        cost: (T, S) what it costs to align each pair of positions.

    Returns:
        (pairs, 2) integers of an array, the pairs in order; of equal ways the one across.

    Raises:
        ShapeError: If `cost` is not one grid.

    Example:
        >>> import lossmith as lm
        >>> lm.ops.dtw_path([[0.0, 1.0, 4.0], [1.0, 0.0, 0.0]]).tolist()
        [[0, 0], [1, 1], [1, 2]]
    """
    grid = backend.to_numpy(ops.convert_to_tensor(cost)).astype("float64")
    if grid.ndim != 2:  # noqa: PLR2004
        raise ShapeError(
            "a best path is that of one grid of costs",
            got=f"shape {grid.shape}",
            expected="(rows, columns)",
            fix="take one sample, as in lm.ops.dtw_path(cost[0])",
        )
    height, width = grid.shape
    total = np.full((height + 1, width + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, height + width + 1):
        i = np.arange(max(1, diagonal - width), min(height, diagonal - 1) + 1)
        j = diagonal - i
        before = np.min([total[i - a, j - b] for a, b in _STEPS], axis=0)
        total[i, j] = grid[i - 1, j - 1] + before
    place = (height, width)
    pairs = [place]
    while place != (1, 1):
        place = min(((place[0] - a, place[1] - b) for a, b in _STEPS), key=lambda p: total[p])
        pairs.append(place)
    return np.array(pairs[::-1]) - 1
