"""The tensors that each line of a function makes, as it runs eagerly."""

from __future__ import annotations

import linecache
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import keras
import numpy as np

from lossmith import backend

RETURNED = "return"
_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
_LIBRARIES = ("site-packages", "dist-packages")
_STANDARD = sysconfig.get_path("stdlib")
_OURS = str(Path(__file__).parents[1])


@dataclass(frozen=True, eq=False)
class Event:
    """A tensor that a line made.

    Attributes:
        file: The file of the line.
        line: Its number.
        name: The variable that holds the tensor, `"return"` for what a function returns; of an
            operation its expression, such as `gap / y_true`.
        value: The tensor; of a list, tuple or mapping each tensor is an event of its own.
        function: The function that the line stands in.
        first: The first line of that function.
        operands: The shapes that an operation was given; None where it is none.
    """

    file: str
    line: int
    name: str
    value: Any
    function: str = ""
    first: int = 0
    operands: tuple[tuple[int, ...], ...] | None = None


def trace(call: Callable[[], Any], own: Callable[[str], bool]) -> tuple[list[Event], Any]:
    """Run a call and note each tensor that a line of followed files makes.

    A line makes what its function's variables hold after it and did not before. Functions that
    are called are followed too where their file is.

    Args:
        call: What to run, eagerly.
        own: Whether to follow the functions of a file.

    Returns:
        The events in order, and what the call returned.

    Example:
        >>> from functools import partial
        >>> from keras import ops
        >>> def error(y_true, y_pred):
        ...     gap = y_true - y_pred
        ...     return ops.mean(gap)
        >>> call = partial(error, ops.ones(3), ops.zeros(3))
        >>> events, _ = trace(call, lambda file: file.startswith("<doctest"))
        >>> [event.name for event in events]
        ['gap', 'return']
    """
    events: list[Event] = []
    return events, _run(call, _Recorder(own, events.append, operations=False))


def watch(
    call: Callable[[], Any], own: Callable[[str], bool], note: Callable[[Event], None]
) -> Any:
    """Run a call and hand on each tensor as it is made, those inside of lines too.

    What a line's own calls and operators return are events before that of the variable, each with
    the shapes it was given. Functions that a framework would compile run as they are written.

    Args:
        call: What to run, eagerly.
        own: Whether to follow the functions of a file.
        note: Takes each event; if the call raises, up to there.

    Returns:
        What the call returned.
    """
    with backend.one_by_one():
        return _run(call, _Recorder(own, note, operations=True))


def _run(call: Callable[[], Any], recorder: _Recorder) -> Any:
    before = sys.gettrace()
    sys.settrace(recorder.enter)
    try:
        return call()
    finally:
        sys.settrace(before)


def of_users(file: str) -> bool:
    """Whether a file is neither of a library, nor of Python, nor of lossmith."""
    if file.startswith(("<", _STANDARD, _OURS)):
        return False
    return not any(part in Path(file).parts for part in _LIBRARIES)


@dataclass
class _Recorder:
    """What `sys.settrace` calls."""

    own: Callable[[str], bool]
    note: Callable[[Event], None]
    operations: bool
    followed: dict[str, bool] = field(default_factory=dict[str, bool])

    def enter(self, frame: FrameType, kind: str, value: Any) -> Callable[..., Any] | None:
        """Follow a function, look at what it returns alone, or leave it."""
        del kind, value
        if self._follows(frame):
            return _Function(self, frame).step
        caller = frame.f_back
        if self.operations and caller is not None and self._follows(caller):
            frame.f_trace_lines = False
            return _Operation(self, frame, caller).step
        return None

    def _follows(self, frame: FrameType) -> bool:
        file = frame.f_code.co_filename
        if file not in self.followed:
            self.followed[file] = self.own(file)
        return self.followed[file]


class _Function:
    """One call of a followed function."""

    def __init__(self, recorder: _Recorder, frame: FrameType) -> None:
        self._recorder = recorder
        self._known = dict(frame.f_locals)
        self._line = 0
        self._inner = frame.f_code.co_name in _COMPREHENSIONS

    def step(self, frame: FrameType, kind: str, value: Any) -> Callable[..., Any]:
        """Note what the line before this event made."""
        if self._inner:
            return self.step
        if kind in ("line", "return"):
            for name, held in frame.f_locals.items():
                if name not in self._known or self._known[name] is not held:
                    self._note(frame, self._line, name, held)
                    self._known[name] = held
        if kind == "return":
            self._note(frame, frame.f_lineno, RETURNED, value)
        self._line = frame.f_lineno
        return self.step

    def _note(self, frame: FrameType, line: int, name: str, value: Any) -> None:
        for tensor in _tensors(value):
            self._recorder.note(_event(frame, line, name, tensor))


class _Operation:
    """One call that a line of a followed function makes of a library's function."""

    def __init__(self, recorder: _Recorder, frame: FrameType, caller: FrameType) -> None:
        self._recorder = recorder
        self._caller = caller
        self._line = caller.f_lineno
        self._text = _expression(caller)
        given = [tensor for value in frame.f_locals.values() for tensor in _tensors(value)]
        self._operands = tuple(tuple(tensor.shape) for tensor in given)

    def step(self, frame: FrameType, kind: str, value: Any) -> Callable[..., Any]:
        """Note what it returns."""
        del frame
        if kind == "return":
            for tensor in _tensors(value):
                event = _event(self._caller, self._line, self._text, tensor, self._operands)
                self._recorder.note(event)
        return self.step


def _expression(frame: FrameType) -> str:
    """Return the source of what a frame is computing right now, on one line."""
    first, last, start, end = _positions(frame.f_code)[frame.f_lasti // 2]
    if first is None or last is None:
        return ""
    lines = [linecache.getline(frame.f_code.co_filename, at) for at in range(first, last + 1)]
    lines[-1] = lines[-1].encode()[:end].decode()
    lines[0] = lines[0].encode()[start:].decode()
    return " ".join(line.strip() for line in lines)


@lru_cache(maxsize=256)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def _event(
    frame: FrameType,
    line: int,
    name: str,
    tensor: Any,
    operands: tuple[tuple[int, ...], ...] | None = None,
) -> Event:
    code = frame.f_code
    return Event(
        code.co_filename, line, name, tensor, code.co_qualname, code.co_firstlineno, operands
    )


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:  # type: ignore[reportUnknownVariableType]
            yield from _tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():  # type: ignore[reportUnknownVariableType]
            yield from _tensors(item)
