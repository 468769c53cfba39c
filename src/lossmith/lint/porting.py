"""Functions of other libraries that `keras.ops` has too, and how a call of them is rewritten."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from lossmith.lint.finding import Edit, Span
from lossmith.lint.module import Module

# Each line: the parameters in order, `theirs=ours` where the names differ and `!` where it must be
# given, because the defaults differ; then the functions, `theirs=ours` again. What differs in
# value, gradient or dtype is left out.
_TENSORFLOW = {
    "input_tensor=x axis keepdims": "reduce_mean=mean reduce_sum=sum reduce_max=max"
    " reduce_min=min reduce_prod=prod reduce_any=any reduce_all=all reduce_std=std"
    " reduce_variance=var reduce_logsumexp=logsumexp",
    "x": "abs exp log log1p expm1 sqrt rsqrt square sign floor ceil sin cos tan tanh sigmoid"
    " log_sigmoid round is_nan=isnan is_finite=isfinite is_inf=isinf logical_not negative"
    " reciprocal erf",
    "features=x": "relu softplus",
    "x=x1 y=x2": "add subtract multiply divide maximum minimum equal not_equal greater"
    " greater_equal less less_equal logical_and logical_or pow=power divide_no_nan",
    "a=x1 b=x2": "matmul",
    "logits=x axis": "softmax log_softmax",
    "t=x clip_value_min=x_min clip_value_max=x_max": "clip_by_value=clip",
    "condition x=x1! y=x2!": "where",
    "x dtype": "cast",
    "input=x dtype": "zeros_like ones_like",
    "value=x dtype": "convert_to_tensor",
    "input=x axis": "expand_dims squeeze",
    "tensor=x shape=newshape": "reshape",
    "input=x shape": "broadcast_to",
    "input=x multiples=repeats": "tile",
    "a=x perm=axes": "transpose",
    "values=xs axis!": "concat=concatenate",
    "values=x axis": "stack",
    "x axis!": "cumsum",
    "indices=x depth=num_classes": "one_hot",
    "input=variable": "stop_gradient",
}
_NUMPY = {
    "a=x axis": "mean sum max min prod any all std var",
    "x": "abs exp log log1p expm1 sqrt square sign floor ceil sin cos tan tanh isnan isfinite"
    " isinf logical_not negative reciprocal",
    "x1 x2": "add subtract multiply divide maximum minimum equal not_equal greater greater_equal"
    " less less_equal logical_and logical_or power matmul",
    "condition x=x1! y=x2!": "where",
    "a=x axis!": "expand_dims cumsum",
    "a=x shape=newshape": "reshape",
    "arrays=xs axis": "concatenate",
    "arrays=x axis": "stack",
}
_JAX_NUMPY = _NUMPY | {
    "x": _NUMPY["x"],
    "x y": "",
    "x1=x1 x2=x2": _NUMPY["x1 x2"],
    "arr=x min=x_min! max=x_max!": "clip",
}
_JAX_NN = {
    "x": "sigmoid relu softplus log_sigmoid",
    "x axis": "softmax log_softmax",
    "a=x axis": "logsumexp",
    "x num_classes": "one_hot",
}
_TORCH = {
    "input=x dim=axis keepdim=keepdims": "mean sum logsumexp",
    "input=x": "abs exp log log1p expm1 sqrt rsqrt square sign floor ceil sin cos tan tanh sigmoid"
    " relu softplus logsigmoid=log_sigmoid isnan isfinite isinf logical_not neg=negative"
    " negative reciprocal erf zeros_like ones_like",
    "input=x1 other=x2": "maximum minimum eq=equal ne=not_equal gt=greater ge=greater_equal"
    " lt=less le=less_equal logical_and logical_or mul=multiply multiply matmul",
    "input=x1 exponent=x2": "pow=power",
    "input=x dim!=axis": "softmax log_softmax",
    "input=x min!=x_min max!=x_max": "clamp=clip clip",
    "condition input!=x1 other!=x2": "where",
    "input=x dim!=axis ": "unsqueeze=expand_dims squeeze",
    "input=x shape=newshape": "reshape",
    "tensors=xs dim=axis": "cat=concatenate concat=concatenate",
    "tensors=x dim=axis": "stack",
}
_KERAS_BACKEND = {
    "x axis keepdims": "mean sum max min prod any all std var",
    "x": "abs exp log square sign sin cos tanh sigmoid softplus softsign round relu elu"
    " flatten=ravel",
    "x y": "",
    "x=x1 y=x2": "equal not_equal greater greater_equal less less_equal maximum minimum",
    "x=x1 a=x2": "pow=power",
    "x min_value=x_min max_value=x_max": "clip",
    "x dtype": "cast",
    "x axis": "softmax stack",
    "x axis!": "expand_dims squeeze cumsum cumprod",
    "x shape=newshape": "reshape",
    "x pattern=axes": "permute_dimensions=transpose",
    "tensors=xs axis": "concatenate",
    "x rep=repeats axis": "repeat_elements=repeat",
    "x n=repeats": "tile",
    "indices=x num_classes": "one_hot",
    "variables=variable": "stop_gradient",
}
