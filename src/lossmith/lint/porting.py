"""Functions of other libraries that `keras.ops` has too, and how a call of them is rewritten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from lossmith.lint.finding import Edit, Span
from lossmith.lint.module import Module

# A line holds the parameters, then the functions that have them, each as `theirs=ours` where the
# names differ. `*`: by keyword only. `!`: it must be given, since the defaults differ. What
# differs from `keras.ops` in value, gradient or dtype is left out.
_TENSORFLOW = (
    (
        "input_tensor=x axis keepdims",
        (
            "reduce_mean=mean reduce_sum=sum reduce_max=max reduce_min=min reduce_prod=prod"
            " reduce_any=any reduce_all=all reduce_std=std reduce_variance=var"
            " reduce_logsumexp=logsumexp"
        ),
    ),
    (
        "x",
        (
            "abs exp log log1p expm1 sqrt rsqrt square sign floor sin cos tan tanh sigmoid"
            " log_sigmoid round is_nan=isnan is_finite=isfinite is_inf=isinf logical_not negative"
            " reciprocal erf"
        ),
    ),
    ("features=x", "relu softplus"),
    (
        "x=x1 y=x2",
        (
            "add subtract multiply divide maximum minimum equal not_equal greater"
            " greater_equal less"
            " less_equal logical_and logical_or pow=power divide_no_nan"
        ),
    ),
    ("a=x1 b=x2", "matmul"),
    ("logits=x axis", "softmax log_softmax"),
    ("t=x clip_value_min=x_min clip_value_max=x_max", "clip_by_value=clip"),
    ("condition x=x1! y=x2!", "where"),
    ("x dtype!", "cast"),
    ("input=x dtype", "zeros_like ones_like"),
    ("value=x dtype", "convert_to_tensor"),
    ("input=x axis!", "expand_dims"),
    ("input=x axis", "squeeze"),
    ("tensor=x shape=newshape", "reshape"),
    ("input=x shape", "broadcast_to"),
    ("input=x multiples=repeats", "tile"),
    ("a=x perm=axes", "transpose"),
    ("values=xs axis!", "concat=concatenate"),
    ("values=x axis", "stack"),
    ("x axis!", "cumsum"),
    ("indices=x depth=num_classes", "one_hot"),
    ("input=variable", "stop_gradient"),
)
_NUMPY = (
    ("a=x axis *keepdims", "mean sum max min prod any all std var"),
    (
        "x",
        (
            "abs exp log log1p expm1 sqrt square sign floor sin cos tan tanh isnan isfinite isinf"
            " logical_not negative reciprocal"
        ),
    ),
    (
        "x1 x2",
        (
            "add subtract multiply divide maximum minimum equal not_equal greater"
            " greater_equal less"
            " less_equal logical_and logical_or power"
        ),
    ),
    ("condition x=x1! y=x2!", "where"),
    ("a=x axis!", "expand_dims cumsum"),
    ("a=x shape=newshape", "reshape"),
    ("arrays=xs axis", "concatenate"),
    ("arrays=x axis", "stack"),
)
_JAX_NN = (
    ("x", "sigmoid relu softplus log_sigmoid"),
    ("x axis", "softmax log_softmax"),
    ("a=x axis", "logsumexp"),
    ("x num_classes", "one_hot"),
)
_TORCH = (
    ("input=x dim=axis keepdim=keepdims", "mean sum"),
    ("input=x dim=axis! keepdim=keepdims", "logsumexp"),
    (
        "input=x",
        (
            "abs exp log log1p expm1 sqrt rsqrt square sign floor sin cos tan tanh sigmoid relu"
            " softplus logsigmoid=log_sigmoid isnan isfinite isinf logical_not neg=negative"
            " negative"
            " reciprocal erf zeros_like ones_like"
        ),
    ),
    (
        "input=x1 other=x2",
        (
            "maximum minimum eq=equal ne=not_equal gt=greater ge=greater_equal lt=less"
            " le=less_equal"
            " logical_and logical_or mul=multiply multiply matmul"
        ),
    ),
    ("input=x1 exponent=x2", "pow=power"),
    ("input=x dim=axis!", "softmax log_softmax unsqueeze=expand_dims"),
    ("input=x min=x_min! max=x_max!", "clamp=clip clip"),
    ("condition input=x1! other=x2!", "where"),
    ("input=x dim=axis", "squeeze"),
    ("input=x shape=newshape", "reshape"),
    ("tensors=xs dim=axis", "cat=concatenate concat=concatenate"),
    ("tensors=x dim=axis", "stack"),
)
_KERAS_BACKEND = (
    ("x axis keepdims", "mean sum max min prod any all std var"),
    (
        "x",
        (
            "abs exp log square sign sin cos tanh sigmoid softplus softsign round relu elu"
            " flatten=ravel"
        ),
    ),
    (
        "x=x1 y=x2",
        ("equal not_equal greater greater_equal less less_equal maximum minimum"),
    ),
    ("x=x1 a=x2", "pow=power"),
    ("x min_value=x_min max_value=x_max", "clip"),
    ("x dtype!", "cast"),
    ("x axis", "softmax stack"),
    ("x axis!", "expand_dims squeeze cumsum cumprod"),
    ("x shape=newshape", "reshape"),
    ("x pattern=axes!", "permute_dimensions=transpose"),
    ("tensors=xs axis!", "concatenate"),
    ("x rep=repeats axis!", "repeat_elements=repeat"),
    ("x n=repeats", "tile"),
    ("indices=x num_classes", "one_hot"),
    ("variables=variable", "stop_gradient"),
)
_SHAPES = frozenset({"newshape", "shape"})


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function and its name in `keras.ops`."""

    theirs: str
    ours: str
    required: bool = False
    keyword: bool = False


