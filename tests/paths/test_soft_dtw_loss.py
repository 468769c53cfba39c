"""`lm.SoftDTW`: costs, lengths, divergence, reductions and models, against a NumPy reference."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.messages import NotationError
from tests.paths.soft_dtw_reference import enumerated
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
GAMMA = 0.5
RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(4, 5, 2)).astype("float32"), RNG.normal(size=(4, 4, 2)).astype("float32")
N, M = np.array([5, 3, 4, 0]), np.array([4, 2, 3, 2])
LENGTHS = {"t": "y:t", "s": "y:s"}
COSTS = {
    "squared": lambda x, y: np.square(x[:, None] - y).sum(-1),
    "absolute": lambda x, y: np.abs(x[:, None] - y).sum(-1),
    "cosine": lambda x, y: 1 - (x @ y.T) / np.outer(*(np.linalg.norm(z, axis=1) for z in (x, y))),
}


torch_alone = pytest.mark.skipif(
    BACKEND != "torch", reason="one compilation more; every backend holds the values elsewhere"
)


def soft(cost, x, y):
    return enumerated(COSTS[cost](x.astype("float64"), y.astype("float64")), GAMMA)[0]


def fields(y=X, t=N, s=M):
    return {"y": y, "t": t, "s": s}


def pairs():
    return [(x[:n], y[:m]) for x, y, n, m in zip(X, Y, N, M, strict=True) if n and m]


def padded():
    """The pair of batches with NaN behind the lengths."""
    behind = [np.arange(z.shape[1]) >= n[:, None] for z, n in ((X, N), (Y, M))]
    return [np.where(b[..., None], np.nan, z) for b, z in zip(behind, (X, Y), strict=True)]


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("cost", COSTS if BACKEND == "torch" else ["cosine"])
def test_costs_are_those_of_numpy_and_padding_is_inert(cost):
    loss = lm.SoftDTW(lengths=LENGTHS, cost=cost, gamma=GAMMA)
    target, prediction = padded()
    value, (gradient,) = value_and_grad(
        lambda p: loss(fields(target), p), prediction, jit=BACKEND == "jax"
    )
    expected = np.mean([soft(cost, x, y) for x, y in pairs()])
    assert value == pytest.approx(expected, rel=1e-5)
    slopes = np.zeros(gradient.shape)
    for b, (x, y) in enumerate(pairs()):
        for place in np.ndindex(y.shape):
            step = np.zeros(y.shape)
            step[place] = 1e-5
            slopes[b][place] = (soft(cost, x, y + step) - soft(cost, x, y - step)) / 2e-5 / 3
    np.testing.assert_allclose(gradient, slopes, atol=1e-5)


def test_equal_sequences_have_no_divergence_and_others_have_some():
    loss = lm.SoftDTW("b t [f], b t [f]", gamma=GAMMA, divergence=True, reduce="none")
    other = np.where(np.arange(4)[:, None, None] < 2, X, X[::-1])
    values, (gradient,) = value_and_grad(lambda p: loss(X, p), other, jit=BACKEND == "jax")
    np.testing.assert_allclose(values[:2], 0.0, atol=1e-5)
    np.testing.assert_allclose(gradient[:2], 0.0, atol=1e-5)
    for value, x, y in zip(values[2:], X[2:], other[2:], strict=True):
        own = (soft("squared", x, x) + soft("squared", y, y)) / 2
        assert value == pytest.approx(soft("squared", x, y) - own, rel=1e-4)
        assert value > 0


@torch_alone
def test_a_grid_of_costs_is_taken_as_it_is():
    cost = np.stack([COSTS["absolute"](x, y) for x, y in zip(X, Y, strict=True)])
    grid = lm.SoftDTW("b t s", of="output", cost=None, gamma=GAMMA)
    pair = lm.SoftDTW(cost="absolute", gamma=GAMMA)
    assert number(grid(None, cost)) == pytest.approx(number(pair(X, Y)), rel=1e-6)


@torch_alone
def test_sequences_without_features_and_of_one_length_are_sequences():
    whole = number(lm.SoftDTW("b t [f], b t [f]", gamma=GAMMA)(X[:, :4, :1], Y[:, :, :1]))
    assert number(lm.SoftDTW("b t, b t", gamma=GAMMA)(X[:, :4, 0], Y[:, :, 0])) == whole
    assert number(lm.SoftDTW("b t, b s", gamma=GAMMA)(X[:, :4, 0], Y[:, :, 0])) == whole


@torch_alone
def test_levels_far_from_zero_change_nothing():
    loss = lm.SoftDTW(gamma=GAMMA)
    assert number(loss(X + 1024, Y + 1024)) == pytest.approx(number(loss(X, Y)), rel=1e-3)


@torch_alone
def test_reductions_divide_by_samples_or_lengths():
    values = [soft("squared", x, y) for x, y in pairs()]

    def reduced(reduce):
        return number(lm.SoftDTW(lengths=LENGTHS, gamma=GAMMA, reduce=reduce)(fields(), Y))

    assert reduced("sum") == pytest.approx(np.sum(values), rel=1e-5)
    assert reduced("mean t, mean b") == pytest.approx(np.mean(values / N[:3]), rel=1e-5)
    assert reduced("mean b s") == pytest.approx(np.sum(values) / np.sum(M[:3]), rel=1e-5)


@torch_alone
def test_samples_have_weights():
    weights = np.array([2.0, 0.0, 1.0, 5.0], "float32")
    loss = lm.SoftDTW(lengths=LENGTHS, gamma=GAMMA)
    values = np.array([soft("squared", x, y) for x, y in pairs()])
    found = number(loss(fields(), Y, weights))
    assert found == pytest.approx(np.sum(values * weights[:3]) / 3, rel=1e-5)


@torch_alone
def test_nothing_that_counts_is_zero():
    empty = fields(t=np.zeros(4, "int32"))
    assert number(lm.SoftDTW(lengths=LENGTHS)(empty, Y)) == 0.0


def test_a_model_trains_on_it_logs_it_and_loads_again(tmp_path):
    x = keras.Input((4, 2))
    model = lm.Model(x, keras.layers.Dense(2)(x))
    total = 0.5 * lm.SoftDTW(lengths=LENGTHS, gamma=GAMMA) + lm.DILATE("b t [f], b s [f]")
    model.compile(keras.optimizers.SGD(0.0), loss=total)
    logs = model.fit(Y, fields(), batch_size=2, verbose=0).history
    prediction = model.predict(Y, verbose=0)
    alone = lm.SoftDTW(lengths=LENGTHS, gamma=GAMMA)(fields(), prediction)
    assert logs["soft_dtw"][0] == pytest.approx(number(alone), rel=1e-5)
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").loss == total


@torch_alone
def test_a_plain_keras_model_trains_on_it():
    model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), loss=lm.SoftDTW(gamma=GAMMA))
    losses = model.fit(Y, X, batch_size=4, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@torch_alone
@pytest.mark.parametrize("loss", [lm.SoftDTW, lm.DILATE])
def test_the_axis_that_both_have_where_others_differ_is_the_features(loss):
    plain, written = loss("n t f, n s f"), loss("n t [f], n s [f]")
    assert repr(plain) == repr(written)
    assert plain == written
    assert number(plain(X, Y)) == number(written(X, Y))
    assert repr(loss("b f t, b f s")) == repr(loss("b [f] t, b [f] s"))
    with pytest.raises(NotationError, match="takes other axes"):
        loss("b t f, b t f")


def test_it_is_written_as_it_can_be_typed():
    loss = lm.SoftDTW("b t, b s", gamma=0.1, bandwidth=3)
    assert repr(loss) == "SoftDTW('b t, b s', gamma=0.1, bandwidth=3)"


@torch_alone
@pytest.mark.parametrize("loss", [lm.SoftDTW(), lm.DILATE()], ids=repr)
def test_all_checks_are_kept(loss):
    lm.check(loss, str(loss.pipeline.axes)).raise_if_broken()
