"""The project's own files and modules, found rather than listed."""

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "lossmith"


def files() -> list[Path]:
    """Every Python file of the library, sorted."""
    return sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    """A file's path below the package, as it is written in messages: `core/axes.py`."""
    return path.relative_to(PACKAGE).as_posix()


def module_name(path: Path) -> str:
    """The dotted name of a file of the library."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def rooms() -> Iterator[ModuleType]:
    """Every room: the packages and modules directly below `lossmith`."""
    lossmith = importlib.import_module("lossmith")
    for info in pkgutil.iter_modules(lossmith.__path__):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"lossmith.{info.name}")
