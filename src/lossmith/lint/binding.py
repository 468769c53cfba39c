"""What names are bound to: parameters, arguments, elements of what is looped over."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from lossmith.lint.module import Function
from lossmith.lint.values import Value, number

_MASK_NAME = re.compile(
    r"(^|_)(masks?|valid|validity|padding|pad|unknown|known|missing|present|observed)(_|$|\d)"
)

Environment = dict[str, Value]


def parameters(node: Function | ast.Lambda) -> list[str]:
    """Return the names of the parameters that can be given by position."""
    return [a.arg for a in (*node.args.posonlyargs, *node.args.args)]


def bind(node: Function | ast.Lambda, target: str, prediction: str) -> Environment:
    """Return the parameters of a loss as they are when it is called."""
    everything = [*parameters(node), *(a.arg for a in node.args.kwonlyargs)]
    env = {name: _parameter(name) for name in everything}
    env[target] = Value(target=True)
    env[prediction] = Value(prediction=True)
    return env


def _parameter(name: str) -> Value:
    """A parameter named mask is one."""
    mask = bool(re.search(r"(^|_)masks?$", name))
    bounds = (0.0, 1.0) if mask else (-float("inf"), float("inf"))
    return Value(indicator=mask, mask=mask, low=bounds[0], high=bounds[1])


def bound(
    node: Function | ast.Lambda,
    arguments: list[Value],
    keywords: dict[str | None, Value],
    outer: Environment,
    *,
    method: bool,
) -> Environment:
    """Return the parameters of a helper as a call gives them.

    Args:
        node: The helper.
        arguments: What is given by position.
        keywords: What is given by name.
        outer: The local names that it sees.
        method: Whether it is called as `self.helper(...)`.
    """
    names = parameters(node)
    first = 1 if method and names[:1] in (["self"], ["cls"]) else 0
    env = {**outer, **{name: _parameter(name) for name in names}}
    defaults = node.args.defaults
    for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
        if isinstance(default, ast.Constant) and isinstance(default.value, (int, float)):
            env[name] = number(default.value)
    given = dict(zip(names[first:], arguments, strict=False))
    given |= {k: v for k, v in keywords.items() if k}
    return env | {name: named(name, value) for name, value in given.items()}


def named(name: str, value: Value) -> Value:
    """Return a value under a name: an indicator with the name of a mask is one."""
    mask = bool(_MASK_NAME.search(name))
    return replace(value, mask=True) if mask and value.indicator and not value.mask else value


def element(value: Value) -> Value:
    """Return what is known of one element of a value that is looped over or unpacked."""
    return Value(
        target=value.target,
        prediction=value.prediction,
        indicator=value.indicator,
        mask=value.mask,
        masked=value.masked,
        low=value.low,
        high=value.high,
        opaque=value.opaque,
    )
