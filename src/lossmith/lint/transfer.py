"""What an operation makes of its operands: the table from operations to facts."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import replace

from lossmith.lint import arithmetic
from lossmith.lint.operations import Operation
from lossmith.lint.values import UNKNOWN, Reduced, Value, combine, join, number

Transfer = Callable[[Operation, list[Value], Value], Value]


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
    return replace(value, made_by=operation, expression=operation.node)


_RANGES = {
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


def _where(operation: Operation, operands: list[Value], value: Value) -> Value:
    """`where(mask, x, 0)` replaces what does not count."""
    given = dict(zip(operation.arguments, operands, strict=False))
    condition = given.get("condition", UNKNOWN)
    branches = [given[key] for key in ("x1", "x2") if key in given]
    if condition.indicator and {x.constant for x in branches} == {0, 1}:
        return replace(value, indicator=True, mask=condition.mask, low=0.0, high=1.0)
    joined = join(branches)
    zero = any(x.low == x.high == 0 for x in branches)
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


def _one(function: Callable[[Value, Value], Value]) -> Transfer:
    return lambda _, operands, value: function(operands[0] if operands else UNKNOWN, value)


def _two(function: Callable[[Value, Value, Value], Value]) -> Transfer:
    def transfer(_: Operation, operands: list[Value], value: Value) -> Value:
        return function(operands[0], operands[1], value) if len(operands) > 1 else value

    return transfer


def _all(function: Callable[[list[Value], Value], Value]) -> Transfer:
    return lambda _, operands, value: function(operands, value)


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
    "multiply": _two(arithmetic.multiply),
    "add": _two(arithmetic.add),
    "subtract": _two(arithmetic.subtract),
    "divide": _two(arithmetic.divide),
    "divide_no_nan": _two(arithmetic.divide),
    "power": _two(arithmetic.power),
    "negative": _one(arithmetic.negative),
    "square": _one(arithmetic.square),
    "abs": _one(arithmetic.square),
    "exp": _one(arithmetic.exp),
    "log": _one(arithmetic.log),
    "maximum": _all(arithmetic.maximum),
    "minimum": _all(arithmetic.minimum),
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
