"""`lm.data.accumulation_groups`: batches that know what the group they belong to counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras

from lossmith import backend
from lossmith.core.groups import COLUMNS, group_rows
from lossmith.data._counting import Count, counters
from lossmith.data._padding import whole
from lossmith.messages import ArgumentError

Batch = tuple[Any, ...]


def accumulation_groups(dataset: Any, k: int, count: Any) -> Any:
    """Tell each batch what its group of `k` batches counts, for gradients that are accumulated.

    A mean over `k` batches is not the mean of their means where they count unequal numbers. With
    the count of the whole group known, the average of the `k` gradients is the gradient of one
    batch that holds them all. The numbers travel among the targets, as fields of a dict; losses of
    lossmith read them in an `lm.Model`, and in a loop of your own that averages `k` gradients.

    The last group is filled up with batches that count nothing, so that none of its gradients
    waits for the next epoch. They are copies of the last batch, whose loss and gradient are 0; only
    metrics that are not of lossmith see them.

    Args:
        dataset: Batches `(x, y)` or `(x, y, sample_weight)`: a `keras.utils.PyDataset`, a
            `tf.data.Dataset`, or any other iterable. `y` is an array or a dict of fields.
        k: How many batches make a group: `gradient_accumulation_steps` of the optimizer.
        count: What a batch counts: the loss, where targets, inputs and sample weights alone decide
            that; or a function of `(x, y, sample_weight)` that returns a number in proportion to
            it, for all terms; or a dict of such functions by the names of terms.

    Returns:
        A `PyDataset`, to be trained on with `shuffle=False`, for a `PyDataset`; a
        `tf.data.Dataset` for one; else a generator.

    Raises:
        ArgumentError: If `k` is no whole number above 0, if a term cannot be counted without a
            prediction, or if batches are no such tuples; by `fit`, where it shuffles the batches.

    Example:
        >>> import numpy as np, lossmith as lm
        >>> batches = [(np.ones((2, 3)), {"y": np.ones((2, 3)), "lengths": n})
        ...            for n in np.array([[3, 3], [1, 0], [2, 0]])]
        >>> loss = lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"))
        >>> for x, y in lm.data.accumulation_groups(batches, 2, loss):
        ...     print(y["group_of_2_by_loss/mse"][0])
        [6. 7. 1.]
        [1. 7. 1.]
        [2. 2. 1.]
        [0. 2. 0.]
    """
    k = whole(k, "k", example=4)
    fields = counters(count, k)
    if isinstance(dataset, keras.utils.PyDataset):
        return _Groups(dataset, k, fields)
    if backend.is_tf_dataset(dataset):
        batches = dataset.as_numpy_iterator
        shapes = dict.fromkeys(fields, COLUMNS)
        return backend.regrouped(dataset, lambda: _generate(batches(), k, fields), shapes, k)
    return _generate(dataset, k, fields)


def _generate(dataset: Iterable[Any], k: int, fields: Mapping[str, Count]) -> Iterator[Batch]:
    """Yield the batches of one pass, group by group."""
    group: list[Batch] = []
    for batch in dataset:
        group.append(_checked(batch))
        if len(group) == k:
            yield from _told(group, k, fields)
            group = []
    if group:
        yield from _told(group, k, fields)


class _Groups(keras.utils.PyDataset):
    """The batches of another `PyDataset`, group by group.

    Args:
        dataset: The other.
        k: How many batches a group has.
        fields: What counts a batch, by the field that it is written into.

    Attributes:
        in_order: Whether batches have to come one after the other, which `lm.Model` asks for.
    """

    in_order = True

    def __init__(self, dataset: Any, k: int, fields: Mapping[str, Count]) -> None:
        super().__init__()  # without workers, which might hand batches on in another order
        self._dataset, self._k, self._fields = dataset, k, fields
        self._last: tuple[int, list[Batch]] = (-1, [])

    @property
    def num_batches(self) -> int | None:
        """The number of batches with those that fill up the last group; None: without end."""
        size = self._dataset.num_batches
        return size if size is None else -(-size // self._k) * self._k

    def __getitem__(self, index: int) -> Batch:
        """Return a batch; its whole group is read with the first that is asked for."""
        place, within = divmod(index, self._k)
        last, group = self._last
        if place != last:
            first, size = place * self._k, self._dataset.num_batches
            stop = first + self._k if size is None else min(first + self._k, size)
            read = [_checked(self._dataset[at]) for at in range(first, stop)]
            group = _told(read, self._k, self._fields)
            self._last = (place, group)
        return group[within]

    def on_epoch_begin(self) -> None:
        """Begin an epoch of the other dataset."""
        self._dataset.on_epoch_begin()
        self._last = (-1, [])

    def on_epoch_end(self) -> None:
        """End an epoch of the other dataset."""
        self._dataset.on_epoch_end()
        self._last = (-1, [])


def _checked(batch: Any) -> Batch:
    """Return a batch with its targets as a dict.

    Raises:
        ArgumentError: If it has no targets, or several without names.
    """
    several = isinstance(batch, Sequence) and len(batch) in (2, 3)
    if not several or isinstance(batch[1], (list, tuple)):
        raise ArgumentError(
            "a batch needs its targets, as an array or by name",
            got=f"{type(batch).__name__} of {len(batch)}" if several else type(batch).__name__,
            expected="(x, y) or (x, y, sample_weight), y an array or a dict",
            fix='yield (x, {"y": y, "lengths": lengths})',
        )
    x, y, *sample_weight = batch
    return (x, dict(y) if isinstance(y, Mapping) else {"y": y}, *sample_weight)


def _told(group: Sequence[Batch], k: int, fields: Mapping[str, Count]) -> list[Batch]:
    """Return the batches of a group, filled up to `k`, with what the group counts."""
    counts = {field: [_counted(count, batch) for batch in group] for field, count in fields.items()}
    told: list[Batch] = []
    for place in range(k):
        x, y, *sample_weight = group[min(place, len(group) - 1)]
        samples = len(next(iter(y.values())))
        for field, numbers in counts.items():
            real = place < len(group)
            own = numbers[place] if real else 0.0
            y = {**y, field: group_rows(samples, own, sum(numbers), real=real)}
        told.append((x, y, *sample_weight))
    return told


def _counted(count: Count, batch: Batch) -> float:
    x, y, *sample_weight = batch
    number = float(count(x, y, sample_weight[0] if sample_weight else None))
    if not 0 <= number < float("inf"):
        raise ArgumentError(
            "a batch counts a finite number, or nothing",
            got=f"a count of {number}",
            expected="0 or more",
            fix="return how many positions count, as in y['lengths'].sum()",
        )
    return number
