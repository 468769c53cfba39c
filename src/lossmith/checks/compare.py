"""The one place where what a loss gives is held against what it should give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# Relative tolerances, with what was measured on Keras' own losses and on wrong ones.
VALUE = 1e-5  # a value reached in two ways: up to 4e-8 right, 1e-2 and more wrong
SAME = 1e-6  # a value that must not move at all: up to 2e-7 right
ADDITIVE = 1e-4  # second differences: up to 2e-7 right, 1.6e-2 and more wrong
SLOPE = 1e-4  # a gradient against differences: up to 6e-6 right
GRADIENT = 1e-4  # a gradient reached in two ways
HALF_EPSILONS = 16  # in epsilons of the type: up to 2.6 right


@dataclass(frozen=True)
class Finding:
    """What broke a property.

    Attributes:
        what: What was compared, in a few words.
        got: What the loss gave.
        expected: What it should have given.
        inputs: The arrays it was given, by name.
        inherited: Why Keras does it, and not the loss; empty where it is the loss.
    """

    what: str
    got: Any
    expected: Any
    inputs: dict[str, Any]
    inherited: str = ""


class Broken(Exception):
    """Raised where a property does not hold."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def agree(got: Any, expected: Any, rtol: float, scale: float = 0.0) -> bool:
    """Whether two values are finite and equal, relative to the larger of them and of `scale`.

    Every comparison of every check ends here.
    """
    a, b = np.asarray(got, "float64"), np.asarray(expected, "float64")
    if a.shape != b.shape or not np.all(np.isfinite(a)) or not np.all(np.isfinite(b)):
        return False
    if not a.size:
        return True
    size = max(float(np.max(np.abs(a))), float(np.max(np.abs(b))), scale)
    return bool(np.max(np.abs(a - b)) <= rtol * size)
