"""Samples in batches of about one length: each once, with the counts they have, in few shapes."""

import keras
import numpy as np
import pytest

import lossmith as lm

BACKEND = keras.config.backend()
TOKENS, MULTIPLE = 64, 16
LENGTHS = np.random.default_rng(0).integers(0, 32, 101)
MASK = lm.masks.Lengths("y:lengths")


def _samples():
    """Return sequences, targets that are twice as long, and weights."""
    rng = np.random.default_rng(1)
    x = [rng.normal(size=(n, 2)).astype("float32") for n in LENGTHS]
    y = {
        "y": [sequence.sum(axis=1) for sequence in x],
        "lengths": LENGTHS,
        "place": np.arange(len(x)),
        "longer": [np.full(2 * n, place) for place, n in enumerate(LENGTHS)],
    }
    return x, y, rng.uniform(0.5, 2.0, len(x)).astype("float32")


def _simple(**arguments):
    x, y, weight = _samples()
    y = {name: y[name] for name in ("y", "lengths", "place")}
    given = {"tokens": TOKENS, "multiple": MULTIPLE, **arguments}
    return lm.data.Buckets(x, y, weight, **given)


def _epochs(buckets, count):
    for _ in range(count):
        buckets.on_epoch_begin()
        yield list(buckets)
        buckets.on_epoch_end()


def _places(batches):
    return [tuple(y["place"].tolist()) for _, y, _ in batches]


@pytest.mark.parametrize("seed", [None, 3])
def test_every_sample_comes_once_as_it_was(seed):
    given, targets, weights = _samples()
    for batches in _epochs(_simple(seed=seed), 2):
        assert sorted(sum(_places(batches), ())) == list(range(len(LENGTHS)))
        assert sum(y["lengths"].sum() for _, y, _ in batches) == LENGTHS.sum()
        for x, y, weight in batches:
            assert x.dtype == y["y"].dtype == "float32"
            for row, place in enumerate(y["place"]):
                n = LENGTHS[place]
                np.testing.assert_array_equal(x[row, :n], given[place])
                np.testing.assert_array_equal(y["y"][row, :n], targets["y"][place])
                assert not x[row, n:].any()
                assert weight[row] == weights[place]


def test_batches_keep_to_the_budget_in_few_shapes_with_little_padding():
    shapes = []
    for batches in _epochs(_simple(seed=3, multiple=8), 3):
        shapes.append({x.shape for x, _, _ in batches})
        assert all(x.shape[0] * x.shape[1] <= TOKENS for x, _, _ in batches)
        assert all(x.shape[1] % 8 == 0 for x, _, _ in batches)
        steps = sum(x.shape[0] * x.shape[1] for x, _, _ in batches)
        assert 1 - LENGTHS.sum() / steps < 0.3  # in batches as they come it is half
    assert shapes[0] == shapes[1] == shapes[2]
    assert len(shapes[0]) <= 5  # four lengths, and a rest


def test_a_seed_mixes_each_epoch_and_every_training_alike():
    first, again, other = ([_places(b) for b in _epochs(_simple(seed=s), 2)] for s in (3, 3, 4))
    assert first == again != other
    assert first[0] != first[1]
    alike = [_places(b) for b in _epochs(_simple(), 2)]
    assert alike[0] == alike[1]


def test_sequences_of_other_lengths_have_a_length_of_their_own():
    x, y, _ = _samples()
    batches = list(lm.data.Buckets(x, y, tokens=TOKENS, multiple=MULTIPLE))
    for _, y in batches:
        for row, place in enumerate(y["place"]):
            n = 2 * LENGTHS[place]
            assert (y["longer"][row, :n] == place).all()
            assert not y["longer"][row, n:].any()
    assert len({(x.shape[1], y["longer"].shape[1]) for x, y in batches}) <= 64 // MULTIPLE
    assert all(y["longer"].shape[0] * y["longer"].shape[1] <= TOKENS for _, y in batches)


def test_a_rest_that_would_be_mostly_padding_stays_in_its_bucket():
    x = [np.ones(4)] * 7 + [np.ones(64)]
    shapes = [batch[0].shape for batch in lm.data.Buckets(x, tokens=64, multiple=4)]
    assert shapes == [(1, 64), (7, 4)]


