"""Soft-DTW in float64 NumPy: every alignment written out, and dynamic programming."""

from collections.abc import Iterator
from functools import cache

import numpy as np

Array = np.ndarray
Path = tuple[tuple[int, int], ...]


@cache
def alignments(rows: int, columns: int) -> list[Path]:
    """Return every path through a grid, by steps down, to the right or across both."""

    def from_cell(i: int, j: int) -> Iterator[Path]:
        if (i, j) == (rows - 1, columns - 1):
            yield ((i, j),)
        for a, b in ((i + 1, j), (i, j + 1), (i + 1, j + 1)):
            if a < rows and b < columns:
                yield from (((i, j), *rest) for rest in from_cell(a, b))

    return list(from_cell(0, 0))


def within(path: Path, rows: int, columns: int, bandwidth: int | None) -> bool:
    """Tell whether a path stays in the band around the diagonals of its two ends."""
    if bandwidth is None:
        return True
    low, high = min(0, rows - columns) - bandwidth, max(0, rows - columns) + bandwidth
    return all(low <= i - j <= high for i, j in path)


def enumerated(cost: Array, gamma: float, bandwidth: int | None = None) -> tuple[float, Array]:
    """Return the soft minimum over all alignments, and how likely they meet each cell."""
    paths = [p for p in alignments(*cost.shape) if within(p, *cost.shape, bandwidth)]
    totals = np.array([sum(cost[cell] for cell in path) for path in paths])
    raised = np.exp((totals.min() - totals) / gamma)
    likely = np.zeros(cost.shape)
    for path, share in zip(paths, raised / raised.sum(), strict=True):
        for cell in path:
            likely[cell] += share
    return totals.min() - gamma * np.log(raised.sum()), likely


def expected(cost: Array, penalty: Array, gamma: float) -> tuple[float, Array]:
    """Return what alignments are expected to pick up, and its gradient by the covariance.

    The gradient with respect to a cell is minus the covariance of meeting it and of the penalty,
    over gamma.
    """
    paths = alignments(*cost.shape)
    met = np.zeros((len(paths), *cost.shape))
    for place, path in enumerate(paths):
        met[place][tuple(np.transpose(path))] = 1.0
    totals = (met * cost).sum(axis=(1, 2))
    raised = np.exp((totals.min() - totals) / gamma)
    share = raised / raised.sum()
    picked = (met * penalty).sum(axis=(1, 2))
    mean = share @ picked
    return mean, -np.tensordot(share * (picked - mean), met, axes=1) / gamma


def programmed(cost: Array, gamma: float) -> tuple[float, Array]:
    """Return the same by the recursion of Cuturi and Blondel, diagonal by diagonal."""
    height, width = cost.shape
    total, likely = np.full((height + 2, width + 2), np.inf), np.zeros((height + 2, width + 2))
    total[0, 0], likely[height, width] = 0.0, 1.0
    for i, j in _diagonals(height, width):
        before = np.stack([total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]])
        least = before.min(axis=0)
        soft = least - gamma * np.log(np.exp((least - before) / gamma).sum(axis=0))
        total[i, j] = cost[i - 1, j - 1] + soft
    padded = np.pad(cost, ((1, 1), (1, 1)))
    for i, j in list(_diagonals(height, width))[-2::-1]:
        for a, b in ((i + 1, j + 1), (i + 1, j), (i, j + 1)):
            beyond = ~np.isfinite(total[a, b])
            ahead = np.where(beyond, 0.0, total[a, b]) - padded[a, b] - total[i, j]
            likely[i, j] += likely[a, b] * np.where(beyond, 0.0, np.exp(ahead / gamma))
    return total[height, width], likely[1:-1, 1:-1]


def _diagonals(height: int, width: int) -> Iterator[tuple[Array, Array]]:
    for diagonal in range(2, height + width + 1):
        i = np.arange(max(1, diagonal - width), min(height, diagonal - 1) + 1)
        yield i, diagonal - i
