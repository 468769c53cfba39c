"""The smallest inputs on which a check still finds its fault."""

from __future__ import annotations

import time
from collections.abc import Callable

from lossmith.checks.compare import Broken, Finding
from lossmith.checks.probe import LossRaised, Narrow, Skipped, subsets

_SECONDS = 1.0
Attempt = Callable[[Narrow], None]


def shrink(attempt: Attempt, found: Finding, size: int) -> Finding:
    """Run a check again on fewer samples and rounder numbers, as long as it still breaks.

    Args:
        attempt: Runs the check on narrowed batches.
        found: What it found on the whole batch.
        size: How many samples that had.

    Returns:
        What it found on the smallest inputs that were reached in time.
    """
    end = time.perf_counter() + _SECONDS
    best, narrow = found, Narrow()
    for samples in subsets(size):
        if time.perf_counter() > end:
            return best
        if smaller := _broken(attempt, Narrow(samples)):
            best, narrow = smaller, Narrow(samples)
            break
    for decimals in (0, 1, 2):
        if time.perf_counter() > end:
            return best
        if rounder := _broken(attempt, Narrow(narrow.samples, decimals)):
            return rounder
    return best


def _broken(attempt: Attempt, narrow: Narrow) -> Finding | None:
    try:
        attempt(narrow)
    except Broken as broken:
        return broken.finding
    except (LossRaised, Skipped, ArithmeticError, ValueError, IndexError):
        return None  # the smaller inputs do not fit the check
    return None
