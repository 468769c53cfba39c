"""What a loss class is given, and what its `get_config` saves of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.module import Function, Module

_OF_THE_BASE = frozenset({"self", "name", "reduction", "dtype"})


def own_arguments(module: Module, node: ast.ClassDef) -> list[str]:
    """Return what `__init__` takes beside the arguments of `keras.losses.Loss`."""
    init = module.method(node, "__init__")
    if init is None:
        return []
    given = [*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs]
    return [a.arg for a in given if a.arg not in _OF_THE_BASE]


def bases_are_known(module: Module, node: ast.ClassDef) -> bool:
    """Whether no base of another file may bring a `get_config`."""
    for base in node.bases:
        known = module.classes.get(base.id) if isinstance(base, ast.Name) else None
        if known is not None and known is not node:
            if not bases_are_known(module, known):
                return False
        elif module.names.of(base) not in {"keras.losses.Loss", "object", "abc.ABC"}:
            return False
    return True


def saved_keys(module: Module, node: ast.ClassDef, config: Function) -> set[str] | None:
    """Return the keys of a config, with those of the bases in this file; None if unknown."""
    held = _held(config)
    if held is None or not asks_the_base(config):
        return held
    for base in node.bases:
        known = module.classes.get(base.id) if isinstance(base, ast.Name) else None
        inherited = module.method(known, "get_config") if known and known is not node else None
        if known is None or inherited is None:
            continue
        more = saved_keys(module, known, inherited)
        if more is None:
            return None
        held |= more
    return held


def _held(config: Function) -> set[str] | None:
    """Return the keys that a `get_config` writes; None where reading cannot tell."""
    found: set[str] = set()
    for node in ast.walk(config):
        match node:
            case ast.DictComp() | ast.For() | ast.Raise():
                return None
            case ast.Attribute(attr="__dict__") | ast.Name(id="vars" | "locals"):
                return None
            case ast.Dict(keys=keys) if None in keys and not _only_super(node):
                return None
            case ast.Call(keywords=keywords):
                found.update(k.arg for k in keywords if k.arg)
            case ast.Constant(value=str() as text):
                found.add(text)
            case _:
                pass
    return found


def _only_super(node: ast.Dict) -> bool:
    """Whether what `**` spreads is the config of the base, or a name for it."""
    spread = [v for k, v in zip(node.keys, node.values, strict=True) if k is None]
    return all("config" in ast.unparse(v) for v in spread)


def takes_reduction(module: Module, node: ast.ClassDef) -> bool:
    """Whether `__init__` can be given the reduction of the base."""
    init = module.method(node, "__init__")
    names = [a.arg for a in (*init.args.args, *init.args.kwonlyargs)] if init else []
    return init is not None and (init.args.kwarg is not None or "reduction" in names)


def asks_the_base(config: Function) -> bool:
    """Whether a `get_config` calls that of the base."""
    return any(isinstance(n, ast.Attribute) and n.attr == "get_config" for n in ast.walk(config))


def only_dict(config: Function) -> ast.Dict | None:
    """Return the one dict that a `get_config` writes."""
    found = [n for n in ast.walk(config) if isinstance(n, ast.Dict)]
    return found[0] if len(found) == 1 else None


def config_items(node: ast.ClassDef, arguments: list[str]) -> str | None:
    """Write the items of a config, from where `__init__` keeps its arguments."""
    kept: dict[str, str] = {}
    for init in filter(is_init, node.body):
        for statement in ast.walk(init):
            if isinstance(statement, ast.Assign):
                kept.update(_kept(statement))
    if not all(name in kept for name in arguments):
        return None
    return ", ".join(f'"{name}": self.{kept[name]}' for name in arguments)


def _kept(statement: ast.Assign) -> Iterator[tuple[str, str]]:
    """Yield the argument and attribute of `self.attribute = argument`."""
    for target in statement.targets:
        match target, statement.value:
            case (ast.Tuple(elts=targets), ast.Tuple(elts=values)):
                pairs = zip(targets, values, strict=False)
            case (one, value):
                pairs = iter([(one, value)])
        for left, right in pairs:
            match left, right:
                case (ast.Attribute(value=ast.Name(id="self"), attr=name), ast.Name(id=argument)):
                    yield argument, name
                case _:
                    pass


def is_init(node: ast.stmt) -> bool:
    """Whether a statement of a class is its `__init__`."""
    return isinstance(node, ast.FunctionDef) and node.name == "__init__"
