"""What calls and operators compute: one vocabulary for Keras, TensorFlow, JAX, PyTorch, NumPy."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

# The arguments of each operation in order, by the names that Keras gives them.
_SIGNATURES = {
    "x axis keepdims": "mean sum max min prod any all std var logsumexp norm count_nonzero median",
    "x axis": "softmax log_softmax argmax argmin cumsum squeeze expand_dims sort flip l2_normalize",
    "x": "log log1p log2 log10 exp expm1 sqrt rsqrt square abs sign negative round floor ceil sin"
    " cos tan tanh arctan sigmoid log_sigmoid softplus relu isnan isfinite isinf logical_not"
    " stop_gradient flatten shape size ndim zeros_like ones_like identity print len float int"
    " bool convert_to_tensor convert_to_numpy nan_to_num nonzero reciprocal erf numpy item",
    "x1 x2": "add subtract multiply divide floor_divide mod power maximum minimum equal not_equal"
    " greater greater_equal less less_equal logical_and logical_or logical_xor squared_difference"
    " matmul divide_no_nan xlogy",
    "x low high": "clip",
    "condition x1 x2": "where",
    "x dtype": "cast",
    "x shape": "reshape broadcast_to tile",
    "x repeats axis": "repeat",
    "x axes": "transpose",
    "x indices axis": "take gather",
    "x mask": "boolean_mask",
    "x num_classes": "one_hot",
    "lengths maxlen": "sequence_mask",
    "xs axis": "concatenate stack",
    "equation": "einsum",
    "target output": "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy",
    "shape": "zeros ones",
    "": "epsilon",
}
SIGNATURES: dict[str, tuple[str, ...]] = {
    name: tuple(parameters.split())
    for parameters, names in _SIGNATURES.items()
    for name in names.split()
}
"""The names of the arguments of every operation, in order."""

_OTHER_NAMES = {
    "add": "add_v2 sum_of",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div truediv true_divide realdiv div_no_nan",
    "floor_divide": "floordiv",
    "mod": "floormod remainder",
    "power": "pow",
    "negative": "neg",
    "mean": "reduce_mean",
    "sum": "reduce_sum",
    "max": "reduce_max amax",
    "min": "reduce_min amin",
    "prod": "reduce_prod",
    "any": "reduce_any",
    "all": "reduce_all",
    "std": "reduce_std",
    "var": "reduce_variance variance",
    "logsumexp": "reduce_logsumexp",
    "clip": "clip_by_value clamp",
    "where": "switch select",
    "cast": "astype type",
    "expand_dims": "unsqueeze",
    "abs": "absolute",
    "sign": "sgn",
    "l2_normalize": "normalize",
    "log_sigmoid": "logsigmoid",
    "rsqrt": "inverse_sqrt",
    "isnan": "is_nan",
    "isfinite": "is_finite",
    "flatten": "batch_flatten ravel",
    "concatenate": "concat cat",
    "greater": "gt",
    "less": "lt",
    "equal": "eq",
    "not_equal": "ne",
    "greater_equal": "ge",
    "less_equal": "le",
    "stop_gradient": "detach",
    "arctan": "atan",
    "divide_no_nan": "div_no_nan",
    "convert_to_tensor": "constant asarray array as_tensor tensor",
    "count_nonzero": "count",
    "size": "numel",
    "nonzero": "argwhere",
}
OPERATIONS: dict[str, str] = {name: name for name in SIGNATURES} | {
    other: name for name, others in _OTHER_NAMES.items() for other in others.split()
}
"""From the name that a library uses to the operation."""

_ARGUMENTS = {
    "dim": "axis",
    "axes": "axis",
    "reduction_indices": "axis",
    "keepdim": "keepdims",
    "keep_dims": "keepdims",
    "input": "x",
    "a": "x",
    "input_tensor": "x",
    "tensor": "x",
    "logits": "x",
    "features": "x",
    "other": "x2",
    "y": "x2",
    "x_min": "low",
    "x_max": "high",
    "min": "low",
    "max": "high",
    "a_min": "low",
    "a_max": "high",
    "min_value": "low",
    "max_value": "high",
    "clip_value_min": "low",
    "clip_value_max": "high",
    "then_expression": "x1",
    "else_expression": "x2",
    "then_": "x1",
    "values": "xs",
    "tensors": "xs",
    "arrays": "xs",
    "newshape": "shape",
    "y_true": "target",
    "y_pred": "output",
}
# Under these, any name of the vocabulary is the operation.
_LIBRARIES = (
    "keras.ops",
    "keras.backend",
    "keras.src.backend",
    "keras.activations",
    "tensorflow.math",
    "tensorflow.nn",
    "tensorflow.linalg",
    "tensorflow.experimental.numpy",
    "tensorflow",
    "jax.numpy",
    "jax.nn",
    "jax.lax",
    "jax.scipy.special",
    "torch.nn.functional",
    "torch.linalg",
    "torch.special",
    "torch",
    "numpy",
    "numpy.linalg",
    "jax.numpy.linalg",
    "keras.ops.numpy",
    "keras.ops.nn",
    "keras.ops.math",
    "keras.ops.core",
    "keras.src.backend.numpy",
    "keras.src.backend.nn",
)
_LIBRARY_SET = frozenset(_LIBRARIES)
_BUILTINS = frozenset({"abs", "sum", "max", "min", "len", "float", "int", "bool", "round", "print"})
# Methods that a tensor has under other meanings elsewhere are left out (`index.get`, `str.count`).
_METHODS = frozenset(
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
        "argmax",
        "argmin",
        "cumsum",
        "squeeze",
        "flatten",
        "ravel",
        "reshape",
        "abs",
        "sqrt",
        "exp",
        "log",
        "pow",
        "clip",
        "clamp",
        "astype",
        "type",
        "float",
        "int",
        "bool",
        "detach",
        "numpy",
        "item",
        "neg",
        "mul",
        "div",
        "add",
        "sub",
        "round",
        "floor",
        "ceil",
        "sign",
        "square",
        "softmax",
        "sigmoid",
        "log_softmax",
        "unsqueeze",
        "transpose",
        "repeat",
        "norm",
        "eq",
        "ne",
        "gt",
        "lt",
        "ge",
        "le",
        "log1p",
        "expm1",
        "isnan",
        "nonzero",
        "amax",
        "amin",
        "numel",
        "size",
        "view",
    ]
)
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "mod",
    ast.Pow: "power",
    ast.MatMult: "matmul",
    ast.BitAnd: "logical_and",
    ast.BitOr: "logical_or",
    ast.BitXor: "logical_xor",
}
_UNARY: dict[type[ast.unaryop], str] = {ast.USub: "negative", ast.Invert: "logical_not"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
}
COMPARISONS = frozenset(_COMPARE.values())
REDUCTIONS = frozenset(SIGNATURES["mean"] and _SIGNATURES["x axis keepdims"].split())
BOOLEAN = COMPARISONS | {"isnan", "isfinite", "isinf", "logical_not", "logical_and", "logical_or"}


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
    if not library and leaf in _BUILTINS:
        library = "python"
    elif library not in _LIBRARY_SET:
        return None
    name = OPERATIONS.get(leaf)
    if name is None:
        return None
    return Operation(name, library, call, _arguments(SIGNATURES[name], call.args, call, library))


def method_operation(call: ast.Call) -> Operation | None:
    """Return the operation of a call to a method of a value, if it is one."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _METHODS:
        return None
    name = OPERATIONS.get(call.func.attr, "reshape" if call.func.attr == "view" else None)
    if name is None:
        return None
    arguments = _arguments(SIGNATURES[name], [call.func.value, *call.args], call, "method")
    return Operation(name, "method", call, arguments)


def operator_operation(node: ast.expr) -> Operation | None:
    """Return the operation of an operator or a single comparison, if it is one."""
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return Operation(_BINARY[type(op)], "operator", node, {"x1": left, "x2": right})
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return Operation(_UNARY[type(op)], "operator", node, {"x": operand})
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return Operation(_COMPARE[type(op)], "operator", node, {"x1": left, "x2": right})
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
            name = keyword.arg if keyword.arg in names else _ARGUMENTS.get(keyword.arg)
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
