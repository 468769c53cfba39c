"""`lm.CTC` as a loss: lengths, masks, weights, reductions, models, saving."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith import backend
from tests.paths.ctc_reference import by_enumeration
from tests.support.grads import value_and_grad

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(4, 5, 3)).astype("float32")
LABELS = np.array([[1, 2, 0], [2, 0, 0], [1, 2, 1], [2, 2, 0]])
LABEL_LENGTHS = np.array([2, 1, 3, 2])
FRAMES = np.array([5, 3, 4, 2])  # the last has two equal labels in two frames: impossible
WEIGHTS = np.array([0.5, 2.0, 1.0, 3.0], "float32")
LENGTHS = {"s": "y:labels", "t": "y:frames"}
Y = {"y": LABELS, "labels": LABEL_LENGTHS, "frames": FRAMES}


def samples():
    """The loss of each sample, and its gradient, from every alignment."""
    return zip(
        *(
            by_enumeration(labels[:said], logits[:frames], blank=0)
            for labels, said, logits, frames in zip(
                LABELS, LABEL_LENGTHS, LOGITS, FRAMES, strict=True
            )
        ),
        strict=True,
    )


VALUES = np.array(list(next(samples())))
POSSIBLE = np.isfinite(VALUES)


def numpy_of(x):
    return backend.to_numpy(ops.stop_gradient(x))


def by_hand(reduce, values, weights, labels, frames):
    """What a reduction says, written out once more."""
    total = values * weights
    return {
        "mean": total.mean(),
        "weighted_mean": total.sum() / weights.sum(),
        "sum": total.sum(),
        "mean s, mean b": (total / labels).mean(),
        "mean t, mean b": (total / frames).mean(),
        "mean b s": total.sum() / labels.sum(),
        "mean b t": total.sum() / frames.sum(),
        "mean s t, sum b": (total / labels / frames).sum(),
    }[reduce]


REDUCTIONS = [
    "mean",
    "weighted_mean",
    "sum",
    "mean s, mean b",
    "mean t, mean b",
    "mean b s",
    "mean b t",
    "mean s t, sum b",
]


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS[:, None]])
def test_impossible_samples_leave_sum_and_count(reduce, weights):
    loss = lm.CTC(lengths=LENGTHS, zero_infinity=True, reduce=reduce)
    given = np.ones(4, "float32") if weights is None else weights.reshape(-1)
    kept = (x[POSSIBLE] for x in (VALUES, given, LABEL_LENGTHS, FRAMES))
    found = float(numpy_of(loss(Y, LOGITS, weights)))
    np.testing.assert_allclose(found, by_hand(reduce, *kept), rtol=1e-5)


def test_an_impossible_sample_is_infinite_and_pulls_nothing():
    loss = lm.CTC(lengths=LENGTHS, reduce="sum")
    value, (gradient,) = value_and_grad(lambda logits: loss(Y, logits), LOGITS)
    expected = np.zeros(LOGITS.shape)
    for b, (_, of_sample) in enumerate(zip(*samples(), strict=True)):
        expected[b, : FRAMES[b]] = of_sample
    assert np.isinf(value)
    assert not expected[3].any()
    np.testing.assert_allclose(gradient, expected, atol=2e-6)
    feasible = lm.ops.ctc_feasible(LABELS, LABEL_LENGTHS, FRAMES)
    np.testing.assert_array_equal(numpy_of(feasible), POSSIBLE)


def test_none_gives_the_loss_of_each_sample():
    found = numpy_of(lm.CTC(lengths=LENGTHS, reduce="none", zero_infinity=True)(Y, LOGITS))
    np.testing.assert_allclose(found, np.where(POSSIBLE, VALUES, 0.0), rtol=1e-5)


def test_an_empty_sample_does_not_count():
    y = {"y": LABELS[:2], "labels": [2, 0], "frames": [5, 0]}
    found = float(numpy_of(lm.CTC(lengths=LENGTHS)(y, LOGITS[:2])))
    np.testing.assert_allclose(found, VALUES[0], rtol=1e-5)


def holed():
    """The same batch with padding in other places: holes among labels, masked frames in front."""
    labels = np.array([[0, 1, 2], [2, 0, 0], [1, 2, 1], [2, 0, 2]])
    logits, mask = np.full((4, 8, 3), np.nan, "float32"), np.zeros((4, 8), bool)
    for b, frames in enumerate(FRAMES):
        places = np.sort(RNG.permutation(8)[:frames])
        logits[b, places], mask[b, places] = LOGITS[b, :frames], True
    return labels, logits, mask


def test_masks_with_holes_leave_the_rest_in_its_order():
    labels, logits, mask = holed()
    loss = lm.CTC(lengths={"s": lm.masks.NotEqual(0)}, reduce="none", zero_infinity=True)

    def masked(logits):
        return loss(labels, backend.with_keras_mask(logits + 0.0, ops.convert_to_tensor(mask)))

    values, (gradient,) = value_and_grad(masked, logits)
    np.testing.assert_allclose(values, np.where(POSSIBLE, VALUES, 0.0), rtol=1e-5)
    assert not gradient[~mask].any()
    for b, (_, of_sample) in enumerate(zip(*samples(), strict=True)):
        np.testing.assert_allclose(gradient[b][mask[b]], of_sample, atol=2e-6)


def test_axes_meet_by_name():
    """Frames first, and the prediction named first: the same numbers."""
    plain = lm.CTC(lengths=LENGTHS, reduce="none", zero_infinity=True)
    y = {**Y, "y": LABELS.T}
    turned = lm.CTC(
        "batch [k] time, n batch",
        lengths={"n": "y:labels", "time": "y:frames"},
        reduce="none",
        zero_infinity=True,
    )
    found = numpy_of(turned(y, LOGITS.transpose(0, 2, 1)))
    np.testing.assert_allclose(found, numpy_of(plain(Y, LOGITS)), rtol=1e-6)


def test_the_last_class_may_be_the_blank():
    """-1 is the last; the other classes move down by one."""
    loss = lm.CTC(lengths=LENGTHS, blank=-1, reduce="none", zero_infinity=True)
    found = loss({**Y, "y": LABELS - 1}, np.roll(LOGITS, -1, axis=-1))
    np.testing.assert_allclose(numpy_of(found), np.where(POSSIBLE, VALUES, 0.0), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(dtype):
    half = ops.cast(LOGITS, dtype)
    loss = lm.CTC(lengths=LENGTHS, zero_infinity=True)
    exact = loss(Y, ops.cast(half, "float32"))
    found = loss(Y, half)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(numpy_of(found), numpy_of(exact), rtol=1e-6)


# ── in models ────────────────────────────────────────────────────────────────────────────────


def data():
    """Sentences of a few frames, 0 padded, and their labels, 0 padded."""
    x = RNG.normal(size=(10, 6, 2)).astype("float32")
    frames, said = RNG.integers(5, 7, 10), RNG.integers(1, 4, 10)
    labels = RNG.integers(1, 3, (10, 3))
    labels[:, 1] = 3 - labels[:, 0]  # few repeats, so that all have an alignment
    x[np.arange(6) >= frames[:, None]] = 0.0
    return x, np.where(np.arange(3) < said[:, None], labels, 0)


def encoder(kind):
    inputs = keras.Input((None, 2))
    hidden = keras.layers.Masking()(inputs)
    return kind(inputs, keras.layers.Dense(3, kernel_initializer="ones")(hidden))


def test_a_model_logs_exact_values_over_batches_of_unequal_counts():
    x, y = data()
    loss = lm.CTC(lengths={"s": lm.masks.NotEqual(0)}, reduce="mean b s")
    model = encoder(lm.Model)
    model.compile("sgd", loss=loss)
    whole = float(numpy_of(loss(y, model(x))))
    assert (y[:5] > 0).sum() != (y[5:] > 0).sum()
    logs = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["ctc"], whole, rtol=1e-5)


def test_it_trains_in_a_plain_keras_model_and_loads_again(tmp_path):
    x, y = data()
    model = encoder(keras.Model)
    model.compile("sgd", loss=lm.CTC(lengths={"s": lm.masks.NotEqual(0)}, zero_infinity=True))
    losses = model.fit(x, y, batch_size=10, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.loss == model.loss
    value = numpy_of(loaded.loss(y, loaded(x)))
    np.testing.assert_allclose(value, numpy_of(model.loss(y, model(x))), rtol=1e-6)
    assert value < losses[2]


def test_it_is_written_as_it_can_be_typed():
    loss = lm.CTC(lengths={"s": lm.masks.NotEqual(0), "t": "x:frames"}, blank=-1, name="spelling")
    assert repr(loss) == (
        "CTC('b s, b t [c]', lengths={'s': NotEqual(value=0, source='y'), 't': 'x:frames'}, "
        "name='spelling', blank=-1)"
    )
    assert loss.sources == ("y", "output", "x:frames", "y")
    assert lm.CTC.from_config(loss.get_config()) == loss != loss.replace(blank=0)
    total = loss + 0.1 * lm.Loss("l2", of="layer:encoder")
    assert "layer:encoder" in total.sources


@pytest.mark.parametrize(
    ("loss", "logits"),
    [(lm.CTC("b n, b t [c]"), (1, 3, 3)), (lm.Transducer("b n, b t u [c]"), (1, 3, 3, 3))],
)
def test_an_illegal_label_is_an_error_whose_fix_names_the_axis_as_it_is_written(loss, logits):
    with pytest.raises(lm.LossmithError, match="label is no class") as caught:
        loss(np.array([[1, 7]]), np.zeros(logits))
    assert caught.value.fix.startswith('lengths={"n": ')
