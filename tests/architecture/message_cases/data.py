"""The places that raise where batches are grouped, padded and put into buckets."""

from collections.abc import Callable

import keras
import numpy as np

import lossmith as lm
from tests.architecture.message_cases.build import compiled, zeros

MASK = lm.masks.Lengths("y:lengths")


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return zeros(2, 2), zeros(2, 2)


def groups(count="mse", *, k=2, batch=None, **arguments):
    """Group two batches, counted by a loss of this error, and return the first."""
    if isinstance(count, str):
        count = lm.Loss(count, arguments.pop("axes", "b f, b f"), **arguments)
    usual = (zeros(2, 2), {"y": zeros(2, 2), "lengths": np.array([1, 2])})
    batch = usual if batch is None else batch
    return next(lm.data.accumulation_groups([batch, batch], k, count))


def trained(loss, batch, **arguments):
    optimizer = keras.optimizers.SGD(**arguments)
    return compiled(loss, optimizer=optimizer).train_on_batch(*batch)


def with_keras_mask():
    inputs = keras.Input((2, 1))
    model = lm.Model(inputs, keras.layers.Dense(1)(keras.layers.Masking()(inputs)))
    model.compile(keras.optimizers.SGD(gradient_accumulation_steps=2), loss=lm.Loss("mse"))
    model.train_on_batch(*groups(lm.Loss("mse"), batch=(zeros(2, 2, 1), zeros(2, 2, 1))))


def lengths_that_move():
    loss = lm.Loss("l1", "b t h", of="layer:hidden")
    batches = [(zeros(2, steps, 1), zeros(2)) for steps in (3, 5)]
    next(lm.data.accumulation_groups(batches, 2, loss))


def of_tf_data(**arguments):
    import tensorflow as tf

    lm.data.bucket_by_length(tf.data.Dataset.from_tensors((zeros(3), zeros(3))), **arguments)


CASES: dict[str, Callable[[], object]] = {
    "groups-k": lambda: groups(k=0),
    "groups-count": lambda: groups(4),
    "groups-no-targets": lambda: groups(batch=zeros(2, 2)),
    "groups-targets-without-names": lambda: groups(batch=(zeros(2), (zeros(2), zeros(2)))),
    "groups-not-a-count": lambda: groups(lambda *_: float("nan")),
    "groups-order": lambda: compiled(lm.Loss("mse")).fit(
        lm.data.accumulation_groups(Batches(), 2, lm.Loss("mse"))
    ),
    "groups-of-a-path": lambda: groups(lm.CTC("b l, b t [c]", lengths={"l": "y:lengths"})),
    "groups-weights-by-prediction": lambda: groups(
        weights=lm.weights.Outside(0.0, 1.0, factor=2.0), reduce="weighted_mean"
    ),
    "groups-mask-by-prediction": lambda: groups(mask=lm.masks.Finite("output")),
    "groups-inputs": lambda: groups(mask=lm.masks.Lengths("y:length")),
    "groups-length": lambda: groups(axes="b f, b f t", mask=lm.masks.Lengths("y:lengths", "t")),
    "groups-lengths-that-move": lengths_that_move,
    "groups-term-not-counted": lambda: lm.Loss("mae", "b f, b f")(groups()[1], zeros(2, 2)),
    "groups-keras-mask": with_keras_mask,
    "groups-reduce": lambda: lm.Loss("mse", "b f, b f", reduce="mean b, mean f")(
        groups()[1], zeros(2, 2)
    ),
    "pad-multiple": lambda: lm.data.pad_to_multiple([[1]], 0),
    "pad-sequences": lambda: lm.data.pad_to_multiple([zeros(2, 3), zeros(2, 4)], 8),
    "buckets-samples": lambda: lm.data.Buckets([zeros(2), zeros(3)], zeros(3), tokens=8),
    "buckets-weights": lambda: lm.data.Buckets([zeros(2)], None, zeros(1), tokens=8),
    "buckets-tokens": lambda: lm.data.Buckets([zeros(2), zeros(9)], tokens=8),
    "buckets-of-tf-data": lambda: lm.data.bucket_by_length([zeros(2)], tokens=8, longest=4),
    "buckets-of-tf-data-tokens": lambda: of_tf_data(tokens=8, longest=9),
    "buckets-of-tf-data-fixed": lambda: of_tf_data(tokens=8, longest=8),
    "groups-optimizer": lambda: trained(lm.Loss("mse", "b f, b f"), groups()),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "buckets-of-tf-data-tokens": ("tensorflow", "tf.data comes with it"),
    "buckets-of-tf-data-fixed": ("tensorflow", "tf.data comes with it"),
}

NOT_RAISED: dict[str, str] = {
    "data/_streams.py::bucket_by_length": "only of a tf.data.Dataset; cased on TensorFlow",
}
