"""What is a loss: the functions of a module that compute one, and why they are taken for one."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property

from lossmith.lint.binding import bind, parameters
from lossmith.lint.flow import Flow
from lossmith.lint.module import Function, Module, Scope, loss_argument
from lossmith.lint.naming import NEVER_LOSS, may_hold_loss, pair, says_loss, says_metric
from lossmith.lint.operations import Operation
from lossmith.lint.values import UNKNOWN, Value

_WRAPPERS = frozenset({"tensorflow.function", "jax.jit", "tensorflow.recompute_grad"})
_LOSS_BASES = ("keras.losses.Loss", "keras.losses.LossFunctionWrapper", "lossmith.Loss")
_METRIC_BASES = ("keras.metrics.Metric", "keras.metrics.Mean", "keras.metrics.MeanMetricWrapper")
_TENSOR_LIBRARIES = frozenset({"keras", "tensorflow", "tf_keras", "jax", "torch", "lossmith", "."})


@dataclass(frozen=True, eq=False)
class Loss:
    """One loss, with what its code is known to do.

    Attributes:
        module: Where it stands.
        scope: The function, and what is around it.
        target: The name of the parameter for the target.
        prediction: The name of the parameter for the prediction.
        why: How it was recognised: `"subclass"`, `"compiled"`, `"decorated"`, or `"parameters"`.
    """

    module: Module
    scope: Scope
    target: str
    prediction: str
    why: str

    @property
    def node(self) -> Function:
        """The function."""
        return self.scope.node

    @property
    def name(self) -> str:
        """Its name, such as `"Focal.call"`."""
        return self.scope.name

    @property
    def owner(self) -> ast.ClassDef | None:
        """The class whose method it is."""
        return self.scope.owner

    @property
    def swapped(self) -> bool:
        """Whether the prediction comes before the target."""
        names = parameters(self.node)
        return names.index(self.prediction) < names.index(self.target)

    @cached_property
    def flow(self) -> Flow:
        """The reading of it, made when a rule first asks."""
        return Flow(self.module, self.scope, bind(self.node, self.target, self.prediction))

    @property
    def returned(self) -> Value:
        """What it returns, on whichever branch."""
        return self.flow.returned

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The nodes of its body and of the helpers in this file that it calls, in order."""
        return list(self.flow.walk())

    @cached_property
    def operations(self) -> list[Operation]:
        """The operations in its body and its helpers, in order, outer ones first."""
        found = self.flow.operations
        return [op for node in self.nodes if (op := found.get(node)) is not None]

    @cached_property
    def returns(self) -> list[ast.expr]:
        """The expressions that the loss itself returns."""
        own = _without_inner(self.node.body)
        return [n.value for n in own if isinstance(n, ast.Return) and n.value is not None]

    def value(self, node: ast.AST | None) -> Value:
        """Return what is known of an expression of the loss or a helper."""
        return self.flow.values.get(node, UNKNOWN) if node is not None else UNKNOWN

    def operation(self, node: ast.AST | None, *names: str) -> Operation | None:
        """Return the operation that an expression is, if it is one, and one of `names` if given."""
        found = self.flow.operations.get(node) if node is not None else None
        return found if found and (not names or found.name in names) else None

    def source_of(self, node: ast.AST | None, *names: str) -> Operation | None:
        """As `operation`, and also found where the expression is a name that was assigned it."""
        found = self.value(node).made_by
        return found if found and (not names or found.name in names) else None

    def sources(self, node: ast.AST | None, *, up_to: Container[str] = ()) -> Iterator[ast.expr]:
        """Yield an expression and all it is computed from, through names and helpers, each once.

        Args:
            node: The expression.
            up_to: The names of operations that are not looked behind, such as `"where"`.
        """
        seen: set[ast.AST] = set()
        waiting = [node] if isinstance(node, ast.expr) else []
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            yield current
            if (made := self.operation(current)) and made.name in up_to:
                continue
            read_from = self.value(current).expression
            below = [read_from] if read_from is not None else []
            inside = [x for x in ast.iter_child_nodes(current) if isinstance(x, ast.expr)]
            waiting += [*below, *inside]

    @property
    def for_keras(self) -> bool:
        """Whether its module has to do with Keras, so that Keras reduces what it returns."""
        return bool(self.module.names.modules & {"keras", "tensorflow", "tf_keras", "lossmith"})

    def canonical(self, node: ast.expr) -> str | None:
        """Return the canonical name of an expression, such as `"keras.ops.mean"`."""
        return self.module.names.of(node)


def losses(module: Module) -> Iterator[Loss]:
    """Yield the losses of a module, in the order of its functions."""
    if not may_hold_loss(module.text):
        return
    compiled = compiled_functions(module)
    for scope in [*module.scopes, *_lambdas(module, compiled)]:
        found = _loss(module, scope, compiled)
        if found:
            yield found


