"""The same training from every kind of data that `fit` takes, with a last batch that is smaller."""

import importlib.util

import keras
import numpy as np
import pytest
from keras import ops

from tests.model.data import (
    FIELDS,
    KERNEL,
    LENGTHS,
    SAMPLES,
    TOTAL,
    WEIGHTS,
    X,
    Y,
    epoch,
    linear,
)

BATCH, RATE, EPOCHS = 6, 0.1, 2
BATCHES = -(-SAMPLES // BATCH)


def of_arrays():
    return {"x": X, "y": FIELDS, "sample_weight": WEIGHTS, "batch_size": BATCH}


def of_dataset():
    import tensorflow as tf

    return {"x": tf.data.Dataset.from_tensor_slices((X, FIELDS, WEIGHTS)).batch(BATCH)}


class Batches(keras.utils.PyDataset):
    """What a user writes who reads files batch by batch."""

    def __len__(self):
        return BATCHES

    def __getitem__(self, place):
        return batch_at(place)


def of_py_dataset():
    return {"x": Batches()}


def of_loader():
    from torch.utils.data import DataLoader

    samples = [(X[at], {"y": Y[at], "lengths": LENGTHS[at]}, WEIGHTS[at]) for at in range(SAMPLES)]
    return {"x": DataLoader(samples, batch_size=BATCH)}


def of_generator():
    def endless():
        while True:
            yield from map(batch_at, range(BATCHES))

    return {"x": endless(), "steps": BATCHES}


def batch_at(place):
    part = slice(place * BATCH, (place + 1) * BATCH)
    return X[part], {name: field[part] for name, field in FIELDS.items()}, WEIGHTS[part]


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed")


LOADER = [
    needs("torch"),
    pytest.mark.skipif(
        keras.config.backend() == "tensorflow", reason="two large frameworks in one process"
    ),
]
SOURCES = [
    pytest.param(of_arrays, id="NumPy arrays"),
    pytest.param(of_dataset, id="tf.data.Dataset", marks=needs("tensorflow")),
    pytest.param(of_py_dataset, id="keras.utils.PyDataset"),
    pytest.param(of_loader, id="torch DataLoader", marks=LOADER),
    pytest.param(of_generator, id="Python generator"),
]


def by_hand():
    """The logs of each epoch and the kernel at the end, in NumPy."""
    kernel, found = KERNEL, []
    for _ in range(EPOCHS):
        logs, kernel = epoch(kernel, batch=BATCH, rate=RATE, weights=WEIGHTS)
        validation, _ = epoch(kernel, batch=SAMPLES, weights=WEIGHTS)
        found.append({**logs, **{f"val_{name}": value for name, value in validation.items()}})
    return found, kernel


@pytest.mark.filterwarnings("ignore:.*workers.*:UserWarning")
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_trains_and_validates_as_by_hand(source):
    model = linear()
    model.compile(keras.optimizers.SGD(RATE), loss=TOTAL)
    given = source()
    given["steps_per_epoch"] = given.pop("steps", None)
    # Keras reads a validation generator from where it stopped in the epoch before, one batch late.
    by_arrays = source in (of_arrays, of_generator)
    validation = (X, FIELDS, WEIGHTS) if by_arrays else source()["x"]
    history = model.fit(
        **given, validation_data=validation, shuffle=False, epochs=EPOCHS, verbose=0
    ).history
    wanted, kernel = by_hand()
    for at, logs in enumerate(wanted):
        assert {name: values[at] for name, values in history.items()} == pytest.approx(
            logs, rel=1e-5
        )
    np.testing.assert_allclose(ops.convert_to_numpy(model.weights[0]), kernel, rtol=1e-5)


def test_a_mean_of_batch_means_would_be_another_number():
    parts = [
        epoch(KERNEL, batch=BATCH, weights=WEIGHTS, samples=slice(at, at + BATCH))[0]["loss"]
        for at in range(0, SAMPLES, BATCH)
    ]
    whole, _ = epoch(KERNEL, batch=SAMPLES, weights=WEIGHTS)
    assert abs(np.mean(parts) / whole["loss"] - 1) > 0.01
