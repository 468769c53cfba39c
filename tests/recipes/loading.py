"""The recipes, found in their folder and imported by path."""

import importlib.util
from types import ModuleType

import pytest

from tests.support.source import ROOT

FOLDER = ROOT / "examples" / "recipes"
NAMES = [path.stem for path in sorted(FOLDER.glob("*.py"))]

each_recipe = pytest.mark.parametrize("name", NAMES)


def load(name: str) -> ModuleType:
    """Import a recipe; its name, which begins with a number, is not one that `import` takes."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