def loss_classes(module: Module) -> list[ast.ClassDef]:
    """Return the classes of a module that are derived from `keras.losses.Loss`."""
    if "Loss" not in module.text:
        return []
    return [node for node in module.classes.values() if module.is_a(node, *_LOSS_BASES)]


def compiled_functions(module: Module) -> set[ast.AST]:
    """Return the functions that `compile` or `add_loss` is given: by name, or made by a factory."""
    found: set[ast.AST] = set()
    for call in module.compile_calls:
        given = loss_argument(call)
        if given is not None:
            found.update(_functions(module, given))
    return found


def loss_functions(module: Module) -> list[str]:
    """Return the names of the functions of a module, outside of classes, that are losses."""
    return [x.name for x in losses(module) if x.owner is None and x.scope.parent is None]


def given_losses(argument: ast.expr) -> Iterator[ast.expr]:
    """Yield the single losses in what `compile` is given: of a list or dict, each."""
    match argument:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from given_losses(item)
        case ast.Dict(values=items):
            for item in items:
                yield from given_losses(item)
        case _:
            yield argument


def _functions(module: Module, argument: ast.expr) -> Iterator[ast.AST]:
    for given in given_losses(argument):
        match given:
            case ast.Name(id=name) if name in module.functions:
                yield module.functions[name].node
            case ast.Name(id=name) if name in module.constants:
                yield from _made(module, module.constants[name])
            case _:
                yield from _made(module, given)


def _made(module: Module, node: ast.expr) -> Iterator[ast.AST]:
    """Yield a lambda, the function in `tf.function(f)`, or what a factory of this file returns."""
    match node:
        case ast.Lambda():
            yield node
        case ast.Call(func=wrapper, args=[inner]) if module.names.of(wrapper) in _WRAPPERS:
            yield from _functions(module, inner)
        case ast.Call(func=ast.Name(id=name)) if name in module.functions:
            factory = module.functions[name].node
            inner_functions = module.inner.get(factory, {})
            for statement in _without_inner(factory.body):
                match statement:
                    case ast.Return(value=ast.Name(id=own)) if own in inner_functions:
                        yield inner_functions[own].node
                    case ast.Return(value=ast.Lambda() as made):
                        yield made
                    case _:
                        pass
        case _:
            pass


def _lambdas(module: Module, compiled: set[ast.AST]) -> Iterator[Scope]:
    """Yield the lambdas that are compiled or have a name, each as the function that it is."""
    named = {node: name for name, node in module.constants.items() if isinstance(node, ast.Lambda)}
    given = [node for node in compiled if isinstance(node, ast.Lambda)]
    for node in sorted({*named, *given}, key=lambda node: (node.lineno, node.col_offset)):
        body = ast.copy_location(ast.Return(node.body), node.body)
        function = ast.FunctionDef(named.get(node, "<lambda>"), node.args, [body], [])
        if node in compiled:
            compiled.add(function)
        yield Scope(ast.copy_location(function, node))


def _loss(module: Module, scope: Scope, compiled: set[ast.AST]) -> Loss | None:
    node = scope.node
    names = [name for name in parameters(node) if name not in {"self", "cls"}]
    if len(names) < 2 or node.name in NEVER_LOSS:  # noqa: PLR2004
        return None
    if not _returns(node):
        return None
    if scope.owner:
        return _method(module, scope, names)
    if node in compiled:
        target, prediction = pair(names) or (names[0], names[1])
        return Loss(module, scope, target, prediction, "compiled")
    if _is_decorated(module, node):
        target, prediction = pair(names) or (names[0], names[1])
        return Loss(module, scope, target, prediction, "decorated")
    return _by_parameters(module, scope, names)


def _method(module: Module, scope: Scope, names: list[str]) -> Loss | None:
    owner, name = scope.owner, scope.node.name
    if owner is None or module.is_a(owner, *_METRIC_BASES):
        return None
    if module.is_a(owner, *_LOSS_BASES):
        if name in {"call", "__call__"}:
            target, prediction = pair(names) or (names[0], names[1])
            return Loss(module, scope, target, prediction, "subclass")
        return None
    return _by_parameters(module, scope, names) if "loss" in name.lower() else None


def _by_parameters(module: Module, scope: Scope, names: list[str]) -> Loss | None:
    """Take a function for a loss by its parameters, where nothing says that it is a metric."""
    name = scope.name
    if not module.names.modules & _TENSOR_LIBRARIES:
        return None
    if says_metric(name):
        return None
    sure = {"y_true", "y_pred"} <= {*names}
    found = pair(names) if sure or says_loss(name) else None
    return Loss(module, scope, *found, "parameters") if found else None


def _is_decorated(module: Module, node: Function) -> bool:
    """Whether `@lm.loss(...)` stands above it."""
    calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    return any(module.names.of(call) == "lossmith.loss" for call in calls)


def _returns(node: Function) -> bool:
    return any(isinstance(n, ast.Return) and n.value is not None for n in _without_inner(node.body))


def _without_inner(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, but not those of functions and classes inside."""
    for node in body:
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _without_inner(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from _without_inner(handler.body)
