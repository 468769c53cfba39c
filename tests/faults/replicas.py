"""Run by `test_replicas.py` in a process of its own: two replicas on one CPU, one step each.

Prints the logged loss and the weight after a step of gradient descent, for Keras and for ours.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

import lossmith as lm

X = np.array([[1, 1], [1, 1], [1, 0], [1, 0]], "float32")[..., None]
Y = np.array([[2, 2], [2, 2], [5, 50], [5, 50]], "float32")[..., None]


def _trained(loss, model_class=keras.Model):
    """Two samples with two real steps go to one replica, two with one step to the other."""
    inputs = keras.Input((2, 1))
    hidden = keras.layers.Masking()(inputs)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = model_class(inputs, dense(hidden))
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.01))
    logs = model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    return {"loss": logs.history["loss"][0], "weight": float(dense.get_weights()[0][0, 0])}


def main():
    """Print one JSON object."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        found = {
            "keras": _trained("mse"),
            "ours": _trained(lm.Loss("mse", "b t f, b t f")),
            "ours in lm.Model": _trained(lm.Loss("mse", "b t f, b t f"), lm.Model),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
