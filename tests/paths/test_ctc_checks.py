"""The conformance suite holds for CTC, on pairs that have an alignment."""

import keras
import numpy as np
import pytest

import lossmith as lm

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 7, 4)).astype("float32")
ONE, THREE = RNG.integers(0, 3, (5, 1)), RNG.integers(0, 3, (5, 3))
CASES = {
    "by labels": (lm.CTC(blank=-1, reduce="mean s, mean b"), THREE, {}),
    "masked frames": (lm.CTC(blank=-1, zero_infinity=True), ONE, {"mask": "keras"}),
}
pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="elsewhere each check compiles, for half a minute"
)


@pytest.mark.parametrize("name", CASES)
def test_every_check_that_applies_is_kept(name):
    loss, labels, promises = CASES[name]
    report = lm.check(loss, y_true=labels, y_pred=LOGITS, promises=promises)
    assert not report.broken, str(report)
    assert sum(result.status == "kept" for result in report) >= 16
