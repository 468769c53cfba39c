"""The example that trains on one device and on four prints equal losses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "one_and_four_devices.py"
ROW = re.compile(r"^ +\d +([\d.]+) +([\d.]+) +(\S+)$", re.MULTILINE)


@pytest.mark.skipif(keras.config.backend() != "jax", reason="keras.distribution is Keras' on JAX")
def test_one_and_four_devices_print_equal_losses():
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, EXAMPLE],
        env=known,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    shares = re.search(r"each device: \[(.*)\]", run.stdout)
    assert shares
    assert len(set(shares[1].split(", "))) == 4
    rows = [tuple(map(float, row)) for row in ROW.findall(run.stdout)]
    assert len(rows) == 3
    for alone, together, difference in rows:
        assert together == pytest.approx(alone, rel=1e-6)
        assert difference <= 1e-6
    assert rows[-1][0] < rows[0][0]
