"""`tf.data`, which Keras reads on every backend."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def is_tf_dataset(dataset: Any) -> bool:
    """Tell whether something is a `tf.data.Dataset`."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(dataset, tensorflow.data.Dataset)


def regrouped(
    dataset: Any, batches: Callable[[], Iterator[Any]], columns: Mapping[str, int], multiple: int
) -> Any:
    """Return a `tf.data.Dataset` of batches like those of another, with further targets.

    Args:
        dataset: The other, of tuples whose second is the targets.
        batches: Makes the batches of one pass, whose targets are a dict.
        columns: The numbers of columns of the further targets, (batch, columns) floats, by name.
        multiple: What the number of batches is filled up to a multiple of.
    """
    import tensorflow as tf

    x, y, *sample_weight = dataset.element_spec
    targets = dict(y) if isinstance(y, Mapping) else {"y": y}
    size = next(iter(targets.values())).shape[0]
    further = {name: tf.TensorSpec((size, n), "float32") for name, n in columns.items()}
    signature = (x, {**targets, **further}, *sample_weight)
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    length = int(dataset.cardinality())
    if length >= 0:
        made = made.apply(
            tf.data.experimental.assert_cardinality(-(-length // multiple) * multiple)
        )
    return made.prefetch(tf.data.AUTOTUNE)


def bucketed(dataset: Any, sizes: Mapping[int, int], pad: float) -> Any:
    """Return batches of samples that are about equally long, padded to the length of their bucket.

    Args:
        dataset: The samples, as a `tf.data.Dataset`.
        sizes: How many samples make a batch, by the length of its bucket, the shortest first.
        pad: What stands behind the end of a sequence.
    """
    import tensorflow as tf

    def length(*sample: Any) -> Any:
        sequences = [x for x in tf.nest.flatten(sample) if x.shape[:1].as_list() == [None]]
        return tf.reduce_max([tf.shape(x)[0] for x in sequences])

    return dataset.bucket_by_sequence_length(
        length,
        bucket_boundaries=[n + 1 for n in sizes],
        bucket_batch_sizes=[*sizes.values(), 1],
        pad_to_bucket_boundary=True,
        padding_values=tf.nest.map_structure(
            lambda spec: tf.constant(pad, spec.dtype), dataset.element_spec
        ),
    )
