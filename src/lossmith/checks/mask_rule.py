"""How a loss is told which positions count, as promised in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lossmith.messages import ArgumentError

_NOT_EQUAL = re.compile(r"y_true\s*!=\s*(-?\d+(?:\.\d+)?)")
_FINITE = re.compile(r"isfinite\(\s*y_true\s*\)|y_true\s*==\s*y_true")


@dataclass(frozen=True)
class MaskRule:
    """How a loss is told which positions count.

    Attributes:
        text: As promised: `"y_true != -1"`, `"isfinite(y_true)"` or `"keras"`.
        sentinel: The target at positions that do not count; None for Keras' mask.
    """

    text: str
    sentinel: float | None


def parse_mask(text: str) -> MaskRule:
    """Read the promise `mask`.

    Raises:
        ArgumentError: Where it cannot be read.
    """
    if text == "keras":
        return MaskRule(text, None)
    if match := _NOT_EQUAL.fullmatch(text.strip()):
        return MaskRule(text, float(match.group(1)))
    if _FINITE.fullmatch(text.strip()):
        return MaskRule(text, float("nan"))
    raise ArgumentError(
        "a mask cannot be read",
        got=f"mask={text!r}",
        expected='"y_true != -1" with any number, "isfinite(y_true)" or "keras"',
        fix='write mask="y_true != -1"',
    )
