"""What a call leaves behind: in the loss, in what it closes over, in generators, on the screen."""

from __future__ import annotations

import contextlib
import inspect
import io
import random
from collections import deque
from collections.abc import Callable, Generator, Mapping
from itertools import islice
from typing import Any

import numpy as np

_DEPTH = 3
_MOST = 1000  # entries of a collection that are looked at
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_COLLECTIONS = (list, tuple, set, frozenset, deque)


@contextlib.contextmanager
def printed() -> Generator[Callable[[], str]]:
    """Catch what is printed; the function that comes back returns it."""
    caught = io.StringIO()
    with contextlib.redirect_stdout(caught):
        yield caught.getvalue


@contextlib.contextmanager
def generators_moved() -> Generator[None]:
    """Draw from the global generators first, so that seeding them anew is seen; put them back."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.random()  # noqa: S311
    np.random.random()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def state_of(loss: Any) -> dict[str, Any]:
    """Return what a call of a loss could change, by name, in a form that can be compared.

    That is its attributes, what its functions close over or name in their module, and the global
    generators of Python and NumPy. Numbers, text, arrays and collections of them are held by
    value, anything else by identity.
    """
    found = {
        "the state of Python's random": _frozen(random.getstate(), 0),
        "the state of numpy.random": _frozen(np.random.get_state(), 1),  # noqa: NPY002
    }
    for name, value in getattr(loss, "__dict__", {}).items():
        found[f"its attribute {name}"] = _frozen(value, _DEPTH)
    own = [loss] if inspect.isfunction(loss) else vars(type(loss)).values()
    for function in filter(inspect.isfunction, own):
        with contextlib.suppress(ValueError):  # a cell that is empty
            seen = inspect.getclosurevars(function)
            for name, value in {**seen.nonlocals, **seen.globals}.items():
                found[f"{name}, which it closes over"] = _frozen(value, _DEPTH)
    return found


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what is not as it was."""
    gone = object()
    names = dict.fromkeys([*before, *after])
    return [name for name in names if before.get(name, gone) != after.get(name, gone)]


class _Held:
    """A value that is compared by identity. It is kept, so that no other gets its place."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _frozen(value: Any, depth: int) -> Any:
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, _PLAIN) or not depth:
        return repr(value) if isinstance(value, (*_PLAIN, tuple)) else _Held(value)
    if isinstance(value, dict):
        entries: Any = islice(value.items(), _MOST)
        return len(value), [(repr(key), _frozen(entry, depth - 1)) for key, entry in entries]
    if isinstance(value, _COLLECTIONS):
        some: Any = islice(value, _MOST)
        return len(value), [_frozen(entry, depth - 1) for entry in some]
    return _Held(value)