@dataclass(frozen=True)
class Twin:
    """The function of `keras.ops` that computes the same.

    Attributes:
        name: Its name in `keras.ops`.
        parameters: Those that both have, in the order of both.
    """

    name: str
    parameters: tuple[Parameter, ...]


def _twins(table: tuple[tuple[str, str], ...]) -> dict[str, Twin]:
    found: dict[str, Twin] = {}
    for specification, functions in table:
        parameters = tuple(_parameter(text) for text in specification.split())
        for function in functions.split():
            theirs, _, ours = function.partition("=")
            found[theirs] = Twin(ours or theirs, parameters)
    return found


def _parameter(text: str) -> Parameter:
    theirs, _, ours = text.strip("*!").partition("=")
    return Parameter(theirs, ours or theirs, text.endswith("!"), text.startswith("*"))


_OF_TENSORFLOW, _OF_JAX_NN, _OF_TORCH = _twins(_TENSORFLOW), _twins(_JAX_NN), _twins(_TORCH)
TWINS: dict[str, dict[str, Twin]] = {
    "tensorflow": _OF_TENSORFLOW,
    "tensorflow.math": _OF_TENSORFLOW,
    "tensorflow.nn": _OF_TENSORFLOW,
    "jax.numpy": _twins(_NUMPY),
    "jax.nn": _OF_JAX_NN,
    "jax.lax": _twins((("x=variable", "stop_gradient"),)),
    "torch": _OF_TORCH,
    "torch.nn.functional": _OF_TORCH,
    "numpy": _twins(_NUMPY),
    "keras.backend": _twins(_KERAS_BACKEND),
}
"""By library, then by its name there: the function of `keras.ops` that computes the same."""


def twin(canonical: str) -> Twin | None:
    """Return what `keras.ops` has for a function, such as `"tensorflow.reduce_mean"`."""
    library, _, leaf = canonical.rpartition(".")
    return TWINS.get(library, {}).get(leaf)


def rewritten(module: Module, call: ast.Call, canonical: str) -> tuple[Edit, ...] | None:
    """Return the edits that make a call one of `keras.ops`; None if it is not the same there."""
    found = twin(canonical)
    given = _given(call, found) if found else None
    if found is None or given is None:
        return None
    edits: list[Edit] = []
    for parameter, argument in given:
        if parameter.ours in _SHAPES and not isinstance(argument, (ast.Tuple, ast.List)):
            return None
        if parameter.ours == "dtype":
            edits += _dtype(module, argument)
    for keyword in call.keywords:
        ours = next(p.ours for p, argument in given if argument is keyword.value)
        if ours != keyword.arg:
            edits.append(_renamed(module, keyword, ours))
    written, imports = module.spell(found.name)
    return (*imports, module.replace(call.func, written), *edits)


def _given(call: ast.Call, found: Twin) -> list[tuple[Parameter, ast.expr]] | None:
    """Return the arguments by parameter; None if there is one that `keras.ops` does not take."""
    positional = [p for p in found.parameters if not p.keyword]
    if len(call.args) > len(positional) or any(isinstance(x, ast.Starred) for x in call.args):
        return None
    given = list(zip(positional, call.args, strict=False))
    named = {p.theirs: p for p in found.parameters} | {p.ours: p for p in found.parameters}
    for keyword in call.keywords:
        if keyword.arg not in named:
            return None
        given.append((named[keyword.arg], keyword.value))
    present = {parameter for parameter, _ in given}
    complete = all(p in present for p in found.parameters if p.required)
    return given if complete and given else None


def _renamed(module: Module, keyword: ast.keyword, name: str) -> Edit:
    span = module.span(keyword)
    end = span.column + len(keyword.arg or "")
    return Edit(Span(span.line, span.column, span.line, end), name)


def _dtype(module: Module, argument: ast.expr) -> Iterator[Edit]:
    """`tf.float32` is `"float32"`."""
    library, _, name = (module.names.of(argument) or "").rpartition(".")
    if library in {"tensorflow", "jax.numpy", "torch", "numpy"}:
        yield module.replace(argument, f'"{name}"')
