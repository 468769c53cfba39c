"""The transducer loss against all of its paths, and against sums in float64."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.backend import skew, unskew
from lossmith.core.paths.transducer import transducer
from tests.paths.transducer_reference import batch, enumerated, summed
from tests.support.grads import value_and_grad

FRAMES, LENGTHS = np.array([4, 1, 3, 2], "int32"), np.array([2, 3, 0, 1], "int32")
SHAPE = (4, 4, 4, 5)
POISONS = (float("nan"), float("inf"), -float("inf"))


def _drawn(rng, shape=SHAPE, blank=0):
    classes = [c for c in range(shape[-1]) if c != blank]
    labels = rng.choice(classes, (shape[0], shape[2] - 1)).astype("int32")
    return labels, rng.normal(size=shape, scale=2.0).astype("float32")


def _run(labels, logits, lengths=LENGTHS, frames=FRAMES, *, blank=0, jit=False):  # noqa: PLR0913
    lengths, frames = (np.asarray(x, "int32") for x in (lengths, frames))

    def loss(x):
        return transducer(labels, x, lengths, frames, blank=blank)

    value, (gradient,) = value_and_grad(loss, logits, jit=jit)
    return value, gradient


def _behind_the_lengths():
    frame, label = np.arange(SHAPE[1])[:, None], np.arange(SHAPE[2])
    return (frame >= FRAMES[:, None, None]) | (label > LENGTHS[:, None, None])


def test_a_grid_is_laid_out_by_its_diagonals_and_back():
    x = np.arange(24.0).reshape(2, 4, 3)
    rows = ops.convert_to_numpy(skew(ops.convert_to_tensor(x)))
    assert rows.shape == (6, 2, 3)
    for t, u in np.ndindex(4, 3):
        assert np.array_equal(rows[t + u, :, u], x[:, t, u])
    assert rows.sum() == x.sum()
    assert np.array_equal(ops.convert_to_numpy(unskew(ops.convert_to_tensor(rows))), x)


def test_the_two_references_agree(rng):
    labels, logits = _drawn(rng)
    paths, sums = (batch(one, labels, logits, LENGTHS, FRAMES) for one in (enumerated, summed))
    for of_paths, of_sums in zip(paths, sums, strict=True):
        np.testing.assert_allclose(of_paths, of_sums, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("blank", "jit"), [(0, False), (2, True), (4, "xla")])
def test_value_and_gradient_are_those_of_all_paths(rng, blank, jit):
    labels, logits = _drawn(rng, blank=blank)
    values, gradient = _run(labels, logits, blank=blank, jit=jit)
    wanted, wanted_gradient = batch(enumerated, labels, logits, LENGTHS, FRAMES, blank)
    np.testing.assert_allclose(values, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted_gradient, atol=2e-6)


def test_a_thousand_frames_in_float32_are_near_float64(rng):
    labels, logits = _drawn(rng, shape=(1, 1024, 17, 4))
    values, gradient = _run(labels, logits, [16], [1024], jit=True)
    wanted, wanted_gradient = batch(summed, labels, logits, [16], [1024])
    assert wanted[0] > 1000
    np.testing.assert_allclose(values, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted_gradient, atol=2e-5)


@pytest.mark.parametrize("poison", POISONS)
def test_what_stands_behind_the_lengths_reaches_nothing(rng, poison):
    labels, logits = _drawn(rng)
    behind = _behind_the_lengths()
    values, gradient = _run(labels, logits)
    logits[behind] = poison
    labels[np.arange(SHAPE[2] - 1) >= LENGTHS[:, None]] = 99
    poisoned_values, poisoned_gradient = _run(labels, logits)
    assert np.array_equal(poisoned_values, values)
    assert np.array_equal(poisoned_gradient, gradient)
    assert not gradient[behind].any()


def test_a_nan_at_a_node_is_seen(rng):
    labels, logits = _drawn(rng)
    logits[0, 1, 1, 3] = float("nan")
    values, gradient = _run(labels, logits)
    assert np.isnan(values).tolist() == [True, False, False, False]
    assert np.isnan(gradient[0]).any()
    assert np.isfinite(gradient[1:]).all()


@pytest.mark.parametrize("label", [-1, 0, 5])
def test_a_label_that_is_blank_or_no_class_is_nan(rng, label):
    labels, logits = _drawn(rng)
    labels[0, 1] = label
    assert np.isnan(_run(labels, logits)[0]).tolist() == [True, False, False, False]


def test_what_cannot_be_is_infinite_without_a_gradient(rng):
    labels, logits = _drawn(rng)
    logits[1, 0, 2, labels[1, 2]] = -float("inf")  # the only way to the third label
    values, gradient = _run(labels, logits, frames=[0, 1, 0, 2])
    assert values[:2].tolist() == [float("inf"), float("inf")]
    assert values[2] == 0  # no frames say no labels
    assert np.isfinite(values[3])
    assert not gradient[:3].any()
    assert gradient[3].any()


def test_classes_that_are_ruled_out_leave_the_rest_as_it_is(rng):
    labels, logits = _drawn(rng)
    labels[labels == 4] = 1
    logits[..., 4] = -float("inf")
    values, gradient = _run(labels, logits)
    wanted, wanted_gradient = batch(enumerated, labels, logits[..., :4], LENGTHS, FRAMES)
    np.testing.assert_allclose(values, wanted, rtol=1e-5)
    np.testing.assert_allclose(gradient[..., :4], wanted_gradient, atol=2e-6)
    assert not gradient[..., 4].any()


def test_lengths_beyond_the_arrays_are_nan(rng):
    labels, logits = _drawn(rng)
    values, _ = _run(labels, logits, lengths=[4, 0, 0, 0], frames=[4, 5, -1, 4])
    assert np.isnan(values).tolist() == [True, True, True, False]


# ── lm.Transducer ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("reduce", "divided"),
    [
        ("mean", lambda values: values.mean()),
        ("sum", lambda values: values.sum()),
        ("none", lambda values: values),
        ("mean s, mean b", lambda values: (values / np.maximum(LENGTHS, 1)).mean()),
        ("mean t, mean b", lambda values: (values / FRAMES).mean()),
    ],
)
def test_reductions_are_by_samples_labels_or_frames(rng, reduce, divided):
    labels, logits = _drawn(rng)
    lengths = {"s": "y:lengths", "t": "y:frames"}
    loss = lm.Transducer("b s, b t u [c]", lengths=lengths, reduce=reduce)
    y = {"y": labels, "lengths": LENGTHS, "frames": FRAMES}
    wanted, _ = batch(enumerated, labels, logits, LENGTHS, FRAMES)
    found = ops.convert_to_numpy(loss(y, logits))
    np.testing.assert_allclose(found, divided(wanted), rtol=1e-5)


def test_masks_and_weights_of_samples_do_what_lengths_do(rng):
    labels, logits = _drawn(rng)
    labels[np.arange(SHAPE[2] - 1) >= LENGTHS[:, None]] = 0
    weight = np.array([1.0, 0.0, 2.0, 0.5], "float32")
    loss = lm.Transducer(lengths={"s": lm.masks.NotEqual(0)})
    frames = np.arange(SHAPE[1]) < FRAMES[:, None]
    masked = lm.backend.with_keras_mask(
        ops.convert_to_tensor(logits), ops.convert_to_tensor(frames)
    )
    wanted, _ = batch(enumerated, labels, logits, LENGTHS, FRAMES)
    found = float(loss(labels, masked, sample_weight=weight))
    assert found == pytest.approx((wanted * weight).mean(), rel=1e-5)


def test_a_model_learns_to_write_its_labels(rng):
    frames = rng.normal(size=(8, 5, 3)).astype("float32")
    labels = np.array([[1, 2], [2, 1]] * 4, "int32")
    frames[::2] += 2.0
    heard, said = keras.Input((5, 3)), keras.Input((2,), dtype="int32")
    before = keras.layers.Embedding(3, 8)(ops.pad(said, ((0, 0), (1, 0))))
    joined = keras.layers.Dense(8)(heard)[:, :, None] + before[:, None]
    logits = keras.layers.Dense(3)(ops.tanh(joined))
    model = lm.Model([heard, said], logits)
    model.compile(loss=lm.Transducer(), optimizer=keras.optimizers.Adam(0.05))
    history = model.fit([frames, labels], labels, batch_size=8, epochs=25, verbose=0).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]


def test_a_loss_loads_as_it_was_saved():
    loss = lm.Transducer(blank=-1, lengths={"t": "y:frames"}, reduce="mean s, mean b")
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert loaded == loss
    assert repr(loaded) == (
        "Transducer('b s, b t u [c]', lengths={'t': 'y:frames'}, reduce='mean s, mean b', blank=-1)"
    )
