"""What the lines of a loss make, run by run: their tensors as arrays, their slopes, and marks."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from lossmith import backend
from lossmith.core.trace import Event, of_users, watch

Array = Any
Tensor = Any
Own = Callable[[str], bool]


@dataclass(frozen=True, eq=False)
class Mark:
    """A line at which something begins.

    Attributes:
        kind: `"broadcast"`, `"mixing"`, `"not finite"`, `"dead gradient"` or `"raised"`.
        file: The file of the line.
        line: Its number.
        text: What was seen.
        name: The variable that it shows in, or the expression.
        shape: The shape of that tensor.
        where: The places in that tensor, one row each; None where there are none to name.
        first: The first line of the function that the line stands in.
    """

    kind: str
    file: str
    line: int
    text: str = ""
    name: str = ""
    shape: tuple[int, ...] = ()
    where: Array | None = None
    first: int = 0

    @property
    def source(self) -> str:
        """The line itself."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        """Write it as editors find it."""
        return f"{Path(self.file).name}:{self.line}: {self.source}"


@dataclass(frozen=True, eq=False)
class Made:
    """What one event left behind.

    Attributes:
        event: The event.
        array: Its tensor; None where that has no numbers.
    """

    event: Event
    array: Array

    def mark(self, kind: str, text: str, where: Array | None = None) -> Mark:
        """Mark its line."""
        event = self.event
        return Mark(
            kind, event.file, event.line, text, event.name,
            shape=tuple(event.value.shape), where=where, first=event.first,
        )  # fmt: skip


def raised(error: BaseException, own: Own = of_users) -> Mark | None:
    """Return the innermost followed line of an error."""
    frames = [(f, line) for f, line in traceback.walk_tb(error.__traceback__)
              if own(f.f_code.co_filename)]  # fmt: skip
    if not frames:
        return None
    frame, line = frames[-1]
    text = f"raised {type(error).__name__}: {error}"
    code = frame.f_code
    return Mark("raised", code.co_filename, line, text, first=code.co_firstlineno)


def made_by(call: Callable[[], Any], own: Own) -> list[Made]:
    """Run a call and keep what its lines make.

    Args:
        call: What to run, eagerly.
        own: Whether to follow the functions of a file.
    """
    found: list[Made] = []

    def note(event: Event) -> None:
        known = backend.has_value(event.value)
        found.append(Made(event, backend.to_numpy(event.value) if known else None))

    watch(call, own, note)
    return found


def slopes_of(
    function: Callable[[Tensor], Tensor],
    prediction: Array,
    events: Sequence[Made],
    own: Own,
    places: Sequence[int] | None = None,
) -> list[Array | None]:
    """Return the gradient of a weighted sum of what each event made, along the prediction.

    Args:
        function: Takes the prediction and returns the loss.
        prediction: A floating NumPy array.
        events: What its lines made before.
        own: Whether to follow the functions of a file.
        places: Of which events; None: of all. The others get None.
    """
    asked = range(len(events)) if places is None else places
    known = [i for i in asked if (array := events[i].array) is not None and array.size]

    def held(x: Tensor) -> list[Tensor]:
        values: list[Tensor] = []
        watch(lambda: function(x), own, lambda event: values.append(event.value))
        return [keras.ops.cast(values[place], "float32") for place in known]

    found = dict(zip(known, backend.slopes(held, prediction), strict=True))
    return [found.get(place) for place in range(len(events))]


def pairs(first: list[Made], second: list[Made]) -> Iterator[tuple[int, Made, Array]]:
    """Go through what lines made in both of two runs, in one shape: place, first, second."""
    others: dict[Any, list[Made]] = {}
    for made in second:
        others.setdefault(_key(made), []).append(made)
    for place, made in enumerate(first):
        if same := others.get(_key(made)):
            other = same.pop(0).array
            if made.array is not None and other is not None and made.array.shape == other.shape:
                yield place, made, other


def by_position(event: Event, sizes: Sequence[int]) -> bool:
    """Whether an operation repeats a tensor by position.

    That is one whose operands both grow, such as `(5,)` and `(5, 1)` to `(5, 5)`, or whose
    operands have different ranks and lengths that do not tell their axes apart.

    Args:
        event: What it made.
        sizes: The lengths of the axes of the prediction.
    """
    operands = [shape for shape in event.operands or () if shape]
    result = tuple(event.value.shape)
    if len(set(operands)) < 2 or not _broadcast(operands, result):  # noqa: PLR2004 - a pair
        return False
    if all(shape != result for shape in operands):
        return True
    short = min(operands, key=len)
    return len(short) < len(result) and any(
        size > 1 and (size not in sizes or max(list(sizes).count(size), result.count(size)) > 1)
        for size in short
    )


def _key(made: Made) -> tuple[str, int, str]:
    return made.event.file, made.event.line, made.event.name


def _broadcast(operands: Sequence[tuple[int, ...]], result: tuple[int, ...]) -> bool:
    """Whether a result has the shape that the operands broadcast to."""
    rank = max(map(len, operands))
    padded = [(1,) * (rank - len(shape)) + shape for shape in operands]
    lengths = [set(sizes) - {1} for sizes in zip(*padded, strict=True)]
    if any(len(found) > 1 for found in lengths):
        return False
    return result == tuple(next(iter(found), 1) for found in lengths)
