"""What a call calls: a function of a library, a helper of the same file, or something foreign."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from lossmith.lint.binding import Environment
from lossmith.lint.module import Function, Module, Scope
from lossmith.lint.values import Reduced, Value

_LAST_AXIS = re.compile(r"^keras\.(losses|metrics|objectives)\.[a-z]\w*$")
_LOSS_OBJECT = re.compile(r"^keras\.losses\.[A-Z]\w*$|^torch\.nn\.\w*Loss$")
_TORCH_LOSS = re.compile(r"^torch\.nn\.functional\.(\w+_loss|\w*cross_entropy\w*|kl_div)$")


class Callees:
    """Finds the functions that are called from a loss.

    Args:
        module: Where the loss stands.
        scope: The loss.
        active: The functions that are being read, innermost last; kept by the reader.

    Attributes:
        lambdas: The lambdas that local names are given, by name.
    """

    def __init__(self, module: Module, scope: Scope, active: list[ast.AST]) -> None:
        self.lambdas: dict[str, ast.Lambda] = {}
        self._module = module
        self._owner = _owner(scope)
        self._active = active

    def canonical(self, function: ast.expr, env: Environment) -> str | None:
        """Return the canonical name of what is called, unless a local name hides it."""
        root = function
        while isinstance(root, ast.Attribute):
            root = root.value
        hidden = isinstance(root, ast.Name) and root.id in env
        return None if hidden else self._module.names.of(function)

    def is_library(self, name: str | None) -> bool:
        """Whether a name starts at an import."""
        if not name or "." not in name or name.startswith("self."):
            return False
        return self._module.names.is_import(name)

    def helper(self, function: ast.expr, env: Environment) -> Function | ast.Lambda | None:
        """Return the function of this file that is called, if it is one."""
        match function:
            case ast.Name(id=own) if own in self.lambdas:
                return self.lambdas[own]
            case ast.Name(id=own) if own not in env:
                for outer in reversed(self._active):
                    found = self._module.inner.get(outer, {}).get(own)
                    if found:
                        return found.node
                known = self._module.functions.get(own)
                return known.node if known else None
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attribute) if self._owner:
                return self._module.method(self._owner, attribute)
            case _:
                return None

    def sees_outer(self, node: Function | ast.Lambda) -> bool:
        """Whether the local names around a helper are its own: it stands inside what is read."""
        inner = (scope for a in self._active for scope in self._module.inner.get(a, {}).values())
        return isinstance(node, ast.Lambda) or any(scope.node is node for scope in inner)

    def foreign(self, node: ast.Call, name: str, result: Value) -> Value:
        """Return what a function of another file gives: Keras' own losses are known, others not."""
        if _LAST_AXIS.match(name):
            return replace(result, reduced=max(result.reduced, Reduced.SOME), expression=node)
        if _TORCH_LOSS.match(name):
            return replace(result, reduced=_reduction(node), expression=node)
        made = node.func
        if isinstance(made, ast.Name):
            made = self._module.constants.get(made.id, made)
        maker = self._module.names.of(made.func) if isinstance(made, ast.Call) else None
        if isinstance(made, ast.Call) and maker and _LOSS_OBJECT.match(maker):
            return replace(result, reduced=_reduction(made), expression=node)
        return replace(result, opaque=True, expression=node)


def _reduction(call: ast.Call) -> Reduced:
    """Return what a loss of a library reduces over: all, if its `reduction` does not say else."""
    given = next((k.value for k in call.keywords if k.arg == "reduction"), None)
    whole = given is None or (isinstance(given, ast.Constant) and given.value in {"sum", "mean"})
    return Reduced.ALL if whole else Reduced.SOME


def _owner(scope: Scope | None) -> ast.ClassDef | None:
    """Return the class that `self` is of."""
    while scope and not scope.owner:
        scope = scope.parent
    return scope.owner if scope else None
