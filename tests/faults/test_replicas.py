"""F10: replicas with different numbers of real steps, in a process of two logical devices."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from tests.faults.measured import FAULTS, keras_still_gives

SCRIPT = Path(__file__).with_name("replicas.py")

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)


@functools.cache
def _found():
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _step(*replicas):
    """The weight after one step at rate 0.01: errors of 1 in 4 steps, of 4 in 2, inputs 1."""
    return 1 + 0.01 * 2 * sum(replicas) / len(replicas)


def test_f10_keras_averages_the_means_of_the_replicas():
    found = _found()["keras"]
    keras_still_gives("F10", found["loss"])
    assert found["weight"] == pytest.approx(_step(1, 4), rel=1e-6)


@pytest.mark.parametrize("way", ["ours", "ours in lm.Model"])
def test_f10_ours_divides_by_the_steps_of_all_replicas(way):
    found = _found()[way]
    assert found["loss"] == pytest.approx(FAULTS["F10"].right, rel=1e-6)
    assert found["weight"] == pytest.approx(_step(1, 1, 1, 1, 4, 4), rel=1e-6)
