"""The losses of a file of Python, by name. The file is run."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import keras


def load(path: Path) -> ModuleType:
    """Import a file: as a module of its package where it is in one, else by its name alone.

    Whatever the file raises is raised.
    """
    path = path.resolve()
    root, name = path.parent, path.stem
    while (root / "__init__.py").exists():
        root, name = root.parent, f"{root.name}.{name}"
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() == path:
        return known
    if known is None and "." in name:
        return importlib.import_module(name)
    return _run(path, name)


def _run(path: Path, name: str) -> ModuleType:
    """Run a file as a module, whatever its name is; what had that name keeps it."""
    name = name if name not in sys.modules else f"_lossmith_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def losses_in(
    module: ModuleType, functions: Collection[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the losses of a module by name, and why others are left out.

    Losses are what is an instance of `keras.losses.Loss`, the subclasses of it that the module
    defines, and `functions`: what reading the code took for losses. A class whose constructor
    needs arguments is left out, since nobody knows which.
    """
    found: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    seen: set[int] = set()
    for name, value in vars(module).items():
        if id(value) in seen or name.startswith("__"):
            continue
        if isinstance(value, keras.losses.Loss) or (name in functions and callable(value)):
            found[name] = value
        elif _is_own_class(value, module):
            wanted = _required(value)
            if wanted:
                left_out[name] = f"its constructor needs {', '.join(wanted)}"
            else:
                found[name] = value
        else:
            continue
        seen.add(id(value))
    return found, left_out


def _is_own_class(value: Any, module: ModuleType) -> bool:
    return (
        inspect.isclass(value)
        and issubclass(value, keras.losses.Loss)
        and value.__module__ == module.__name__
        and getattr(value, "call", None) is not keras.losses.Loss.call
    )


def _required(cls: type) -> list[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]
