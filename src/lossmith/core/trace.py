"""The tensors that each line of a function makes, as it runs eagerly."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np

RETURNED = "return"
_LIBRARIES = ("site-packages", "dist-packages")
_STANDARD = sysconfig.get_path("stdlib")
_OURS = str(Path(__file__).parents[1])


@dataclass(frozen=True, eq=False)
class Event:
    """A tensor that a line made.

    Attributes:
        file: The file of the line.
        line: Its number.
        name: The variable that holds the tensor, `"return"` for what a function returns.
        value: The tensor; of a list, tuple or mapping each tensor is an event of its own.
    """

    file: str
    line: int
    name: str
    value: Any


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
    recorder = _Recorder(own)
    before = sys.gettrace()
    sys.settrace(recorder.enter)
    try:
        result = call()
    finally:
        sys.settrace(before)
    return recorder.events, result


def of_users(file: str) -> bool:
    """Whether a file is neither of a library, nor of Python, nor of lossmith."""
    if file.startswith(("<", _STANDARD, _OURS)):
        return False
    return not any(part in Path(file).parts for part in _LIBRARIES)


@dataclass
class _Recorder:
    """What `sys.settrace` calls."""

    own: Callable[[str], bool]
    events: list[Event] = field(default_factory=list[Event])

    def enter(self, frame: FrameType, kind: str, value: Any) -> Callable[..., Any] | None:
        """Follow a function, or not."""
        del kind, value
        return _Function(self, dict(frame.f_locals)).step if self._follows(frame) else None

    def _follows(self, frame: FrameType) -> bool:
        return self.own(frame.f_code.co_filename)


class _Function:
    """One call of a followed function."""

    def __init__(self, recorder: _Recorder, known: Mapping[str, Any]) -> None:
        self._recorder = recorder
        self._known = dict(known)
        self._line = 0

    def step(self, frame: FrameType, kind: str, value: Any) -> Callable[..., Any]:
        """Note what the line before this event made."""
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
        file = frame.f_code.co_filename
        self._recorder.events += [Event(file, line, name, tensor) for tensor in _tensors(value)]


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:  # type: ignore[reportUnknownVariableType]
            yield from _tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():  # type: ignore[reportUnknownVariableType]
            yield from _tensors(item)
