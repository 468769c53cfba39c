"""Train one small model as one of several replicas, and print what came of it.

    python train.py mirrored 2          TensorFlow: replicas in this process
    python train.py worker 0 2 PORT     TensorFlow: one of two processes, in a loop written by hand
    python train.py rank 0 2 PORT       PyTorch: one of two processes
    python train.py devices 4           JAX: devices in this process
    python train.py layout 2 2          JAX: batches by two, the vocabulary of the last layer by two

Lengths are such that replicas count unequal numbers of steps, one of them none at all in the first
batch, and that the last batch is smaller, where the framework takes such batches.
"""

import json
import os
import sys
from functools import partial

import numpy as np

BATCH, EPOCHS = 8, 2
LENGTHS = np.array([3, 2, 4, 1, 0, 0, 0, 0, 4, 0, 1, 0, 2, 4, 4, 3, 0, 4, 1, 2, 0, 3])
STEPS = 4


def data(whole):
    """Return inputs, targets with lengths, and sample weights; `whole`: full batches alone."""
    rng = np.random.default_rng(0)
    size = len(LENGTHS) // BATCH * BATCH if whole else len(LENGTHS)
    x = rng.normal(size=(size, STEPS, 2)).astype("float32")
    y = rng.normal(size=(size, STEPS)).astype("float32")
    weight = rng.uniform(0.5, 2.0, size).astype("float32")
    lengths = LENGTHS[:size].astype("int32")
    y[np.arange(STEPS) >= lengths[:, None]] = np.nan
    return x, {"y": y, "lengths": lengths}, {"y": weight, "lengths": weight}


def build():
    """Return a compiled model whose terms have every kind of divisor."""
    import keras

    import lossmith as lm

    keras.utils.set_random_seed(0)
    inputs = keras.Input((STEPS, 2))
    hidden = keras.layers.Dense(
        3, "tanh", name="hidden", kernel_regularizer=keras.regularizers.L2(0.01)
    )(inputs)
    model = lm.Model(inputs, keras.layers.Dense(1, name="head")(hidden)[..., 0])
    mask = lm.masks.Lengths("y:lengths")
    loss = (
        lm.Loss("mse", "b t, b t", mask=mask)
        + 0.5 * lm.Loss("mae", "b t, b t", mask=mask, reduce="weighted_mean")
        + 0.1 * lm.Loss("huber", "b t, b t", mask=mask, reduce="mean t, mean b")
        + 0.01 * lm.Loss("logcosh", "b t, b t", mask=mask, reduce="sum")
        + 0.1 * lm.Loss("l1", "b t h", of="layer:hidden")
        + 0.01 * lm.Loss("l2", of="weights:head/kernel", reduce="sum")
        + lm.schedules.Learned() * lm.Loss("mse", "b t, b t", mask=mask, name="learned")
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss=loss)
    return model


def build_plain():
    """Return a plain Keras model, with the terms that need no lm.Model."""
    import keras

    import lossmith as lm

    keras.utils.set_random_seed(0)
    inputs = keras.Input((STEPS, 2))
    hidden = keras.layers.Dense(3, "tanh")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden)[..., 0])
    mask = lm.masks.Lengths("y:lengths")
    loss = lm.Loss("mse", "b t, b t", mask=mask)
    loss += 0.5 * lm.Loss("mae", "b t, b t", mask=mask, reduce="mean t, mean b")
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss=loss)
    return model


def build_fused():
    """Return a compiled language model whose loss never holds the logits."""
    import keras

    import lossmith as lm

    keras.utils.set_random_seed(0)
    inputs = keras.Input((STEPS, 2))
    hidden = keras.layers.Dense(6, "tanh", name="hidden")(inputs)
    model = lm.Model(inputs, keras.layers.Dense(16, name="lm_head")(hidden))
    mask = lm.masks.Lengths("y:lengths")
    loss = lm.LinearCrossEntropy(
        "lm_head", "b t, b t [c]", mask=mask, metrics=["accuracy"], chunk_size=8, z_loss=0.1
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss=loss)
    return model


def tokens():
    """Return the data, with classes for targets."""
    x, y, weight = data(whole=True)
    classes = np.random.default_rng(1).integers(0, 16, y["y"].shape)
    return x, {"y": classes, "lengths": y["lengths"]}, weight


def weights_of(model):
    """Return the weights in plain numbers."""
    return [np.asarray(w).tolist() for w in model.get_weights()]


def outcome(model, logs, held):
    """Return logs and weights in plain numbers."""
    return {
        "logs": {name: values[-1] for name, values in logs.history.items()},
        "held": {name: float(value) for name, value in held.items()},
        "weights": weights_of(model),
    }


