"""`lm.data.Buckets`: batches of samples that are about equally long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from lossmith.data._padding import budget, padded, rounded_up, whole
from lossmith.messages import ArgumentError, listed


class Buckets(keras.utils.PyDataset):
    """Batches of samples of about one length, padded, with as many samples as a budget allows.

    A batch has the length of its bucket, a multiple of `multiple`, and `tokens // length` samples.
    So there are few shapes, each a program to compile, and little padding. What is left over in a
    bucket joins the next longer one, where that pads by less than a batch. Every sample comes once
    an epoch; the set of shapes is that of each epoch.

    Nothing is masked by it: give lengths among the targets, or let a mask find the padding.

    Args:
        x: Inputs: a list of arrays (steps, ...), an array (samples, ...), or a dict of these.
            Lists are padded, arrays are not.
        y: Targets, likewise; None for `predict`.
        sample_weight: Sample weights, likewise.
        tokens: How many steps, padding with them, a batch may have.
        multiple: What lengths are rounded up to a multiple of.
        pad: What stands behind the end of a sequence.
        seed: Mixes samples and batches anew for each epoch of `fit`; None: each epoch alike.

    Raises:
        ArgumentError: If nothing is a list of sequences, if there are unequal numbers of samples,
            or if a sample is longer than the budget.
        ShapeError: If sequences differ in another axis than their first.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> x = [np.ones(n) for n in (5, 2, 7, 3, 8, 1, 4, 2)]
        >>> lengths = np.array([len(steps) for steps in x])
        >>> buckets = lm.data.Buckets(x, {"y": x, "lengths": lengths}, tokens=16, multiple=4)
        >>> for x, y in buckets:
        ...     print(x.shape, y["lengths"])
        (2, 8) [2 5]
        (4, 4) [2 3 1 4]
        (2, 8) [7 8]
    """

    def __init__(  # noqa: PLR0913
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        tokens: int,
        multiple: int = 1,
        pad: float = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self._parts = [_leaves(part) for part in (x, y, sample_weight) if part is not None]
        leaves = [leaf for part in self._parts for leaf in part.values()]
        sequences = [leaf for leaf in leaves if isinstance(leaf, list)]
        _check_samples([len(leaf) for leaf in leaves], sequences)
        _check_targets(y, sample_weight)
        multiple = whole(multiple, "multiple")
        longest = [max(map(len, sample)) for sample in zip(*sequences, strict=True)]
        self._lengths = np.array([rounded_up(length, multiple) for length in longest])
        self._tokens = budget(tokens, int(self._lengths.max()))
        self._pad, self._seed, self._epoch = pad, seed, -1
        self._widths = [self._widths_of(part, multiple) for part in self._parts]
        self._batches = self._planned()

    @property
    def num_batches(self) -> int:
        """The number of batches, which is that of each epoch."""
        return len(self._batches)

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.num_batches

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return a batch: the first is one of the longest, the second one of the shortest."""
        length, samples = self._batches[index]
        taken = (
            {k: self._taken(leaf, widths[k].get(length), samples) for k, leaf in part.items()}
            for part, widths in zip(self._parts, self._widths, strict=True)
        )
        return tuple(map(_like, taken))

    def on_epoch_begin(self) -> None:
        """Mix anew."""
        self._epoch += 1
        self._batches = self._planned()

    def _taken(self, leaf: Any, width: int | None, samples: np.ndarray) -> np.ndarray:
        if width is None:
            return leaf[samples]
        return padded([leaf[place] for place in samples], width, self._pad)

    def _widths_of(self, part: dict[str, Any], multiple: int) -> dict[str, dict[int, int]]:
        """Return how long the sequences of each field are padded, by the length of the bucket."""
        buckets = [(int(length), self._lengths <= length) for length in np.unique(self._lengths)]
        widths: dict[str, dict[int, int]] = {}
        for name, leaf in part.items():
            steps = np.array([len(sample) for sample in leaf]) if isinstance(leaf, list) else None
            widths[name] = {
                length: rounded_up(int(steps[inside].max()), multiple)
                for length, inside in buckets
                if steps is not None
            }
        return widths

    def _planned(self) -> list[tuple[int, np.ndarray]]:
        """Return the length and the samples of each batch."""
        mixed = None if self._seed is None else np.random.default_rng([self._seed, self._epoch + 1])
        order = np.arange(len(self._lengths))
        if mixed is not None:
            order = mixed.permutation(order)
        batches = list(self._filled(order))
        if mixed is not None:
            batches = [batches[place] for place in mixed.permutation(len(batches))]
        # Keras on TensorFlow learns from the first two batches which axes have several lengths.
        first = batches.pop(max(range(len(batches)), key=lambda place: batches[place][0]))
        if batches:
            second = min(range(len(batches)), key=lambda place: batches[place][0])
            batches.insert(0, batches.pop(second))
        return [first, *batches]

    def _filled(self, order: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Fill the buckets, the shortest first."""
        lengths = [int(length) for length in np.unique(self._lengths)]
        rest = order[:0]
        for length, longer in zip(lengths, [*lengths[1:], None], strict=True):
            own = np.concatenate([rest, order[self._lengths[order] == length]])
            size = self._tokens // length
            whole_batches = len(own) // size * size
            for start in range(0, whole_batches, size):
                yield length, own[start : start + size]
            rest = own[whole_batches:]
            if len(rest) and (longer is None or len(rest) * (longer - length) > self._tokens):
                yield length, rest
                rest = rest[:0]


_ONE = ""


def _leaves(part: Any) -> dict[str, Any]:
    """Return the fields of a part, lists of sequences as lists of arrays."""
    fields = part if isinstance(part, Mapping) else {_ONE: part}
    return {name: _leaf(field) for name, field in fields.items()}


def _leaf(field: Any) -> Any:
    ragged = (
        isinstance(field, Sequence) or getattr(getattr(field, "dtype", None), "kind", "") == "O"
    )
    if ragged and any(np.ndim(sample) for sample in field):
        return [np.asarray(sample) for sample in field]
    return np.asarray(field)


def _like(taken: dict[str, np.ndarray]) -> Any:
    return taken[_ONE] if list(taken) == [_ONE] else taken


def _check_samples(numbers: list[int], sequences: list[Any]) -> None:
    if len(set(numbers)) == 1 and numbers[0] and sequences:
        return
    raise ArgumentError(
        "buckets hold samples, each with a sequence of its own length",
        got=f"parts of {listed(numbers)} samples, {len(sequences)} of them lists of sequences",
        expected="equal numbers, above 0, and at least one list of arrays",
        fix="give x as a list of arrays (steps, ...), one a sample",
    )


def _check_targets(y: Any, sample_weight: Any) -> None:
    if y is None and sample_weight is not None:
        raise ArgumentError(
            "sample weights weigh targets",
            got="sample_weight without y",
            expected="both, or neither",
            fix="write lm.data.Buckets(x, y, sample_weight, tokens=4096)",
        )
