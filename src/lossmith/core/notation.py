"""The notation of axes: `"b t, b t [c] -> b t"`, parsed and checked without any tensor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lossmith.messages import NotationError, listed

ELLIPSIS = "..."
ONE = "1"
_TOKEN = re.compile(r"\.\.\.|[A-Za-z_][A-Za-z0-9_]*|1(?![0-9A-Za-z_])|\[|\]")
_SPACE = re.compile(r"\s+")
_NOTHING_INSIDE = re.compile(r"\[\s*\]")


@dataclass(frozen=True)
class TensorAxes:
    """The axes of one tensor as written: names, `1` and `...`, and which of them are consumed."""

    items: tuple[str, ...]
    consumed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order, without `1` and `...`."""
        return tuple(item for item in self.items if item not in (ONE, ELLIPSIS))

    @property
    def leading(self) -> tuple[str, ...]:
        """The items that the error function does not consume."""
        return tuple(item for item in self.items if item not in self.consumed)

    def __str__(self) -> str:
        """Write it in the notation again."""
        return " ".join(f"[{item}]" if item in self.consumed else item for item in self.items)


@dataclass(frozen=True)
class Axes:
    """What an axes string says: the axes of each input and, where given, of the result."""

    inputs: tuple[TensorAxes, ...]
    result: TensorAxes | None = None

    @property
    def consumed(self) -> tuple[str, ...]:
        """The names that the error function consumes, the prediction's first."""
        return _unique(name for axes in reversed(self.inputs) for name in axes.consumed)

    @property
    def names(self) -> tuple[str, ...]:
        """All names of all inputs."""
        return _unique(name for axes in reversed(self.inputs) for name in axes.names)

    def __str__(self) -> str:
        """Write it in the notation again."""
        text = ", ".join(str(axes) for axes in self.inputs)
        return f"{text} -> {self.result}" if self.result else text


def parse_axes(text: str) -> Axes:
    """Read an axes string.

    Args:
        text: For example `"b t, b t [c]"`. Names in `[ ]` are consumed by the error function,
            `...` stands for any leading axes, `1` for an axis of length one.

    Raises:
        NotationError: Where the string cannot be read, with the place.
    """
    body, arrow, tail = text.partition("->")
    inputs = tuple(parse_tensor(part, text) for part in body.split(","))
    result = parse_tensor(tail, text) if arrow else None
    axes = Axes(inputs, result)
    _check_consumed(axes, text)
    _check_result(axes, text)
    return axes


def parse_tensor(part: str, text: str) -> TensorAxes:
    """Read the axes of one tensor; `text` is the whole string, for messages."""
    items: list[str] = []
    consumed: list[str] = []
    inside = False
    for token in _tokens(part, text):
        if token in "[]":
            if (token == "[") == inside:
                raise NotationError(
                    "brackets in the axes do not pair up",
                    got=f"{part.strip()!r} in {text!r}",
                    expected="each [ closed by a ] of its own, no brackets inside brackets",
                    fix='write "b t [c]", or "b [h w]" for two consumed axes',
                )
            inside = token == "["
            continue
        items.append(token)
        if inside:
            consumed.append(token)
    _check_tensor(items, consumed, part, text, open_bracket=inside)
    return TensorAxes(tuple(items), tuple(consumed))


def _tokens(part: str, text: str) -> list[str]:
    tokens: list[str] = []
    place = 0
    while place < len(part):
        if space := _SPACE.match(part, place):
            place = space.end()
            continue
        token = _TOKEN.match(part, place)
        if token is None:
            raise NotationError(
                f"the axes have {part[place:].split(maxsplit=1)[0]!r}, which is not an axis",
                got=repr(text),
                expected='names, 1, ... and [ ], with "," between tensors',
                fix='give each axis a name, as in "b t [c]"; lengths are read from the tensors',
            )
        tokens.append(token.group())
        place = token.end()
    return tokens


def _check_tensor(
    items: list[str], consumed: list[str], part: str, text: str, *, open_bracket: bool
) -> None:
    if open_bracket:
        raise NotationError(
            "a [ in the axes is never closed",
            got=f"{part.strip()!r} in {text!r}",
            expected="a ] after the consumed axes",
            fix='write "b t [c]"',
        )
    if not items:
        raise NotationError(
            "a tensor in the axes has no axes",
            got=repr(text),
            expected="at least one axis for each tensor, and no stray comma",
            fix='write "b, b" for one number a sample',
        )
    twice = [item for item in items if items.count(item) > 1 and item != ONE]
    if twice:
        raise NotationError(
            f"{twice[0]!r} stands twice in one tensor",
            got=f"{part.strip()!r} in {text!r}",
            expected="each name once in a tensor",
            fix='give the second axis a name of its own, as in "b t s"',
        )
    if ELLIPSIS in items[1:]:
        raise NotationError(
            '"..." stands after another axis',
            got=f"{part.strip()!r} in {text!r}",
            expected='"..." first: it stands for the leading axes',
            fix='write "... [c]"',
        )
    if ELLIPSIS in consumed or ONE in consumed or _NOTHING_INSIDE.search(part):
        raise NotationError(
            "only a named axis can be consumed",
            got=f"{part.strip()!r} in {text!r}",
            expected="names inside [ ]",
            fix='name the axis, as in "b t [c]"',
        )


def _check_consumed(axes: Axes, text: str) -> None:
    for name in axes.consumed:
        if any(name in tensor.names and name not in tensor.consumed for tensor in axes.inputs):
            raise NotationError(
                f"{name!r} is consumed in one tensor and not in another",
                got=repr(text),
                expected="the same brackets wherever a name stands",
                fix=f"write [{name}] in each tensor that has it",
            )


def _check_result(axes: Axes, text: str) -> None:
    if axes.result is None:
        return
    kept = _unique(item for tensor in reversed(axes.inputs) for item in tensor.leading)
    wanted = [name for name in kept if name != ONE]
    if axes.result.consumed or sorted(axes.result.items) != sorted(wanted):
        raise NotationError(
            "the result does not have the axes that are left",
            got=f"-> {axes.result} in {text!r}",
            expected=f"each axis that is not consumed, once: {listed(wanted)}",
            fix=f'write "-> {" ".join(wanted)}", or put [ ] around what the function consumes',
        )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
