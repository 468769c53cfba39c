"""Soft-DTW of a grid of costs against every alignment and a float64 recursion.

All small cases have one shape, and so one compilation.
"""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.paths.soft_dtw_reference import alignments, enumerated, expected, programmed
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
MODES = {"torch": [False], "jax": [False, True], "tensorflow": [False, "xla"]}[BACKEND]
GAMMA = 0.3
ROWS = np.array([5, 3, 5, 1, 4, 1, 0, 2], "int32")
COLUMNS = np.array([4, 4, 2, 4, 1, 1, 3, 0], "int32")
RNG = np.random.default_rng(0)
each_mode = pytest.mark.parametrize("jit", MODES)


def grid(rows=ROWS, columns=COLUMNS):
    """Costs that are NaN beyond the lengths."""
    cost = RNG.uniform(-0.5, 2.0, size=(8, 5, 4))
    inside = np.arange(5)[:, None] < rows[:, None, None]
    inside = inside & (np.arange(4) < columns[:, None, None])
    return np.where(inside, cost, np.nan).astype("float32")


def by_sample(reference, *grids, rows=ROWS, columns=COLUMNS):
    """Values and gradients of a reference, 0 beyond the lengths and where one is 0."""
    values, gradients = np.zeros(len(rows)), np.zeros(grids[0].shape)
    for b, (n, m) in enumerate(zip(rows, columns, strict=True)):
        if n and m:
            given = (x[b, :n, :m].astype("float64") for x in grids)
            values[b], gradients[b, :n, :m] = reference(*given)
    return values, gradients


def tensors(*arrays):
    return [ops.convert_to_tensor(x) for x in arrays]


@each_mode
def test_value_and_gradient_are_those_of_all_alignments(jit):
    cost, lengths = grid(), tensors(ROWS, COLUMNS)
    found, (gradient,) = value_and_grad(
        lambda x: lm.ops.soft_dtw(x, GAMMA, *lengths), cost, jit=jit
    )
    value, likely = by_sample(lambda c: enumerated(c, GAMMA), cost)
    np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, likely, atol=3e-6)


def test_the_expected_penalty_and_its_gradients_are_those_of_all_alignments():
    cost, penalty, lengths = grid(), grid(), tensors(ROWS, COLUMNS)
    found, gradients = value_and_grad(
        lambda x, p: lm.ops.soft_dtw_penalty(x, p, GAMMA, *lengths), cost, penalty, jit=MODES[-1]
    )
    value, slope = by_sample(lambda c, p: expected(c, p, GAMMA), cost, penalty)
    _, likely = by_sample(lambda c: enumerated(c, GAMMA), cost)
    np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradients[0], slope, atol=1e-5)
    np.testing.assert_allclose(gradients[1], likely, atol=3e-6)


def test_a_wide_grid_is_a_tall_one_turned_and_a_band_keeps_the_alignments_within_it():
    cost, lengths = grid().swapaxes(1, 2), tensors(COLUMNS, ROWS)
    found, (gradient,) = value_and_grad(
        lambda x: lm.ops.soft_dtw(x, GAMMA, *lengths, bandwidth=1), cost, jit=MODES[-1]
    )
    value, likely = by_sample(
        lambda c: enumerated(c, GAMMA, bandwidth=1), cost, rows=COLUMNS, columns=ROWS
    )
    np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, likely, atol=3e-6)


def test_long_sequences_keep_their_gradient_in_float32():
    steps, gamma = 1024, 1.0
    x, y = RNG.normal(size=(2, steps, 2))
    cost = np.square(x[:, None] - y).sum(-1).astype("float32")
    found, (gradient,) = value_and_grad(
        lambda c: lm.ops.soft_dtw(c, gamma), cost[None], jit=BACKEND != "torch"
    )
    value, likely = programmed(cost.astype("float64"), gamma)
    np.testing.assert_allclose(found[0], value, rtol=1e-6)
    np.testing.assert_allclose(gradient[0], likely, atol=2e-5)


def test_the_two_references_agree():
    cost = RNG.uniform(size=(5, 4))
    value, likely = programmed(cost, GAMMA)
    np.testing.assert_allclose(value, enumerated(cost, GAMMA)[0])
    np.testing.assert_allclose(likely, enumerated(cost, GAMMA)[1])


