"""`lm.DILATE` against all alignments written out, and the published formula."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.paths.soft_dtw_reference import enumerated
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
GAMMA, ALPHA = 0.3, 0.4
RNG = np.random.default_rng(2)
Y, P = RNG.normal(size=(2, 3, 5)).astype("float32")
N = np.array([5, 3, 0])


torch_alone = pytest.mark.skipif(
    BACKEND != "torch", reason="one compilation more; every backend holds the values elsewhere"
)


def reference(y, p):
    """Shape and time of Le Guen and Thome: the time is divided by the squared length."""
    cost = np.square(y[:, None] - p).astype("float64")
    shape, alignment = enumerated(cost, GAMMA)
    places = np.arange(len(y))
    time = np.sum(alignment * np.square(places[:, None] - places)) / len(y) ** 2
    return ALPHA * shape + (1 - ALPHA) * time


@pytest.mark.parametrize("jit", [False] if BACKEND == "torch" else [True])
def test_value_and_gradient_are_those_of_all_alignments(jit):
    loss = lm.DILATE("b t, b t", lengths={"t": "y:n"}, alpha=ALPHA, gamma=GAMMA)
    live = np.arange(5) < N[:, None]
    y, p = np.where(live, Y, np.nan), np.where(live, P, np.nan)
    value, (gradient,) = value_and_grad(lambda q: loss({"y": y, "n": N}, q), p, jit=jit)
    expected, slopes = 0.0, np.zeros(p.shape)
    for b, n in enumerate(N[:2]):
        given = Y[b, :n].astype("float64"), P[b, :n].astype("float64")
        expected += reference(*given) / 2
        for place in range(n):
            step = 1e-5 * np.eye(n)[place]
            ahead, behind = (reference(given[0], given[1] + s) for s in (step, -step))
            slopes[b, place] = (ahead - behind) / 2e-5 / 2
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, slopes, atol=1e-5)


@torch_alone
def test_a_late_peak_costs_time_and_no_shape():
    late = np.eye(8, dtype="float32")[2:6]
    peak = late[[0] * 4]
    time, shape = (
        ops.convert_to_numpy(lm.DILATE("b t, b t", alpha=alpha, reduce="none")(peak, late))
        for alpha in (0.0, 1.0)
    )
    assert (np.diff(time) > 0.05).all()
    assert np.abs(shape).max() < 0.2


@torch_alone
def test_lengths_of_both_sides_are_relative():
    loss = lm.DILATE("b t, b s", alpha=0.0, gamma=0.01)
    slow = np.repeat(np.arange(4.0, dtype="float32"), 2)[None]
    fast = np.arange(4.0, dtype="float32")[None]
    assert float(ops.convert_to_numpy(loss(slow, fast))) == pytest.approx(4 / 64, rel=1e-3)