LOSS = lm.Loss("mse", "b t, b t", mask=MASK) + lm.Loss(
    "mae", "b t, b t", mask=MASK, reduce="weighted_mean"
)


def _model(traced):
    @keras.saving.register_keras_serializable("tests.data.buckets")
    class Traced(keras.layers.Layer):
        def call(self, x):
            traced.append(tuple(x.shape))
            return x

        def compute_output_shape(self, shape):
            return shape

    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 2))
    net = lm.Model(inputs, Traced()(keras.layers.Dense(1)(inputs))[..., 0])
    net.compile(keras.optimizers.SGD(0.05), loss=LOSS)
    traced.clear()
    return net


def _whole():
    x, y, weight = _samples()
    y = {"y": lm.data.pad_to_multiple(y["y"], MULTIPLE, value=np.nan), "lengths": y["lengths"]}
    return lm.data.pad_to_multiple(x, MULTIPLE), y, weight


def test_the_loss_of_an_epoch_is_that_of_one_batch_and_fit_compiles_a_program_a_shape():
    traced = []
    net = _model(traced)
    found = net.evaluate(_simple(seed=3), verbose=0, return_dict=True)
    x, y, weight = _whole()
    expected = net.evaluate(
        x, y, len(x), verbose=0, sample_weight=dict.fromkeys(y, weight), return_dict=True
    )
    assert found == pytest.approx(expected, rel=1e-5)
    traced.clear()
    buckets = _simple(seed=3)
    losses = net.fit(buckets, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < found["loss"] / 2
    if BACKEND == "jax":
        assert len(traced) == len(set(traced)) == len({x.shape for x, _, _ in buckets})


@pytest.mark.skipif(BACKEND != "torch", reason="the others compile for the size of each group")
def test_groups_of_buckets_train_as_large_batches():
    net, alone = _model([]), _model([])
    k, loss = 3, LOSS
    net.compile(keras.optimizers.SGD(0.05, gradient_accumulation_steps=k), loss=loss)
    net.fit(lm.data.accumulation_groups(_simple(), k, loss), shuffle=False, verbose=0)
    batches = _places(list(_simple()))
    x, y, weight = _whole()
    for start in range(0, len(batches), k):
        rows = np.concatenate(batches[start : start + k])
        alone.train_on_batch(
            x[rows], {name: field[rows] for name, field in y.items()}, weight[rows]
        )
    for a, b in zip(net.trainable_variables, alone.trainable_variables, strict=True):
        found, expected = (keras.ops.convert_to_numpy(each) for each in (a, b))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # how Keras finds the end
@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.data comes with TensorFlow")
def test_tf_data_comes_in_buckets_too():
    import tensorflow as tf

    x, y, weight = _samples()
    signature = (
        tf.TensorSpec((None, 2)),
        {"y": tf.TensorSpec((None,)), "lengths": tf.TensorSpec((), "int32")},
        tf.TensorSpec(()),
    )
    rows = zip(x, y["y"], LENGTHS, weight, strict=True)
    samples = [(a, {"y": b, "lengths": n}, w) for a, b, n, w in rows]
    dataset = tf.data.Dataset.from_generator(lambda: samples, output_signature=signature)
    given = {"tokens": TOKENS, "longest": 31, "multiple": MULTIPLE}
    batches = list(lm.data.bucket_by_length(dataset, **given).as_numpy_iterator())
    assert sum(len(x) for x, _, _ in batches) == len(LENGTHS)
    assert sum(y["lengths"].sum() for _, y, _ in batches) == LENGTHS.sum()
    assert all(x.shape[0] * x.shape[1] <= TOKENS for x, _, _ in batches)
    assert {x.shape[1] for x, _, _ in batches} == {16, 32}
    net = _model([])
    found = net.evaluate(lm.data.bucket_by_length(dataset, **given), verbose=0, return_dict=True)
    assert found == pytest.approx(net.evaluate(_simple(), verbose=0, return_dict=True), rel=1e-5)
