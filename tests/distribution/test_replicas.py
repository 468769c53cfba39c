"""Several devices or processes give what one gives: every weight, every logged number."""

import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.data import batches as groups
from tests.distribution import train

BACKEND = keras.config.backend()
TOLERANCE = 1e-6


def _only(name, why):
    return pytest.mark.skipif(name != BACKEND, reason=why)


def _run(*ways, **environment):
    """Run each way in a process of its own, at the same time, and return what they print."""
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    started = [
        subprocess.Popen(
            [sys.executable, train.__file__, *map(str, way)],
            env=known,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for way in ways
    ]
    printed = [process.communicate(timeout=600) for process in started]
    for process, (_, errors) in zip(started, printed, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(output.splitlines()[-1]) for output, _ in printed]


def _port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _equal(found, alone):
    for weight, expected in zip(found["weights"], alone["weights"], strict=True):
        np.testing.assert_allclose(weight, expected, rtol=TOLERANCE, atol=TOLERANCE)
    for logs in ("logs", "held"):
        assert found.get(logs, {}) == pytest.approx(alone.get(logs, {}), rel=TOLERANCE)


def test_the_data_leave_a_replica_with_nothing_and_another_number_to_each():
    halves = train.LENGTHS[: train.BATCH].reshape(2, -1).sum(axis=1)
    assert halves[1] == 0 < halves[0]
    assert len(train.LENGTHS) % train.BATCH


@_only("tensorflow", "tf.distribute is TensorFlow's")
@pytest.mark.parametrize("count", [2])
def test_mirrored_replicas_train_as_one_device(count):
    _equal(*_run(("mirrored", count)), train.one(whole=False))


@_only("tensorflow", "tf.distribute is TensorFlow's")
def test_two_workers_train_as_one_device():
    port = _port()
    alone = train.one_by_hand()
    for found in _run(*(("worker", place, 2, port) for place in range(2))):
        _equal(found, alone)


@_only("torch", "torch.distributed is PyTorch's")
def test_two_ranks_train_as_one_device():
    port = _port()
    alone = train.one(whole=False)
    loss = groups.every_divisor()
    in_large_batches = groups.trained(groups.model(loss), groups.Listed(groups.large(2)))
    for found in _run(*(("rank", place, 2, port) for place in range(2))):
        _equal(found, alone)
        _equal(found["accumulated"], in_large_batches)


@_only("jax", "keras.distribution is Keras' on JAX")
def test_four_devices_train_as_one():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    devices, layout = _run(("devices", 4), ("layout", 2, 2), XLA_FLAGS=flags)
    _equal(devices, train.one(whole=True))
    _equal(layout, train.fit(train.build_fused(), *train.tokens()))


def test_gradients_are_synchronized_on_torch_among_several_processes_alone():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    fact = "no other processes" if BACKEND == "torch" else "on PyTorch alone"
    with pytest.raises(lm.LossmithError, match=fact):
        lm.distribute.sync_gradients(model)
