"""What arithmetic makes of what is known of its operands: signs, bounds, zeros, constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from lossmith.lint.values import Value


def multiply(a: Value, b: Value, value: Value) -> Value:
    """Return a product: 0 where a mask is 0."""
    bounded = a.low >= 0 and b.low >= 0
    unit = bounded and a.high <= 1 and b.high <= 1
    factor = a.constant if a.constant is not None else b.constant
    data = a if b.constant is not None else b
    return replace(
        value,
        low=0.0 if bounded else -math.inf,
        high=1.0 if unit else 0.0 if _opposite(a, b) else math.inf,
        positive=a.positive and b.positive,
        indicator=a.indicator and b.indicator,
        mask=a.indicator and b.indicator and (a.mask or b.mask),
        zeroed=a.zeroed or b.zeroed or a.mask or b.mask,
        constant=_numeric(lambda x, y: x * y, a, b),
        reduced=data.reduced if factor is not None else value.reduced,
    )


def add(a: Value, b: Value, value: Value) -> Value:
    """Return a sum."""
    return replace(
        value,
        low=a.low + b.low,
        high=a.high + b.high,
        positive=(a.positive and b.low >= 0) or (b.positive and a.low >= 0),
        zeroed=a.zeroed and b.zeroed,
        constant=_numeric(lambda x, y: x + y, a, b),
    )


def subtract(a: Value, b: Value, value: Value) -> Value:
    """Return a difference: 1 less a mask is one."""
    complement = a.constant == 1 and b.indicator
    turned = b.is_made_by("equal", "cast") and not b.prediction
    return replace(
        value,
        low=a.low - b.high,
        high=a.high - b.low,
        indicator=complement,
        mask=complement and (b.mask or turned),
        zeroed=a.zeroed and b.zeroed,
        constant=_numeric(lambda x, y: x - y, a, b),
    )


def divide(a: Value, b: Value, value: Value) -> Value:
    """Return a quotient."""
    constant = _numeric(lambda x, y: x / y, a, b) if b.constant else None
    bounded = a.low >= 0 and b.low >= 0
    return replace(
        value,
        low=0.0 if bounded else -math.inf,
        positive=a.positive and b.positive,
        zeroed=a.zeroed,
        constant=constant,
    )


def power(a: Value, b: Value, value: Value) -> Value:
    """Return a power."""
    even = b.constant is not None and b.constant % 2 == 0
    return replace(
        value,
        low=0.0 if even or a.low >= 0 else -math.inf,
        positive=a.positive,
        zeroed=a.zeroed and b.positive,
        constant=_numeric(_safe_power, a, b),
    )


def negative(x: Value, value: Value) -> Value:
    """Return the negative."""
    constant = -x.constant if x.constant is not None else None
    return replace(value, low=-x.high, high=-x.low, zeroed=x.zeroed, constant=constant)


def square(x: Value, value: Value) -> Value:
    """Return a square, or an absolute value."""
    return replace(value, low=0.0, positive=x.positive, zeroed=x.zeroed)


def exp(x: Value, value: Value) -> Value:
    """`exp(x)` is above 0, until it underflows; a bounded exponent keeps it there."""
    high = 1.0 if x.high <= 0 else math.inf
    return replace(value, low=0.0, high=high, positive=x.low > -math.inf)


def log(x: Value, value: Value) -> Value:
    """Return a logarithm."""
    return replace(value, high=0.0 if x.high <= 1 else math.inf)


def maximum(operands: list[Value], value: Value) -> Value:
    """Return the greatest of several."""
    return replace(
        value,
        low=max((x.low for x in operands), default=-math.inf),
        high=max((x.high for x in operands), default=math.inf),
        positive=any(x.positive for x in operands),
    )


def minimum(operands: list[Value], value: Value) -> Value:
    """Return the least of several."""
    return replace(
        value,
        low=min((x.low for x in operands), default=-math.inf),
        high=min((x.high for x in operands), default=math.inf),
        positive=bool(operands) and all(x.positive for x in operands),
    )


def _numeric(function: Callable[[float, float], float | None], a: Value, b: Value) -> float | None:
    return None if a.constant is None or b.constant is None else function(a.constant, b.constant)


def _safe_power(a: float, b: float) -> float | None:
    try:
        power = a**b
    except (OverflowError, ZeroDivisionError):
        return None
    return power if isinstance(power, (int, float)) else None


def _opposite(a: Value, b: Value) -> bool:
    """Whether one factor is at least 0, and the other at most."""
    return (a.low >= 0 and b.high <= 0) or (a.high <= 0 and b.low >= 0)
