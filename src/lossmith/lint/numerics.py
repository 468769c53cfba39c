"""What the rules on numbers share: what may be 0, and how each library writes a stable function."""

from __future__ import annotations

import ast

from lossmith.lint.finding import Edit
from lossmith.lint.losses import Loss
from lossmith.lint.module import Module
from lossmith.lint.operations import Operation
from lossmith.lint.values import Value

TINY = 2.0**-25
"""Numbers up to this are 0 in float16, and 1 minus them is 1 in float32."""

GUARD = "1e-7"
"""What fixes guard with: above 0 in float16, and `1 - 1e-7` is below 1 in float32."""

# These are 0 where what they are made of is 0, as far as rounding goes.
_WITH_X = """
abs boolean_mask broadcast_to cast convert_to_tensor cumsum divide expand_dims flatten flip float
gather identity max mean min norm power prod repeat reshape sort sqrt square squeeze
squared_difference stop_gradient sum take tile transpose
"""
_ZERO_WITH_X = frozenset(_WITH_X.split())
_ZERO_WITH = {"add": all, "maximum": all, "multiply": any, "minimum": any}
_SHOWN = 40

# Where it is not `library.name`.
_WRITTEN = {
    "tensorflow": {
        "log1p": ("tensorflow.math.log1p",),
        "expm1": ("tensorflow.math.expm1",),
        "logsumexp": ("tensorflow.reduce_logsumexp",),
        "softplus": ("tensorflow.math.softplus",),
        "log_softmax": ("tensorflow.nn.log_softmax",),
        "log_sigmoid": ("tensorflow.math.log_sigmoid",),
    },
    "jax": {
        "log1p": ("jax.numpy.log1p",),
        "expm1": ("jax.numpy.expm1",),
        "logsumexp": ("jax.nn.logsumexp", "jax.scipy.special.logsumexp"),
        "softplus": ("jax.nn.softplus",),
        "log_softmax": ("jax.nn.log_softmax",),
        "log_sigmoid": ("jax.nn.log_sigmoid",),
    },
    "torch": {
        "log1p": ("torch.log1p",),
        "expm1": ("torch.expm1",),
        "logsumexp": ("torch.logsumexp",),
        "softplus": ("torch.nn.functional.softplus",),
        "log_softmax": ("torch.log_softmax", "torch.nn.functional.log_softmax"),
        "log_sigmoid": ("torch.nn.functional.logsigmoid",),
    },
}


def stable(module: Module, name: str, like: Operation) -> tuple[str, tuple[Edit, ...]] | None:
    """Return how to write a function in the library of the operation it replaces, and its import.

    Args:
        module: The module to write it in.
        name: The name in `keras.ops`, such as `"log1p"`.
        like: The operation to be replaced: for `tf.math.log`, `log1p` is `tf.math.log1p`.

    Returns:
        None where that library is not written here, or the operation is a method.
    """
    library = like.library.partition(".")[0]
    if library == "keras":
        return module.spell(name)
    for candidate in _WRITTEN.get(library, {}).get(name, ()):
        if written := module.names.local(candidate):
            return written, ()
    return None


def may_be_zero(loss: Loss, node: ast.expr | None) -> bool:
    """Return whether a value can be 0 on some data, with nothing written to prevent it.

    False is no promise: what is not understood, and what depends on a setting, is not accused.
    """
    return _may_be_zero(loss, node, {})


def activation(loss: Loss, node: ast.expr | None) -> Operation | None:
    """Return the softmax or sigmoid that a value is, or is the complement of."""
    complement = loss.source_of(node, "subtract")
    if complement and loss.value(complement.get("x1")).constant == 1:
        return loss.source_of(complement.get("x2"), "sigmoid", "softmax")
    return loss.source_of(node, "sigmoid", "softmax")


def shown(node: ast.expr) -> str:
    """Return an expression for a message, shortened."""
    text = ast.unparse(node)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _may_be_zero(loss: Loss, node: ast.expr | None, known: dict[ast.AST, bool]) -> bool:
    if node is None:
        return False
    if node not in known:
        known[node] = False
        known[node] = _zero(loss, loss.value(node), known)
    return known[node]


def _zero(loss: Loss, value: Value, known: dict[ast.AST, bool]) -> bool:
    if value.constant is not None or not value.from_data:
        return value.constant == 0
    if value.positive or value.low > 0 or value.high < 0 or value.masked or value.opaque:
        return False
    made = value.made_by
    return made is None or _made_zero(loss, made, known)


def _made_zero(loss: Loss, made: Operation, known: dict[ast.AST, bool]) -> bool:
    zero = [_may_be_zero(loss, node, known) for node in made.operands]
    match made.name:
        case "std" | "var":
            return True
        case "subtract":
            return not _is_below(loss, made)
        case "clip":
            return _may_be_zero(loss, made.get("low") or made.get("x"), known)
        case name if name in _ZERO_WITH:
            return _ZERO_WITH[name](zero)
        case name:
            return name in _ZERO_WITH_X and zero[:1] == [True]


def _is_below(loss: Loss, difference: Operation) -> bool:
    """Whether `1 - x` cannot be 0, as `x` is clipped by a setting."""
    clipped = loss.source_of(difference.get("x2"), "clip")
    bound = loss.value(clipped.get("high")) if clipped else None
    return bound is not None and bound.constant is None
