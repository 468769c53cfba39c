"""What several rules ask of masks: where an error reads its inputs, and what counts positions."""

from __future__ import annotations

import ast

from lossmith.lint.losses import Loss
from lossmith.lint.operations import Operation

# Finite, with a finite slope, wherever their operands are.
_TAME = frozenset(
    {"add", "subtract", "multiply", "square", "abs", "negative", "squared_difference"}
)
_SAME_NUMBER = ("cast", "expand_dims", "squeeze", "stop_gradient")


def own_arguments(error: ast.expr, loss: Loss) -> list[ast.Name] | None:
    """Return where the target and prediction stand in an error, if all around them is tame."""
    if isinstance(error, ast.Name):
        # As it was given: whatever is assigned in the loss was read from an expression.
        own = error.id in {loss.target, loss.prediction} and loss.value(error).expression is None
        return [error] if own else None
    operation = loss.operation(error)
    if operation is None or operation.name not in _TAME:
        return [] if loss.value(error).constant is not None else None
    found = [own_arguments(operand, loss) for operand in operation.operands]
    return None if None in found else [name for names in found if names for name in names]


def select(error: ast.expr, names: list[ast.Name], pattern: str, loss: Loss) -> str:
    """Return the text of an error that reads what is put in place of its inputs.

    Args:
        error: The error; it stands on one line.
        names: Where it reads its inputs.
        pattern: What is put in place: `"ops.where(mask, {}, 0)"`.
        loss: The loss.
    """
    text, start = loss.module.source(error), loss.module.span(error).column
    for name in sorted(names, key=lambda name: -name.col_offset):
        at = loss.module.span(name)
        read = pattern.format(name.id)
        text = text[: at.column - start] + read + text[at.end_column - start :]
    return text


def count(node: ast.expr | None, loss: Loss) -> Operation | None:
    """Return the sum of a mask that an expression is, also through names, casts and new axes."""
    made = loss.source_of(node)
    while made and made.name in _SAME_NUMBER:
        made = loss.source_of(made.get("x"))
    counts = made is not None and made.name in {"sum", "count_nonzero"}
    return made if made and counts and loss.value(made.get("x")).mask else None


def counts_in(node: ast.expr | None, loss: Loss) -> list[Operation]:
    """Return the sums of masks that an expression is computed from."""
    return [found for x in loss.sources(node) if (found := count(x, loss))]