@pytest.mark.parametrize("longest", [(5, 4), (3, 2)])
def test_the_alignment_is_the_gradient_and_0_where_no_sample_comes(longest):
    rows, columns = np.minimum(ROWS, longest[0]), np.minimum(COLUMNS, longest[1])
    cost, lengths = grid(rows, columns), tensors(rows, columns)
    _, likely = by_sample(lambda c: enumerated(c, GAMMA), cost, rows=rows, columns=columns)
    found = lm.ops.soft_dtw_alignment(cost, GAMMA, *lengths)
    np.testing.assert_allclose(ops.convert_to_numpy(found), likely, atol=3e-6)


def test_walls_nan_and_lengths_beyond_the_grid():
    cost = RNG.uniform(size=(8, 5, 4)).astype("float32")
    cost[0, 2, 1:], cost[1, 2, :], cost[2, 2, 1] = np.inf, np.inf, np.nan
    lengths = tensors(*np.array([[5, 5, 5, 6, 5, -1, 5, 5], [4, 4, 4, 4, 5, 4, 4, 4]], "int32"))
    value, (gradient,) = value_and_grad(lambda x: lm.ops.soft_dtw(x, GAMMA, *lengths), cost)
    passable = np.where(np.isinf(cost[0]), 1e3, cost[0]).astype("float64")
    np.testing.assert_allclose(value[0], enumerated(passable, GAMMA)[0], rtol=1e-5)
    np.testing.assert_allclose(gradient[0], enumerated(passable, GAMMA)[1], atol=3e-6)
    assert value[1] == np.inf
    assert not gradient[1].any()
    assert np.isnan(value).tolist() == [False, False, *[True] * 4, False, False]
    assert np.isnan(gradient[2]).any()


@pytest.mark.skipif(BACKEND != "torch", reason="rows are slices of the grid on PyTorch alone")
@pytest.mark.parametrize("shape", [(1, 1), (4, 1), (1, 4)])
def test_a_grid_of_one_row_or_column_has_one_alignment(shape):
    cost = RNG.uniform(size=(2, *shape)).astype("float32")
    value, (gradient,) = value_and_grad(lambda x: lm.ops.soft_dtw(x, GAMMA), cost)
    np.testing.assert_allclose(value, cost.sum((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(gradient, np.ones_like(cost), rtol=1e-6)


def test_the_best_path_costs_least():
    cost = RNG.uniform(size=(5, 4))
    path = lm.ops.dtw_path(cost)
    least = min(sum(cost[cell] for cell in path) for path in alignments(5, 4))
    assert tuple(map(tuple, path.tolist())) in alignments(5, 4)
    assert cost[tuple(path.T)].sum() == pytest.approx(least)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only its graphs have sizes that are unknown")
def test_sizes_may_be_unknown_while_tracing():
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None, None), tf.float32)]
    loss = tf.function(lambda x: lm.ops.soft_dtw(x, GAMMA), input_signature=signature)
    cost = RNG.uniform(size=(2, 3, 4)).astype("float32")
    value = [enumerated(x.astype("float64"), GAMMA)[0] for x in cost]
    np.testing.assert_allclose(loss(cost).numpy(), value, rtol=1e-5)


@pytest.mark.skipif(BACKEND != "torch", reason="every backend agrees with the reference")
def test_values_and_gradients_are_those_of_tslearn(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # compiling takes longer than all else here
    metrics = pytest.importorskip("tslearn.metrics", reason="tslearn is not installed")
    x, y = RNG.normal(size=(5, 2)), RNG.normal(size=(4, 2))
    cost = np.square(x[:, None] - y).sum(-1)[None]
    likely, value = metrics.soft_dtw_alignment(x, y, gamma=GAMMA)
    found, (gradient,) = value_and_grad(lambda c: lm.ops.soft_dtw(c, GAMMA), cost)
    np.testing.assert_allclose(found[0], value, rtol=1e-5)
    np.testing.assert_allclose(gradient[0], likely, atol=3e-6)
    path, _ = metrics.dtw_path(x, y)
    assert lm.ops.dtw_path(cost[0]).tolist() == [list(pair) for pair in path]
