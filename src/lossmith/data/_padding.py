"""`lm.data.pad_to_multiple`: sequences of different length as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lossmith.messages import ArgumentError, ShapeError


def pad_to_multiple(sequences: Sequence[Any], multiple: int, *, value: float = 0) -> np.ndarray:
    """Pad sequences behind their ends to the length of the longest, rounded up to a multiple.

    Compilers make a program for each shape: the fewer lengths there are, the fewer programs.

    Args:
        sequences: Arrays (steps, ...), alike apart from their first axis.
        multiple: What the common length is a multiple of.
        value: What stands behind the end of a sequence.

    Returns:
        An array (sequences, steps, ...) of their dtype.

    Raises:
        ArgumentError: If `multiple` is no whole number above 0.
        ShapeError: If the sequences differ in another axis than their first.

    Example:
        >>> import lossmith as lm
        >>> lm.data.pad_to_multiple([[1, 2, 3], [4]], 4)
        array([[1, 2, 3, 0],
               [4, 0, 0, 0]])
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    longest = max((len(array) for array in arrays), default=0)
    return padded(arrays, rounded_up(longest, whole(multiple, "multiple")), value)


def whole(number: Any, name: str, *, example: int = 16) -> int:
    """Return a whole number above 0.

    Args:
        number: The argument.
        name: Its name.
        example: What it could be.

    Raises:
        ArgumentError: If it is something else.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        raise ArgumentError(
            f"{name} is a whole number above 0",
            got=f"{name}={number!r}",
            expected="1 or more",
            fix=f"write {name}={example}",
        )
    return int(number)


def rounded_up(length: int, multiple: int) -> int:
    """Return the next multiple, at least one."""
    return max(-(-length // multiple), 1) * multiple


def budget(tokens: Any, longest: int) -> int:
    """Return how many steps a batch may have.

    Args:
        tokens: The argument.
        longest: How long the longest sample is, with its padding.

    Raises:
        ArgumentError: If it is no whole number above 0, or less than the longest sample.
    """
    if whole(tokens, "tokens", example=4096) < longest:
        raise ArgumentError(
            "the longest sample does not fit into a batch",
            got=f"tokens={tokens}, and a sample of {longest} steps with its padding",
            expected=f"tokens of {longest} or more",
            fix=f"write tokens={longest}, or leave longer samples out",
        )
    return int(tokens)


def padded(arrays: Sequence[np.ndarray], length: int, value: float) -> np.ndarray:
    """Put arrays into one of a given length.

    Raises:
        ShapeError: If they differ in another axis than their first.
    """
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1 or any(array.ndim == 0 for array in arrays):
        raise ShapeError(
            "sequences differ in another axis than their first",
            got=f"arrays of {', '.join(str(array.shape) for array in arrays[:5])}",
            expected="arrays (steps, ...), alike apart from the number of steps",
            fix="bring what one step holds to one shape",
        )
    dtype = np.result_type(*arrays) if arrays else np.dtype("float32")
    whole_array = np.full((len(arrays), length, *next(iter(shapes), ())), value, dtype)
    for row, array in zip(whole_array, arrays, strict=True):
        row[: len(array)] = array
    return whole_array
