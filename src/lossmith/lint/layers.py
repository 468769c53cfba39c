"""What the model that is compiled returns: its last layer, where that is in sight."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from lossmith.lint.module import Module

_SEQUENTIAL = ("keras.Sequential", "keras.models.Sequential")
_MODEL = ("keras.Model", "keras.models.Model", "keras.Functional")
_BLOCKS = ("body", "orelse", "finalbody")


@dataclass
class _Block:
    """The statements before a call, read from top to bottom.

    Attributes:
        names: What each name was last assigned; names that a branch or loop binds are left out.
        added: What `add` was last given, by the name of the model; None where that is not known.
    """

    names: dict[str, ast.expr] = field(default_factory=dict[str, ast.expr])
    added: dict[str, ast.expr | None] = field(default_factory=dict[str, ast.expr | None])


def output_activation(module: Module, compiled: ast.Call) -> str | None:
    """Return the activation of what a model returns: `"softmax"`, `"linear"`, ...

    None, where it is not certain: the model must be built in the same block of statements, without
    branches, and end in a layer that is written there.

    Args:
        module: The module.
        compiled: A call of `model.compile`.
    """
    model = compiled.func.value if isinstance(compiled.func, ast.Attribute) else None
    before = _before(module.tree, compiled)
    if not isinstance(model, ast.Name) or before is None:
        return None
    layer = _last_layer(module, before, model.id)
    return _activation(module, layer) if isinstance(layer, ast.Call) else None


def assigned(module: Module, compiled: ast.Call, node: ast.expr) -> ast.expr:
    """Return what a name was assigned before a call, or the expression itself."""
    if not isinstance(node, ast.Name):
        return node
    before = _before(module.tree, compiled)
    known = before.names.get(node.id) if before else None
    return known or module.constants.get(node.id) or node


def _before(tree: ast.Module, call: ast.Call) -> _Block | None:
    """Read the block of statements that a call stands in, up to it."""
    for body in _blocks(tree):
        for index, statement in enumerate(body):
            match statement:
                case ast.Expr(value=value) if value is call:
                    found = _Block()
                    for earlier in body[:index]:
                        _read(earlier, found)
                    return found
                case _:
                    pass
    return None


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for inner in ast.walk(node):
        for name in _BLOCKS:
            block = getattr(inner, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _read(statement: ast.stmt, found: _Block) -> None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            found.names[name] = value
            found.added.pop(name, None)
        case ast.Expr(
            value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="add"), args=[layer])
        ):
            found.added[name] = layer
        case _:
            for node in ast.walk(statement):
                match node:
                    case ast.Name(id=name, ctx=ast.Store()):
                        found.names.pop(name, None)
                    case ast.Attribute(value=ast.Name(id=name), attr="add" | "pop"):
                        found.added[name] = None
                    case _:
                        pass


def _last_layer(module: Module, before: _Block, model: str) -> ast.expr | None:
    if model in before.added:
        return before.added[model]
    match before.names.get(model):
        case ast.Call(func=func, args=[ast.List(elts=[*_, last]), *_]) if (
            module.names.of(func) in _SEQUENTIAL
        ):
            return last
        case ast.Call(func=func) as call if module.names.of(func) in _MODEL:
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            output = named.get("outputs") or next(iter(call.args[1:2]), None)
            if isinstance(output, ast.Name):
                output = before.names.get(output.id)
            # `Dense(10)(x)`: the layer is what is called.
            return output.func if isinstance(output, ast.Call) else None
        case _:
            return None


def _activation(module: Module, layer: ast.Call) -> str | None:
    given = {keyword.arg: keyword.value for keyword in layer.keywords}
    if None in given:
        return None
    match module.names.of(layer.func):
        case "keras.layers.Dense":
            return _name(module, given.get("activation") or next(iter(layer.args[1:2]), None))
        case "keras.layers.Activation":
            return _name(module, given.get("activation") or next(iter(layer.args[:1]), None))
        case "keras.layers.Softmax":
            return "softmax"
        case _:
            return None


def _name(module: Module, activation: ast.expr | None) -> str | None:
    match activation:
        case None | ast.Constant(value=None):
            return "linear"
        case ast.Constant(value=str(name)):
            return name
        case _:
            name = module.names.of(activation)
            return name.rpartition(".")[2] if name and module.names.is_import(name) else None