def fit(model, x, y, weight):
    """Train and evaluate on arrays."""
    logs = model.fit(x, y, BATCH, EPOCHS, verbose=0, shuffle=False, sample_weight=weight)
    held = model.evaluate(x, y, BATCH, verbose=0, sample_weight=weight, return_dict=True)
    return outcome(model, logs, held)


def one(*, whole):
    """Train on one device."""
    return fit(build(), *data(whole))


def one_by_hand():
    """Train as `worker` does, on one device."""
    import tensorflow as tf

    model, x_y_weight = build_plain(), data(whole=False)
    batches = tf.data.Dataset.from_tensor_slices(x_y_weight).batch(BATCH)
    for _ in range(EPOCHS):
        for batch in batches:
            step(model, *batch)
    return {"weights": weights_of(model)}


def step(model, x, y, weight):
    """Take one step of gradient descent."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = model.loss(y, model(x), weight["y"])
    gradients = tape.gradient(loss, model.trainable_variables)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))


def mirrored(count):
    """Train on several logical devices."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * int(count)
    tf.config.set_logical_device_configuration(cpu, devices)
    names = [f"CPU:{place}" for place in range(int(count))]
    with tf.distribute.MirroredStrategy(names).scope():
        return fit(build(), *data(whole=False))


def worker(rank, world, port):
    """Train as one process of tf.distribute."""
    hosts = [f"127.0.0.1:{int(port) + place}" for place in range(int(world))]
    cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": int(rank)}}
    os.environ["TF_CONFIG"] = json.dumps(cluster)
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    batches = tf.data.Dataset.from_tensor_slices(data(whole=False)).batch(BATCH)
    with strategy.scope():
        model = build_plain()
    graph = tf.function(partial(step, model))
    for _ in range(EPOCHS):
        for batch in strategy.experimental_distribute_dataset(batches):
            strategy.run(graph, batch)
    return {"weights": weights_of(model)}


def rank(place, world, port):
    """Train as one process of torch.distributed."""
    import torch.distributed as dist

    import lossmith as lm

    dist.init_process_group(
        "gloo", f"tcp://127.0.0.1:{port}", rank=int(place), world_size=int(world)
    )
    model = build()
    if int(place) > 0:  # what comes from the first process
        model.set_weights([0 * weight for weight in model.get_weights()])
    lm.distribute.sync_gradients(model)
    x, y, weight = data(whole=False)
    mine = _part(int(place), int(world), len(x))
    share = BATCH // int(world)
    y, weight = ({k: v[mine] for k, v in given.items()} for given in (y, weight))
    logs = model.fit(x[mine], y, share, EPOCHS, verbose=0, shuffle=False, sample_weight=weight)
    held = model.evaluate(x[mine], y, share, verbose=0, sample_weight=weight, return_dict=True)
    found = outcome(model, logs, held) | {"accumulated": accumulated(int(place))}
    dist.destroy_process_group()
    return found


def accumulated(row):
    """Train a process on one row of each batch, in groups whose gradients are accumulated."""
    import lossmith as lm
    from tests.data import batches as data_of_groups

    loss, mine = data_of_groups.every_divisor(), slice(row, row + 1)
    parts = [
        (x[mine], {name: field[mine] for name, field in y.items()}, weight[mine])
        for x, y, weight in data_of_groups.batches(2)
    ]
    k = data_of_groups.K
    model = data_of_groups.model(loss, gradient_accumulation_steps=k)
    lm.distribute.sync_gradients(model)
    groups = lm.data.accumulation_groups(data_of_groups.Listed(parts), k, loss)
    return data_of_groups.trained(model, groups)


def _part(place, world, size):
    """Return the samples of one process: its share of each whole batch."""
    share = BATCH // world
    return np.array([i for i in range(size) if i % BATCH // share == place])


def devices(count):
    """Train on several devices of JAX, the batch split over them."""
    import keras

    found = keras.distribution.list_devices()
    assert len(found) == int(count)
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=found))
    return fit(build(), *data(whole=True))


def layout(batches, models):
    """Train the language model with the kernel of its last layer split over devices."""
    import keras

    shape = int(batches), int(models)
    mesh = keras.distribution.DeviceMesh(shape, ["batch", "model"])
    split = keras.distribution.LayoutMap(mesh)
    split["lm_head/kernel"] = None, "model"
    split["lm_head/bias"] = ("model",)
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=split))
    model = build_fused()
    held = model.get_layer("lm_head").kernel.value.addressable_shards
    assert {shard.data.shape for shard in held} == {(6, 16 // shape[1])}
    return fit(model, *tokens())


WAYS = {way.__name__: way for way in (mirrored, worker, rank, devices, layout)}

if __name__ == "__main__":
    json.dump(WAYS[sys.argv[1]](*sys.argv[2:]), sys.stdout)
