"""`lm.data.bucket_by_length`: the buckets of a `tf.data.Dataset`."""

from __future__ import annotations

from typing import Any

import keras

from lossmith import backend
from lossmith.data._padding import budget, rounded_up, whole
from lossmith.messages import ArgumentError


def bucket_by_length(
    dataset: Any, *, tokens: int, longest: int, multiple: int = 1, pad: float = 0
) -> Any:
    """Put the samples of a `tf.data.Dataset` into batches of about one length.

    As `Buckets` does for samples in memory: a batch is as long as its bucket, a multiple of
    `multiple`, and has `tokens // length` samples. What is left over in the buckets at the end
    comes in smaller batches.

    Args:
        dataset: Samples `(x, y)` or `(x, y, sample_weight)`, not yet batched. Each axis of unknown
            length is padded; the longest first one is the length of the sample.
        tokens: How many steps, padding with them, a batch may have.
        longest: How long the longest sample is.
        multiple: What lengths are rounded up to a multiple of.
        pad: What stands behind the end of a sequence.

    Returns:
        A `tf.data.Dataset` of batches.

    Raises:
        ArgumentError: If the dataset is no `tf.data.Dataset`, if no axis of it has an unknown
            length, or if the longest sample is longer than the budget.

    Example:
        >>> import lossmith as lm
        >>> def train(model, samples):  # a tf.data.Dataset of (words, {"y": tags, "lengths": n})
        ...     batches = lm.data.bucket_by_length(
        ...         samples.shuffle(1000), tokens=4096, longest=512, multiple=16
        ...     )
        ...     model.fit(batches, epochs=3)
    """
    if not backend.is_tf_dataset(dataset):
        raise ArgumentError(
            "bucket_by_length takes a tf.data.Dataset",
            got=f"a {type(dataset).__name__}",
            expected="a tf.data.Dataset of single samples",
            fix="lm.data.Buckets(x, y, tokens=4096) for samples in memory",
        )
    step = whole(multiple, "multiple")
    last = rounded_up(whole(longest, "longest", example=512), step)
    tokens = budget(tokens, last)
    if all(spec.shape[:1].as_list() != [None] for spec in keras.tree.flatten(dataset.element_spec)):
        raise ArgumentError(
            "no axis of the samples has a length of its own",
            got=f"samples of {dataset.element_spec}",
            expected="at least one first axis of unknown length",
            fix="write tf.TensorSpec((None,), ...) where the dataset is made",
        )
    return backend.bucketed(dataset, {n: tokens // n for n in range(step, last + 1, step)}, pad)
