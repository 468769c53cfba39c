"""What calls and operators compute, in one vocabulary for all libraries."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from lossmith.lint.vocabulary import (
    ARGUMENTS,
    BINARY,
    BUILTINS,
    COMPARE,
    LIBRARIES,
    METHODS,
    OPERATIONS,
    SIGNATURES,
    UNARY,
)


@dataclass(frozen=True)
class Operation:
    """A call, method or operator, in the vocabulary of this module.

    Attributes:
        name: What it computes: `"mean"` for `tf.reduce_mean`, `x.mean()`, `K.mean`.
        library: Whose it is, such as `"keras.ops"`, `"keras.backend"`, `"tensorflow"`; `"method"`,
            `"operator"` or `"python"` where it is no function of a library.
        node: The expression.
        arguments: Its arguments by the names of `SIGNATURES`, positional or not.
    """

    name: str
    library: str
    node: ast.expr
    arguments: Mapping[str, ast.expr]

    def get(self, argument: str) -> ast.expr | None:
        """Return an argument, or None."""
        return self.arguments.get(argument)

    @property
    def operands(self) -> tuple[ast.expr, ...]:
        """The arguments that tensors stand in: all but axes, shapes and types."""
        return tuple(
            node
            for name, node in self.arguments.items()
            if name not in {"axis", "keepdims", "dtype", "shape", "num_classes", "repeats"}
        )

    @property
    def axis(self) -> tuple[int, ...] | None:
        """The axes that are written as numbers; None for no axis, or one that cannot be read."""
        return _integers(self.get("axis"))

    @property
    def over_everything(self) -> bool:
        """Whether no axis is given, or None."""
        axis = self.get("axis")
        return axis is None or (isinstance(axis, ast.Constant) and axis.value is None)


def function_operation(canonical: str, call: ast.Call) -> Operation | None:
    """Return the operation of a call to a function with a canonical name, if it is one."""
    library, _, leaf = canonical.rpartition(".")
    if not library and leaf in BUILTINS:
        library = "python"
    elif library not in LIBRARIES:
        return None
    name = OPERATIONS.get(leaf)
    if name is None:
        return None
    return Operation(name, library, call, _arguments(SIGNATURES[name], call.args, call, library))


def method_operation(call: ast.Call) -> Operation | None:
    """Return the operation of a call to a method of a value, if it is one."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in METHODS:
        return None
    name = OPERATIONS.get(call.func.attr, "reshape" if call.func.attr == "view" else None)
    if name is None:
        return None
    arguments = _arguments(SIGNATURES[name], [call.func.value, *call.args], call, "method")
    return Operation(name, "method", call, arguments)


def operator_operation(node: ast.expr) -> Operation | None:
    """Return the operation of an operator or a single comparison, if it is one."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return Operation(BINARY[type(op)], "operator", node, {"x1": left, "x2": right})
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return Operation(UNARY[type(op)], "operator", node, {"x": operand})
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARE:
            return Operation(COMPARE[type(op)], "operator", node, {"x1": left, "x2": right})
        case _:
            return None


def _arguments(
    names: tuple[str, ...], positional: list[ast.expr], call: ast.Call, library: str
) -> dict[str, ast.expr]:
    if library.endswith("numpy") and "keepdims" in names and not library.startswith("keras"):
        names = ("x", "axis", "dtype", "out", "keepdims")
    given = dict(
        zip(names, (x for x in positional if not isinstance(x, ast.Starred)), strict=False)
    )
    for keyword in call.keywords:
        if keyword.arg:
            name = keyword.arg if keyword.arg in names else ARGUMENTS.get(keyword.arg)
            given[_fitting(name or keyword.arg, keyword.arg, names)] = keyword.value
    return given


def _fitting(name: str, written: str, names: tuple[str, ...]) -> str:
    """`x` and `y` of `tf.where` are the second and third argument, here `x1` and `x2`."""
    if written in {"x", "input"} and "x" not in names and "x1" in names:
        return "x1"
    return "x2" if written == "y" and "x2" in names else name


def _integers(node: ast.expr | None) -> tuple[int, ...] | None:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    values = value if isinstance(value, (tuple, list)) else (value,)
    return tuple(values) if all(isinstance(x, int) for x in values) else None
