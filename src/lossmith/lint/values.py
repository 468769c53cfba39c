"""What an expression inside a loss is known to be: a small abstract domain."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum

from lossmith.lint.operations import Operation


class Reduced(IntEnum):
    """Over which axes a value has been summed or averaged."""

    NOT = 0
    """Every element is there."""
    SOME = 1
    """Axes other than the batch."""
    BATCH = 2
    """The batch axis, others are there."""
    ALL = 3
    """It is one number."""


@dataclass(frozen=True)
class Value:
    """Facts about a value. The default is: nothing is known.

    Attributes:
        target: Whether it is computed from the target.
        prediction: Whether it is computed from the prediction.
        indicator: Whether it is boolean, or 0 and 1: a comparison, or a cast of one.
        mask: Whether it is an indicator of which positions count, or are missing.
        masked: Whether positions that don't count were replaced, by `where` with a mask.
        zeroed: Whether positions that don't count are 0, as in `error * mask`.
        reduced: Over which axes it has been reduced.
        low: It is at least this.
        high: It is at most this.
        positive: Whether it is above 0 by more than rounding: clipped, or with an epsilon added.
        constant: The number that it is, if it is a number known by reading.
        opaque: Whether it went through a function that is not understood.
        made_by: The operation that computed it, found through names and helper functions.
    """

    target: bool = False
    prediction: bool = False
    indicator: bool = False
    mask: bool = False
    masked: bool = False
    zeroed: bool = False
    reduced: Reduced = Reduced.NOT
    low: float = -math.inf
    high: float = math.inf
    positive: bool = False
    constant: float | None = None
    opaque: bool = False
    made_by: Operation | None = None

    @property
    def origin(self) -> str:
        """`"target"`, `"prediction"`, `"both"`, or `"neither"`."""
        if self.target and self.prediction:
            return "both"
        return "target" if self.target else "prediction" if self.prediction else "neither"

    @property
    def from_data(self) -> bool:
        """Whether it is computed from the target or the prediction."""
        return self.target or self.prediction

    def is_made_by(self, *names: str) -> bool:
        """Whether one of these operations computed it."""
        return self.made_by is not None and self.made_by.name in names


Transfer = Callable[[Operation, list[Value], Value], Value]
UNKNOWN = Value()


def number(value: float) -> Value:
    """Return the value of a number in the code."""
    return Value(
        constant=value,
        low=value,
        high=value,
        positive=value > 0,
        reduced=Reduced.ALL,
        indicator=value in {0, 1} and isinstance(value, bool),
    )


def join(values: list[Value]) -> Value:
    """Return what holds on every branch: data may come from any, a fact must hold on all."""
    if not values:
        return UNKNOWN
    first = values[0]
    if all(value == first for value in values[1:]):
        return first
    same = all(value.made_by is first.made_by for value in values)
    return Value(
        target=any(v.target for v in values),
        prediction=any(v.prediction for v in values),
        indicator=all(v.indicator for v in values),
        mask=all(v.mask for v in values),
        masked=all(v.masked for v in values),
        zeroed=all(v.zeroed for v in values),
        reduced=min(v.reduced for v in values),
        low=min(v.low for v in values),
        high=max(v.high for v in values),
        positive=all(v.positive for v in values),
        constant=first.constant if all(v.constant == first.constant for v in values) else None,
        opaque=any(v.opaque for v in values),
        made_by=first.made_by if same else None,
    )


def combine(values: list[Value]) -> Value:
    """Return what a function of several values is, where only where it comes from is known."""
    tensors = [v for v in values if v.constant is None]
    data = [v for v in tensors if v.from_data] or tensors
    return Value(
        target=any(v.target for v in values),
        prediction=any(v.prediction for v in values),
        masked=bool(data) and all(v.masked for v in data),
        reduced=min((v.reduced for v in tensors), default=Reduced.ALL),
        opaque=any(v.opaque for v in values),
    )


def apply(operation: Operation, operands: list[Value]) -> Value:
    """Return what an operation makes of its operands."""
    value = combine(operands)
    name = operation.name
    special = _TRANSFER.get(name)
    if special:
        value = special(operation, operands, value)
    elif name in _RANGES:
        low, high = _RANGES[name]
        value = replace(value, low=low, high=high)
    return replace(value, made_by=operation)


_RANGES = {
    "abs": (0.0, math.inf),
    "squared_difference": (0.0, math.inf),
    "softmax": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "relu": (0.0, math.inf),
    "tanh": (-1.0, 1.0),
    "sqrt": (0.0, math.inf),
    "log_softmax": (-math.inf, 0.0),
    "log_sigmoid": (-math.inf, 0.0),
    "norm": (0.0, math.inf),
    "std": (0.0, math.inf),
    "var": (0.0, math.inf),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "one_hot": (0.0, 1.0),
}


def _reduction(operation: Operation, operands: list[Value], value: Value) -> Value:
    """A reduction keeps signs; a sum of a mask is a count."""
    x = operands[0] if operands else UNKNOWN
    facts = {"low": x.low, "high": x.high, "positive": x.positive}
    if operation.name in {"sum", "prod", "count_nonzero"}:
        facts = {"low": 0.0 if x.low >= 0 else -math.inf, "high": math.inf, "positive": x.positive}
    elif operation.name in {"norm", "std", "var"}:
        facts = {"low": 0.0}
    elif operation.name == "logsumexp":
        facts = {}
    boolean = operation.name in {"any", "all", "max", "min"} and x.indicator
    return replace(
        value,
        reduced=_reduced_over(operation, x),
        indicator=boolean,
        mask=boolean and x.mask,
        zeroed=x.zeroed,
        **facts,
    )


def _reduced_over(operation: Operation, x: Value) -> Reduced:
    flat = x.is_made_by("flatten") or (
        x.made_by is not None and x.made_by.name == "reshape" and x.reduced is Reduced.BATCH
    )
    if operation.over_everything or flat:
        return Reduced.ALL
    axes = operation.axis
    over_batch = axes is not None and 0 in axes
    return max(x.reduced, Reduced.BATCH if over_batch else Reduced.SOME)


def _comparison(operation: Operation, operands: list[Value], value: Value) -> Value:
    """A comparison of targets tells classes or positions apart; `!= pad` says which count."""
    mask = operation.name in {"not_equal", "isnan", "isfinite"} and not value.prediction
    masks = any(x.mask for x in operands)
    return replace(value, indicator=True, mask=mask or masks, low=0.0, high=1.0)


def _logical(operation: Operation, operands: list[Value], value: Value) -> Value:
    indicator = all(x.indicator or x.mask for x in operands)
    negated_equality = operation.name == "logical_not" and operands[0].is_made_by("equal")
    mask = any(x.mask for x in operands) or (negated_equality and not value.prediction)
    return replace(value, indicator=indicator, mask=mask, low=0.0, high=1.0)


def _same(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    """Casts, reshapes, broadcasts and slices keep what is known of the numbers."""
    return operands[0] if operands else value


def _reshape(operation: Operation, operands: list[Value], value: Value) -> Value:
    x = operands[0] if operands else value
    shape = operation.get("shape")
    flat = operation.name == "flatten" and operation.library != "keras.layers"
    if isinstance(shape, (ast.Tuple, ast.List)) and len(shape.elts) == 1:
        shape = shape.elts[0]
    flat = flat or (isinstance(shape, ast.UnaryOp) and ast.unparse(shape) == "-1")
    return replace(x, reduced=max(x.reduced, Reduced.BATCH)) if flat else x


def _multiply(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    if len(operands) < 2:  # noqa: PLR2004 - the two factors
        return value
    a, b = operands
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


def _add(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    if len(operands) < 2:  # noqa: PLR2004
        return value
    a, b = operands
    return replace(
        value,
        low=a.low + b.low,
        high=a.high + b.high,
        positive=(a.positive and b.low >= 0) or (b.positive and a.low >= 0),
        zeroed=a.zeroed and b.zeroed,
        constant=_numeric(lambda x, y: x + y, a, b),
    )


def _subtract(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    if len(operands) < 2:  # noqa: PLR2004
        return value
    a, b = operands
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


def _divide(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    if len(operands) < 2:  # noqa: PLR2004
        return value
    a, b = operands
    constant = _numeric(lambda x, y: x / y, a, b) if b.constant else None
    bounded = a.low >= 0 and b.low >= 0
    return replace(
        value,
        low=0.0 if bounded else -math.inf,
        positive=a.positive and b.positive,
        zeroed=a.zeroed,
        constant=constant,
    )


def _power(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    if len(operands) < 2:  # noqa: PLR2004
        return value
    a, b = operands
    even = b.constant is not None and b.constant % 2 == 0
    return replace(
        value,
        low=0.0 if even or a.low >= 0 else -math.inf,
        positive=a.positive,
        zeroed=a.zeroed and b.positive,
        constant=_numeric(_safe_power, a, b),
    )


def _negative(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    x = operands[0] if operands else UNKNOWN
    constant = -x.constant if x.constant is not None else None
    return replace(value, low=-x.high, high=-x.low, zeroed=x.zeroed, constant=constant)


def _square(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    x = operands[0] if operands else UNKNOWN
    return replace(value, low=0.0, positive=x.positive, zeroed=x.zeroed)


def _exp(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    """`exp(x)` is above 0, until it underflows; a bounded exponent keeps it there."""
    x = operands[0] if operands else UNKNOWN
    high = 1.0 if x.high <= 0 else math.inf
    return replace(value, low=0.0, high=high, positive=x.low > -math.inf)


def _log(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    x = operands[0] if operands else UNKNOWN
    return replace(value, high=0.0 if x.high <= 1 else math.inf)


def _maximum(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    return replace(
        value,
        low=max((x.low for x in operands), default=-math.inf),
        high=max((x.high for x in operands), default=math.inf),
        positive=any(x.positive for x in operands),
    )


def _minimum(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    return replace(
        value,
        low=min((x.low for x in operands), default=-math.inf),
        high=min((x.high for x in operands), default=math.inf),
        positive=bool(operands) and all(x.positive for x in operands),
    )


def _clip(operation: Operation, operands: list[Value], value: Value) -> Value:
    given = dict(zip(operation.arguments, operands, strict=False))
    x, low, high = (given.get(key, UNKNOWN) for key in ("x", "low", "high"))
    return replace(
        value,
        target=x.target,
        prediction=x.prediction,
        reduced=x.reduced,
        low=max(x.low, low.low),
        high=min(x.high, high.high),
        positive=x.positive or low.positive,
    )


def _where(operation: Operation, operands: list[Value], value: Value) -> Value:
    """`where(mask, x, 0)` replaces what does not count."""
    given = dict(zip(operation.arguments, operands, strict=False))
    condition = given.get("condition", UNKNOWN)
    branches = [given[key] for key in ("x1", "x2") if key in given]
    joined = join(branches)
    zero = any(x.constant == 0 for x in branches)
    data = combine([condition, *branches])
    return replace(
        joined,
        reduced=data.reduced,
        target=value.target,
        constant=None,
        masked=condition.mask or joined.masked,
        zeroed=(condition.mask and zero) or joined.zeroed,
        mask=False,
    )


def _shape(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    """A shape or a length is no data: nothing flows from it."""
    return Value(low=0.0, reduced=Reduced.ALL)


def _fill(value_of: float) -> Transfer:
    def transfer(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
        return Value(low=value_of, high=value_of, positive=value_of > 0)

    return transfer


def _sequence_mask(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    return Value(indicator=True, mask=True, low=0.0, high=1.0)


def _epsilon(operation: Operation, operands: list[Value], value: Value) -> Value:  # noqa: ARG001
    return number(1e-7)


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


_TRANSFER: dict[str, Transfer] = {
    **dict.fromkeys(
        [
            "mean",
            "sum",
            "max",
            "min",
            "prod",
            "any",
            "all",
            "std",
            "var",
            "logsumexp",
            "norm",
            "count_nonzero",
            "median",
        ],
        _reduction,
    ),
    **dict.fromkeys(
        [
            "equal",
            "not_equal",
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "isnan",
            "isfinite",
            "isinf",
        ],
        _comparison,
    ),
    **dict.fromkeys(["logical_and", "logical_or", "logical_xor", "logical_not"], _logical),
    **dict.fromkeys(
        [
            "cast",
            "expand_dims",
            "squeeze",
            "broadcast_to",
            "tile",
            "repeat",
            "transpose",
            "take",
            "gather",
            "identity",
            "float",
            "int",
            "bool",
            "convert_to_tensor",
            "stop_gradient",
            "convert_to_numpy",
            "numpy",
            "item",
            "flip",
            "sort",
            "round",
            "boolean_mask",
        ],
        _same,
    ),
    **dict.fromkeys(["reshape", "flatten"], _reshape),
    "multiply": _multiply,
    "add": _add,
    "subtract": _subtract,
    "divide": _divide,
    "divide_no_nan": _divide,
    "power": _power,
    "negative": _negative,
    "square": _square,
    "exp": _exp,
    "log": _log,
    "maximum": _maximum,
    "minimum": _minimum,
    "clip": _clip,
    "where": _where,
    "shape": _shape,
    "size": _shape,
    "ndim": _shape,
    "len": _shape,
    "zeros_like": _fill(0.0),
    "ones_like": _fill(1.0),
    "zeros": _fill(0.0),
    "ones": _fill(1.0),
    "sequence_mask": _sequence_mask,
    "epsilon": _epsilon,
}
