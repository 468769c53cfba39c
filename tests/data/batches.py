"""Batches that count unequal numbers of steps, and models to train on them."""

import keras
import numpy as np

import lossmith as lm

K, STEPS = 3, 4
# Two whole groups of three batches, the fifth of which counts nothing, and one of two batches, the
# last with fewer samples.
LENGTHS = [
    np.array(n)
    for n in ([4, 4, 3], [1, 0, 0], [2, 0, 1], [0, 4, 1], [0, 0, 0], [1, 1, 3], [2, 0, 0], [4, 3])
]
GROUPS = ((0, 1, 2), (3, 4, 5), (6, 7))
MASK = lm.masks.Lengths("y:lengths")


def batches(samples=3):
    """Return `(x, y, sample_weight)`, with NaN behind the lengths."""
    rng = np.random.default_rng(0)
    made = []
    for lengths in (n[:samples] for n in LENGTHS):
        x = rng.normal(size=(len(lengths), STEPS, 2)).astype("float32")
        y = rng.normal(size=(len(lengths), STEPS)).astype("float32")
        y[np.arange(STEPS) >= lengths[:, None]] = np.nan
        weight = rng.uniform(0.5, 2.0, len(lengths)).astype("float32")
        made.append((x, {"y": y, "lengths": lengths.astype("int32")}, weight))
    return made


def joined(parts):
    """Return several batches as one."""
    x, y, weight = zip(*parts, strict=True)
    y = {name: np.concatenate([each[name] for each in y]) for name in y[0]}
    return np.concatenate(x), y, np.concatenate(weight)


def large(samples=3):
    """Return each group as one batch; the last has further samples, which count nothing."""
    parts = batches(samples)
    x, y, weight = parts[0]
    nothing = (x, {"y": np.full_like(y["y"], np.nan), "lengths": 0 * y["lengths"]}, weight)
    groups = [[parts[place] for place in group] for group in GROUPS]
    return [joined([*group, nothing][:K]) for group in groups]


class Listed(keras.utils.PyDataset):
    """Batches of a list."""

    def __init__(self, listed):
        super().__init__()
        self.listed = listed

    def __len__(self):
        return len(self.listed)

    def __getitem__(self, index):
        return self.listed[index]


def trained(net, dataset, epochs=2):
    """Train, and return the trained weights and the last logs in plain numbers."""
    logs = net.fit(dataset, epochs=epochs, shuffle=False, verbose=0).history
    weights = [keras.ops.convert_to_numpy(v).tolist() for v in net.trainable_variables]
    return {"weights": weights, "logs": {name: values[-1] for name, values in logs.items()}}


def every_divisor():
    """Return a loss whose terms have every kind of divisor."""
    return (
        lm.Loss("mse", "b t, b t", mask=MASK)
        + 0.5 * lm.Loss("mae", "b t, b t", mask=MASK, reduce="weighted_mean")
        + 0.1 * lm.Loss("huber", "b t, b t", mask=MASK, reduce="mean t, mean b")
        + 0.01 * lm.Loss("mse", "b t, b t", mask=MASK, reduce="sum", name="summed")
        + 0.01 * lm.Loss("l2", of="weights:head/kernel", reduce="sum")
    )


def model(loss, **arguments):
    """Return a small compiled model."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((STEPS, 2))
    hidden = keras.layers.Dense(3, "tanh", name="hidden", kernel_regularizer="l2")(inputs)
    made = lm.Model(inputs, keras.layers.Dense(1, name="head")(hidden)[..., 0])
    made.compile(keras.optimizers.SGD(0.05, momentum=0.9, **arguments), loss=loss)
    return made
