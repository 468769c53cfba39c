"""What the names of a module stand for: imports, aliases, and re-exports of its own package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_CANONICAL = (
    (re.compile(r"^(tensorflow|tf)\.(python\.)?keras\b|^tf_keras\b|^keras\.api\b"), "keras"),
    (re.compile(r"^keras\.(_tf_keras\.keras|src(?!\.backend\b))\b"), "keras"),
    (re.compile(r"^tensorflow\.compat\.v[12]\b"), "tensorflow"),
    (re.compile(r"^keras\.losses\.(losses|loss)\."), "keras.losses."),
    (re.compile(r"^keras\.Loss$"), "keras.losses.Loss"),
)
_FRAMEWORKS = frozenset({"keras", "tensorflow", "jax", "torch", "numpy", "optax", "tf_keras"})
_MOST_HOPS = 4


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Return the one name of what a library offers under several.

    >>> canonical("tensorflow.keras.backend.mean")
    'keras.backend.mean'
    """
    for pattern, replacement in _CANONICAL:
        name = pattern.sub(replacement, name)
    return name


class Names:
    """The names bound by the imports and plain aliases of one module.

    Args:
        tree: The module.
        path: Its file, from which the files that it imports from are found.
        hops: How many files a name is followed through.
    """

    def __init__(self, tree: ast.Module, path: str, hops: int = _MOST_HOPS) -> None:
        self._path = path
        self._hops = hops
        self._bound: dict[str, str] = {}
        self._relative: dict[str, tuple[int, str, str]] = {}
        self.modules: set[str] = set()
        for statement in _binding_statements(tree.body):
            self._bind(statement)

    def of(self, node: ast.expr) -> str | None:
        """Return the canonical dotted name of an expression, or None if it has none.

        `K.mean` is `keras.backend.mean`; a name that nothing binds, such as `len`, is itself.
        """
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        root = self._root(node.id)
        return canonical(".".join([root, *reversed(parts)]))

    def local(self, name: str) -> str | None:
        """Return how this module writes a canonical name: `"K"` for `"keras.backend"`."""
        for alias in self._bound:
            if self._root(alias) == name:
                return alias
        parent, _, leaf = name.rpartition(".")
        found = self.local(parent) if parent else None
        return f"{found}.{leaf}" if found else None

    @property
    def exports(self) -> dict[str, str]:
        """What it binds that belongs to a framework, by the name it gives it."""
        meant = {name: self._root(name) for name in [*self._bound]}
        return {n: name for n, name in meant.items() if name.partition(".")[0] in _FRAMEWORKS}

    def is_bound(self, name: str) -> bool:
        """Whether an import or alias binds the name."""
        return name in self._bound or name in self._relative

    def is_import(self, name: str) -> bool:
        """Whether a canonical name starts at something imported, not at a value."""
        top = name.partition(".")[0]
        return top in _FRAMEWORKS or top in self.modules

    def _root(self, name: str) -> str:
        if name in self._relative:
            self._bound[name] = self._follow(*self._relative.pop(name)) or name
        return canonical(self._bound.get(name, name))

    def _bind(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    self.modules.add(alias.name.partition(".")[0])
                    bound = alias.asname or alias.name.partition(".")[0]
                    self._bound[bound] = alias.name if alias.asname else bound
            case ast.ImportFrom(module=module, names=names, level=level):
                top = (module or "").partition(".")[0]
                self.modules.add("." if level else top)
                for alias in names:
                    bound = alias.asname or alias.name
                    if level or top not in _FRAMEWORKS:
                        self._relative[bound] = (level, module or "", alias.name)
                        self._bound.setdefault(bound, f"{module or ''}.{alias.name}".strip("."))
                    else:
                        self._bound[bound] = f"{module}.{alias.name}"
            case ast.Assign(
                targets=[ast.Name(id=name)], value=ast.Attribute() | ast.Name() as value
            ):
                meant = self.of(value)
                if meant and meant.partition(".")[0] in _FRAMEWORKS:
                    self._bound[name] = meant
            case _:
                pass

    def _follow(self, level: int, module: str, name: str) -> str | None:
        """Return what a module of the same package means by a name."""
        file = _file_of(self._path, level, module)
        found = _exports(file, self._hops - 1).get(name) if file and self._hops else None
        return found or (f"{module}.{name}".strip(".") if module or not level else None)


def _binding_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield imports wherever they stand, and assignments of the module itself."""
    stack = [(statement, True) for statement in reversed(body)]
    while stack:
        statement, top = stack.pop()
        if isinstance(statement, (ast.Import, ast.ImportFrom)) or (
            top and isinstance(statement, ast.Assign)
        ):
            yield statement
        below = top and not isinstance(
            statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        )
        for field in ("body", "orelse", "finalbody", "handlers"):
            children = getattr(statement, field, None)
            if isinstance(children, list):
                stack.extend((child, below) for child in reversed(children))  # type: ignore[misc]


def _file_of(path: str, level: int, module: str) -> Path | None:
    here = Path(path)
    if not here.is_file():
        return None
    if level:
        base = here.resolve().parents[level - 1]
    else:
        top = module.partition(".")[0]
        base = next((p.parent for p in here.resolve().parents if p.name == top), here.parent)
    stem = base.joinpath(*module.split(".")) if module else base
    files = (stem.with_name(stem.name + ".py"), stem / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@lru_cache(maxsize=256)
def _exports(file: Path, hops: int) -> dict[str, str]:
    """Return the framework names that a file imports or aliases, by the name it gives them."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    return Names(tree, str(file), hops).exports
