"""Reads a loss from top to bottom, and notes what every expression in it is."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import replace

from lossmith.lint.binding import Environment, bound, element, named
from lossmith.lint.callees import Callees
from lossmith.lint.module import Function, Module, Scope
from lossmith.lint.operations import (
    Operation,
    function_operation,
    method_operation,
    operator_operation,
)
from lossmith.lint.transfer import apply
from lossmith.lint.values import UNKNOWN, Reduced, Value, combine, join, number

_DEPTH = 4
_SHAPES = frozenset({"shape", "dtype", "ndim", "size", "name", "device", "batch_size"})


class Flow:
    """The values of one loss and of the functions of its file that it calls.

    Attributes:
        values: What each expression is, by node.
        operations: Which operation each expression is, by node.
        functions: The functions that were read: the loss, then its helpers.
        returned: What the loss returns.
    """

    def __init__(self, module: Module, scope: Scope, environment: Environment) -> None:
        self.module = module
        self.values: dict[ast.AST, Value] = {}
        self.operations: dict[ast.AST, Operation | None] = {}
        self.functions: list[ast.AST] = []
        self._active: list[ast.AST] = []
        self._callees = Callees(module, scope, self._active)
        self.returned = self._run(scope.node, environment)

    # ── statements ──────────────────────────────────────────────────────────────────────────────

    def _run(self, node: Function | ast.Lambda, environment: Environment) -> Value:
        """Read a function with its parameters bound; return what it returns."""
        if node not in self.functions:
            self.functions.append(node)
        self._active.append(node)
        if isinstance(node, ast.Lambda):
            returned = self.value(node.body, environment)
        else:
            found: list[Value] = []
            self._block(node.body, environment, found)
            returned = join(found)
        self._active.pop()
        return returned

    def _block(self, body: list[ast.stmt], env: Environment, returned: list[Value]) -> bool:
        """Read statements in order; return whether the end is reached."""
        return all(self._statement(statement, env, returned) for statement in body)

    def _statement(  # noqa: C901, PLR0911, PLR0912 - one case for each kind of statement
        self, node: ast.stmt, env: Environment, returned: list[Value]
    ) -> bool:
        match node:
            case ast.Return(value=value):
                returned.append(self.value(value, env) if value else UNKNOWN)
                return False
            case ast.Raise() | ast.Continue() | ast.Break():
                return False
            case ast.Assign(targets=targets, value=value):
                result = self.value(value, env)
                for target in targets:
                    self._assign(target, value, result, env)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, value, self.value(value, env), env)
            case ast.AugAssign(target=target, op=op, value=value):
                self._augment(node, target, op, value, env)
            case ast.If(test=test, body=body, orelse=orelse):
                self.value(test, env)
                return self._branches([body, orelse], env, returned)
            case ast.For(target=target, iter=iterable, body=body, orelse=orelse):
                self._assign(target, iterable, self._loosened(iterable, env), env)
                self._branches([body, []], env, returned)
                return self._block(orelse, env, returned)
            case ast.While(test=test, body=body, orelse=orelse):
                self.value(test, env)
                self._branches([body, []], env, returned)
                return self._block(orelse, env, returned)
            case ast.With(items=items, body=body):
                for item in items:
                    result = self.value(item.context_expr, env)
                    if item.optional_vars:
                        self._assign(item.optional_vars, item.context_expr, result, env)
                return self._block(body, env, returned)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                ways = [[*body, *orelse], *(handler.body for handler in handlers)]
                return self._branches(ways, env, returned) and self._block(final, env, returned)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                env.pop(name, None)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, env)
        return True

    def _branches(
        self, ways: list[list[ast.stmt]], env: Environment, returned: list[Value]
    ) -> bool:
        """Read each way from the same start, and merge those whose end is reached."""
        ends: list[Environment] = []
        for body in ways:
            own = dict(env)
            if self._block(body, own, returned):
                ends.append(own)
        if ends:
            names = set().union(*ends)
            merged = {n: join([end[n] for end in ends if n in end]) for n in names}
            env.clear()
            env.update(merged)
        return bool(ends)

    def _assign(self, target: ast.expr, node: ast.expr, value: Value, env: Environment) -> None:
        match target:
            case ast.Name(id=name):
                if isinstance(node, ast.Lambda):
                    self._callees.lambdas[name] = node
                env[name] = named(name, value)
                self.values[target] = env[name]
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                parts = node.elts if isinstance(node, (ast.Tuple, ast.List)) else []
                for index, part in enumerate(targets):
                    same = len(parts) == len(targets)
                    own = self.values.get(parts[index], UNKNOWN) if same else element(value)
                    self._assign(part, parts[index] if same else node, own, env)
            case ast.Starred(value=inner):
                self._assign(inner, node, element(value), env)
            case ast.Subscript(value=ast.Name(id=name)) if name in env:
                self.value(target, env)
                env[name] = join([env[name], value])
            case _:
                self.value(target, env)

    def _augment(
        self, node: ast.stmt, target: ast.expr, op: ast.operator, value: ast.expr, env: Environment
    ) -> None:
        """`x += y` is `x = x + y`: the operation stands where the statement does."""
        left = copy.copy(target)
        twin = ast.copy_location(ast.BinOp(left=left, op=op, right=value), node)
        result = self.value(twin, env)
        self.operations[node] = self.operations.get(twin)
        self._assign(target, twin, result, env)

    # ── expressions ─────────────────────────────────────────────────────────────────────────────

    def value(self, node: ast.expr, env: Environment) -> Value:
        """Return what an expression is, and note it."""
        value = self._value(node, env)
        self.values[node] = value
        return value

    def _value(self, node: ast.expr, env: Environment) -> Value:  # noqa: C901, PLR0911, PLR0912 - a case each
        match node:
            case ast.Constant(value=constant):
                if isinstance(constant, (int, float)) and not isinstance(constant, bool):
                    return number(constant)
                return Value(reduced=Reduced.ALL)
            case ast.Name(id=name):
                return env[name] if name in env else self._global(name)
            case ast.Attribute(value=inner, attr=attribute):
                return self._attribute(node, inner, attribute, env)
            case ast.Subscript(value=inner, slice=index):
                return self._subscript(node, inner, index, env)
            case ast.Call():
                return self._call(node, env)
            case ast.BinOp() | ast.UnaryOp() | ast.Compare():
                operation = operator_operation(node)
                if operation:
                    return self._apply(operation, env)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.value(test, env)
                return join([self.value(body, env), self.value(orelse, env)])
            case ast.NamedExpr(target=target, value=inner):
                value = self.value(inner, env)
                self._assign(target, inner, value, env)
                return value
            case ast.Lambda():
                return UNKNOWN
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                return self._comprehension(node, env)
            case _:
                pass
        children = [c for c in ast.iter_child_nodes(node) if isinstance(c, ast.expr)]
        return replace(combine([self.value(child, env) for child in children]), indicator=False)

    def _global(self, name: str) -> Value:
        """A name of the module: a number, if it is one."""
        node = self.module.constants.get(name)
        if isinstance(node, (ast.Constant, ast.UnaryOp, ast.BinOp)) and node not in self._active:
            self._active.append(node)
            value = self.value(node, {})
            self._active.pop()
            return value
        return UNKNOWN

    def _attribute(
        self, node: ast.Attribute, inner: ast.expr, attribute: str, env: Environment
    ) -> Value:
        held = self.value(inner, env)
        if attribute in _SHAPES:
            return Value(low=0.0, reduced=Reduced.ALL)
        if attribute == "_keras_mask":
            return Value(indicator=True, mask=True, low=0.0, high=1.0)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return named(attribute, UNKNOWN)
        return held

    def _subscript(
        self, node: ast.expr, inner: ast.expr, index: ast.expr, env: Environment
    ) -> Value:
        held = replace(self.value(inner, env), expression=node)
        self.value(index, env)
        if isinstance(index, ast.Constant) and isinstance(index.value, str):
            return named(index.value, replace(held, made_by=None))
        return replace(held, made_by=None) if held.is_made_by("flatten", "reshape") else held

    def _comprehension(self, node: ast.expr, env: Environment) -> Value:
        own = dict(env)
        for generator in node.generators:  # type: ignore[attr-defined]
            self._assign(generator.target, generator.iter, self._loosened(generator.iter, own), own)
            for test in generator.ifs:
                self.value(test, own)
        parts = [node.value] if isinstance(node, ast.DictComp) else [node.elt]  # type: ignore[attr-defined]
        return combine([self.value(part, own) for part in parts])

    def _loosened(self, iterable: ast.expr, env: Environment) -> Value:
        """Return what an element of something looped over is."""
        return element(self.value(iterable, env))

    def _call(self, node: ast.Call, env: Environment) -> Value:
        name = self._callees.canonical(node.func, env)
        operation = function_operation(name, node) if name else None
        if (
            operation is None
            and isinstance(node.func, ast.Attribute)
            and not self._callees.is_library(name)
        ):
            operation = method_operation(node)
        if operation:
            for other in _other_arguments(node, operation):
                self.value(other, env)
            return self._apply(operation, env)
        self.operations[node] = None
        helper = self._callees.helper(node.func, env)
        arguments = [self.value(_unstarred(x), env) for x in node.args]
        keywords = {k.arg: self.value(k.value, env) for k in node.keywords}
        if helper and helper not in self._active and len(self._active) < _DEPTH:
            outer = env if self._callees.sees_outer(helper) else {}
            method = isinstance(node.func, ast.Attribute)
            return self._run(helper, bound(helper, arguments, keywords, outer, method=method))
        held = (
            [self.value(node.func, env)] if not name or not self._callees.is_library(name) else []
        )
        result = combine([*arguments, *keywords.values(), *(v for v in held if v.from_data)])
        return self._callees.foreign(node, name or "", result)

    def _apply(self, operation: Operation, env: Environment) -> Value:
        self.operations[operation.node] = operation
        values = {name: self.value(node, env) for name, node in operation.arguments.items()}
        operands = set(operation.operands)
        return apply(
            operation,
            [values[name] for name, node in operation.arguments.items() if node in operands],
        )

    def walk(self) -> Iterator[ast.AST]:
        """Yield the nodes of the loss and its helpers, functions inside them once."""
        seen: set[ast.AST] = set()
        for function in self.functions:
            body = function.body  # type: ignore[attr-defined]
            stack: list[ast.AST] = [body] if isinstance(body, ast.AST) else [*reversed(body)]
            while stack:
                node = stack.pop()
                if node in seen:
                    continue
                seen.add(node)
                yield node
                if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    stack.extend(reversed([*ast.iter_child_nodes(node)]))


def _other_arguments(node: ast.Call, operation: Operation) -> list[ast.expr]:
    known = set(operation.arguments.values())
    given = [*(_unstarred(x) for x in node.args), *(k.value for k in node.keywords)]
    return [x for x in given if x not in known]


def _unstarred(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Starred) else node
