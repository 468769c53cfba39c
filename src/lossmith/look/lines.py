"""A loss line by line: its source, the tensors of each line, and what begins there."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lossmith import backend
from lossmith.core.axes import line_up
from lossmith.core.made import Mark, by_position, raised
from lossmith.core.marks import Lines
from lossmith.core.notation import ELLIPSIS, ONE, parse_axes
from lossmith.core.trace import RETURNED, Event, watch
from lossmith.look.explanation import Explanation, Line, Note, Section
from lossmith.look.subject import Subject
from lossmith.look.summary import Tensor, summary
from lossmith.messages import NotationError

Array = Any
_MOST = 1 << 20  # numbers of a batch that all further runs are made on
_FEW = 5  # samples that they are made on where there are more


def explained_lines(
    subject: Subject, y_true: Array, y_pred: Array, axes: str | None, sample_weight: Any
) -> Explanation:
    """Show the source of a loss, with what its lines make of a batch."""
    run = _Run(subject, y_true, _floating(y_pred), axes, sample_weight)
    return Explanation(subject.title, run.facts, (run.inputs, *run.sections()), run.error)


class _Run:
    """One loss run on one batch, and on changes of it.

    Attributes:
        facts: What it ran on, and its value.
        inputs: Target and prediction.
        error: What it raised; empty: nothing.
    """

    def __init__(
        self, subject: Subject, y_true: Array, y_pred: Array, axes: str | None, weight: Any
    ) -> None:
        self._subject = subject
        self._arrays = {"y_true": y_true, "y_pred": y_pred}
        self._items, self._sizes = _named(axes, self._arrays)
        self._tensors: dict[tuple[str, int, str], Tensor] = {}
        self._functions: dict[tuple[str, int], None] = {}
        self._marks: list[Mark] = []
        self.facts: tuple[tuple[str, str], ...] = (("backend", keras.config.backend()),)
        self.error = ""
        self._run(weight)
        rows = [_input(name, x, self._axes(x.shape)) for name, x in self._arrays.items()]
        self.inputs = Section("inputs", "", (Line(0, "", tuple(rows)),))

    def sections(self) -> tuple[Section, ...]:
        """Return the functions that ran, in the order in which they were entered."""
        for mark in self._marks:
            self._functions.setdefault((mark.file, mark.first))
        blocks = [(file, first, _block(file, first)) for file, first in self._functions]
        outer = [
            (file, first, block) for file, first, block in blocks
            if not any(file == other and start < first < start + len(lines)
                       for other, start, lines in blocks)
        ]  # fmt: skip
        return tuple(self._section(*found) for found in outer)

    # ── one run ──────────────────────────────────────────────────────────────────────────────

    def _run(self, weight: Any) -> None:
        tensors = map(keras.ops.convert_to_tensor, self._arrays.values())
        try:
            value = watch(partial(self._subject, *tensors, weight), self._subject.own, self._note)
            total = float(np.sum(backend.to_numpy(keras.ops.convert_to_tensor(value))))
        except Exception as error:  # noqa: BLE001 - whatever it raises is shown, with all lines up to it
            self.error = f"raised {type(error).__name__}: {error}"
            self._add(raised(error, self._subject.own))
            return
        self.facts += (("value", f"{total:.6g}"),)
        self._compare()

    def _note(self, event: Event) -> None:
        """Keep what there is to say of a tensor, and not the tensor."""
        self._functions.setdefault((event.file, event.first))
        if event.operands is not None:
            if not self._marks and by_position(event, self._arrays["y_pred"].shape):
                self._add(_broadcast(event))
            return
        key = event.file, event.line, event.name
        found = summary(event.name, event.value, self._axes(event.value.shape))
        self._tensors[key] = self._tensors[key].joined(found) if key in self._tensors else found

    def _axes(self, shape: Sequence[int]) -> str:
        """Name the axes of a shape: as an input of that shape has them, or by their lengths."""
        for array, items in zip(self._arrays.values(), self._items, strict=False):
            if tuple(shape) == array.shape and ELLIPSIS not in items:
                return " ".join(items)
        names = [self._name(size) for size in shape] if self._items else []
        return " ".join(names)

    def _name(self, size: int) -> str:
        found = [name for name, length in self._sizes.items() if length == size]
        return ONE if size == 1 else found[0] if len(found) == 1 else "?"

    # ── further runs ─────────────────────────────────────────────────────────────────────────

    def _compare(self) -> None:
        """Find the marks, and the gradients of what was assigned."""
        y_true, y_pred = self._few()
        lines = Lines(self._subject, y_true, y_pred, self._subject.own)
        self._add(lines.first_mixing())
        try:
            slopes = lines.slopes()
        except Exception as error:  # noqa: BLE001 - a loss may have a value and refuse a gradient
            self.error = f"its gradient raised {type(error).__name__}: {error}"
            self._add(raised(error, self._subject.own))
            self._add(lines.not_finite())
            return
        self._add(lines.not_finite() or lines.bad_slope())
        self._add(lines.dead())
        follow = set(lines.followers())
        for place, made in enumerate(lines.events):
            event = made.event
            key = event.file, event.line, event.name
            if place in follow and event.operands is None and key in self._tensors:
                slope = slopes[place]
                share = 1.0 if slope is None else float(np.mean(slope == 0))
                self._tensors[key] = replace(self._tensors[key], no_gradient=share)

    def _few(self) -> list[Array]:
        """Return the batch, or the first samples of a large one."""
        large = sum(array.size for array in self._arrays.values()) > _MOST
        return [array[:_FEW] if large else array for array in self._arrays.values()]

    def _add(self, mark: Mark | None) -> None:
        self._marks += [mark] if mark else []

    # ── what is shown ────────────────────────────────────────────────────────────────────────

    def _section(self, file: str, first: int, block: Sequence[str]) -> Section:
        said = _docstring(block)
        lines = [
            self._line(file, first + place, text)
            for place, text in enumerate(block)
            if place not in said
        ]
        return Section(f"{Path(file).name}, line {first}", file, tuple(lines))

    def _line(self, file: str, number: int, text: str) -> Line:
        tensors = [t for (own, at, _), t in self._tensors.items() if (own, at) == (file, number)]
        notes = [_noted(m) for m in self._marks if (m.file, m.line) == (file, number)]
        return Line(number, text, tuple(tensors), tuple(notes))


def _input(name: str, array: Array, axes: str) -> Tensor:
    """Sum up an input, which is no mask even where it holds ones and zeros."""
    return replace(summary(name, array, axes), counted=None)


def _floating(y_pred: Array) -> Array:
    return y_pred if y_pred.dtype.kind == "f" else y_pred.astype(keras.config.floatx())


def _named(
    axes: str | None, arrays: dict[str, Array]
) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    """Return the written axes of target and prediction, and the length of each name."""
    if axes is None:
        return [], {}
    written = parse_axes(axes).inputs
    if len(written) != len(arrays):
        raise NotationError(
            "the axes are for another number of tensors",
            got=repr(axes),
            expected="those of target and prediction",
            fix='write both with "," between, as in axes="b t, b t [c]"',
        )
    _, sizes = line_up(arrays, written)
    return [tensor.items for tensor in written], sizes


def _broadcast(event: Event) -> Mark:
    shapes = " and ".join(str(shape) for shape in dict.fromkeys(event.operands or ()) if shape)
    text = f"{shapes} meet by position, and make {tuple(event.value.shape)}"
    return Mark("broadcast", event.file, event.line, text, event.name, first=event.first)


def _noted(mark: Mark) -> Note:
    named = mark.name and mark.name != RETURNED
    return Note(mark.kind, f"{mark.text}, in {mark.name}" if named else mark.text)


def _block(file: str, first: int) -> list[str]:
    """Return the lines of a function."""
    lines = linecache.getlines(file)[first - 1 :]
    return [line.rstrip("\n") for line in inspect.getblock(lines)] if lines else []


def _docstring(block: Sequence[str]) -> range:
    """Return the places of the lines of a function's docstring."""
    try:
        (function, *_) = ast.parse(textwrap.dedent("\n".join(block))).body
    except (SyntaxError, ValueError):  # a lambda in the middle of an expression
        return range(0)
    if not isinstance(function, ast.FunctionDef) or ast.get_docstring(function) is None:
        return range(0)
    return range(function.body[0].lineno - 1, function.body[0].end_lineno or 0)
