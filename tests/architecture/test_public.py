"""What is public: it exists, says what it does, and stands in the documentation."""

import functools
import inspect
import re
from types import ModuleType

import pytest

import lossmith
from tests.support import source

DOCS = source.ROOT / "docs"


def _public() -> dict[str, tuple[ModuleType, str]]:
    """Every public name: those of `lossmith`, and those that each room lists itself."""
    modules = {"lossmith": lossmith}
    for name in lossmith.__all__:
        value = getattr(lossmith, name, None)
        if isinstance(value, ModuleType):
            modules[value.__name__] = value
    for room in source.rooms():
        modules[room.__name__] = room
    return {
        f"{path}.{name}": (module, name)
        for path, module in modules.items()
        for name in getattr(module, "__all__", ())
    }


PUBLIC = _public()


def test_no_list_of_public_names_says_one_twice():
    for module, _ in PUBLIC.values():
        assert len(set(module.__all__)) == len(module.__all__), module.__name__


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_name_resolves(path):
    module, name = PUBLIC[path]
    assert getattr(module, name) is not None


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_name_has_a_docstring(path):
    module, name = PUBLIC[path]
    value = getattr(module, name)
    if not (isinstance(value, ModuleType) or inspect.isclass(value) or inspect.isroutine(value)):
        pytest.skip("a plain value")
    assert (value.__doc__ or "").strip(), f"{path} has no docstring of its own"


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_name_is_documented(path):
    module, name = PUBLIC[path]
    room = module.__name__.rpartition(".")[2]
    # `masks.Field` and `weights.Field` are two: what users reach through a module is so named.
    wanted = f"{room}.{name}" if room in lossmith.__all__ else name
    found = re.search(rf"(?<![A-Za-z0-9_]){re.escape(wanted)}(?![A-Za-z0-9_])", _pages(module))
    assert found, f"{wanted} stands nowhere in docs/, nor in the README of its room"


@functools.cache
def _pages(module: ModuleType) -> str:
    """The documentation, and the README at the door of a module's room."""
    room = source.PACKAGE.joinpath(*module.__name__.split(".")[1:2], "README.md")
    pages = [*sorted(DOCS.rglob("*.md")), room]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages if page.is_file())
