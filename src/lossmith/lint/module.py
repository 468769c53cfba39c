"""One parsed source: its names, functions, classes, and the calls that hand out losses."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lossmith.lint.finding import Edit
from lossmith.lint.names import Names
from lossmith.lint.operations import Operation
from lossmith.lint.text import Text

Function = ast.FunctionDef | ast.AsyncFunctionDef
_HANDS_OUT = re.compile(r"\.(?:compile|add_loss)\b")


@dataclass(frozen=True)
class Scope:
    """A function and what it stands in.

    Attributes:
        node: The function.
        owner: The class whose method it is, or None.
        parent: The function around it, or None.
    """

    node: Function
    owner: ast.ClassDef | None = None
    parent: Scope | None = None

    @property
    def name(self) -> str:
        """The name with those of what it stands in: `"Focal.call"`, `"focal.loss"`."""
        outer = self.parent.name if self.parent else self.owner.name if self.owner else ""
        return f"{outer}.{self.node.name}" if outer else self.node.name


class Module(Text):
    """A source, parsed once. Everything else is computed when it is first asked for.

    Args:
        text: The source.
        path: Where it comes from.
    """

    def __init__(self, text: str, path: str = "<stdin>") -> None:
        super().__init__(text)
        self.path = path
        self.tree = ast.parse(_unix(text), path)

    @cached_property
    def names(self) -> Names:
        """What its names stand for."""
        return Names(self.tree, self.path)

    @cached_property
    def scopes(self) -> list[Scope]:
        """Its functions and methods, inner ones after outer ones."""
        return list(_scopes(self.tree.body, None, None))

    @cached_property
    def functions(self) -> dict[str, Scope]:
        """The functions of the module itself, by name; the last one where a name comes twice."""
        return {s.node.name: s for s in self.scopes if s.owner is None and s.parent is None}

    @cached_property
    def inner(self) -> dict[ast.AST, dict[str, Scope]]:
        """The functions inside each function, by name."""
        found: dict[ast.AST, dict[str, Scope]] = {}
        for scope in self.scopes:
            if scope.parent:
                found.setdefault(scope.parent.node, {})[scope.node.name] = scope
        return found

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes, by name."""
        return {node.name: node for node in _classes(self.tree.body)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What the names of the module itself are assigned, where it is once."""
        given = [
            (target.id, statement.value)
            for statement in self.tree.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        ]
        times = Counter(name for name, _ in given)
        return {name: value for name, value in given if times[name] == 1}

    @cached_property
    def compile_calls(self) -> list[ast.Call]:
        """Its calls of `.compile(...)` that give a loss."""
        return [c for c in self._handing_out if c.func.attr == "compile" and loss_argument(c)]  # type: ignore[attr-defined]

    @cached_property
    def add_loss_calls(self) -> list[ast.Call]:
        """Its calls of `.add_loss(...)`."""
        return [c for c in self._handing_out if c.func.attr == "add_loss" and c.args]  # type: ignore[attr-defined]

    @cached_property
    def _handing_out(self) -> list[ast.Call]:
        lines = [n for n, line in enumerate(self.lines, 1) if _HANDS_OUT.search(line)]
        return [
            node
            for node in _nodes_at(self.tree, lines)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"compile", "add_loss"}
        ]

    def is_a(self, node: ast.ClassDef, *bases: str) -> bool:
        """Whether a class is derived from one of the classes with these canonical names."""
        seen: set[str] = set()
        waiting = [node]
        while waiting:
            for base in waiting.pop().bases:
                name = self.names.of(base)
                if name in bases:
                    return True
                if name in self.classes and name not in seen:
                    seen.add(name)
                    waiting.append(self.classes[name])
        return False

    def method(self, owner: ast.ClassDef, name: str) -> Function | None:
        """Return a method that a class or one of its bases in this file defines."""
        for node in owner.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                return node
        for base in owner.bases:
            known = self.classes.get(base.id) if isinstance(base, ast.Name) else None
            if known and known is not owner and (found := self.method(known, name)):
                return found
        return None

    def spell(self, name: str, like: Operation | None = None) -> tuple[str, tuple[Edit, ...]]:
        """Return how to write a function of `keras.ops` here, and the import that it needs, if any.

        Args:
            name: The name in `keras.ops`, such as `"where"`.
            like: An operation beside it. Where that is `tf.reduce_sum`, it is `tf.where`.
        """
        for library in ("tensorflow", "jax.numpy"):
            if like and like.library.startswith(library) and name in _SHARED:
                written = self.names.local(library)
                if written:
                    return f"{written}.{name}", ()
        written = self.names.local(f"keras.ops.{name}")
        if written:
            return written, ()
        bound = "keras_ops" if self._taken("ops") else "ops"
        statement = "from keras import ops" + (" as keras_ops" if bound == "keras_ops" else "")
        return f"{bound}.{name}", (self.insert_line(self._first_import_line, statement),)

    def _taken(self, name: str) -> bool:
        return bool(re.search(rf"\b{name}\b(?!\.)", self.text))

    @property
    def _first_import_line(self) -> int:
        """The line after the docstring and what must stand before other imports."""
        line = 1 + sum(1 for text in self.lines[:2] if text.startswith("#"))
        for statement in self.tree.body:
            docstring = isinstance(statement, ast.Expr) and isinstance(
                statement.value, ast.Constant
            )
            future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            if not (docstring or future):
                break
            line = (statement.end_lineno or statement.lineno) + 1
        return line


_SHARED = frozenset({"where", "maximum", "minimum", "abs", "square", "zeros_like", "ones_like"})


def loss_argument(call: ast.Call) -> ast.expr | None:
    """Return the loss that `compile` is given: by name, or as the second argument."""
    for keyword in call.keywords:
        if keyword.arg == "loss":
            return keyword.value
    return call.args[1] if len(call.args) > 1 else None


def _nodes_at(tree: ast.Module, lines: list[int]) -> Iterator[ast.AST]:
    """Yield the nodes that reach over one of these lines, without a look into all others."""
    stack: list[ast.AST] = [tree] if lines else []
    while stack:
        node = stack.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            first, last = getattr(child, "lineno", 1), getattr(child, "end_lineno", lines[-1])
            at = bisect_left(lines, first)
            if at < len(lines) and lines[at] <= (last or first):
                stack.append(child)


def _scopes(
    body: list[ast.stmt], owner: ast.ClassDef | None, parent: Scope | None
) -> Iterator[Scope]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope = Scope(node, owner, parent)
            yield scope
            yield from _scopes(node.body, None, scope)
        elif isinstance(node, ast.ClassDef):
            yield from _scopes(node.body, node, parent)
        else:
            for inner in _blocks(node):
                yield from _scopes(inner, owner, parent)


def _classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        for inner in _blocks(node):
            yield from _classes(inner)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            yield block
    for handler in getattr(node, "handlers", ()):
        yield handler.body
    for case in getattr(node, "cases", ()):
        yield case.body


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
