"""States that stay, dropout, fed-back predictions, and training in a plain Keras model."""

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.model.layers import StepLossRNN
from tests.model_layers import reference as ref
from tests.model_layers.measured import AXES, CROSS_ENTROPY, close, measured, number

LOSS = lm.Loss(CROSS_ENTROPY, AXES)


def layer_of(cell=None, **arguments):
    cell = cell or keras.layers.SimpleRNNCell(ref.UNITS)
    head = arguments.pop("head", None) or keras.layers.Dense(ref.CLASSES)
    return StepLossRNN(cell, LOSS, head=head, **arguments)


def given(layer):
    """The same layer, with the reference's weights."""
    layer.build(ref.X.shape)
    for variable, value in zip(layer.trainable_variables, ref.WEIGHTS, strict=False):
        variable.assign(value)
    return layer


def expected_loss(**how):
    logits, _ = ref.predict(ref.X, ref.WEIGHTS, **how)
    return ref.reduced(ref.errors(logits, ref.Y))


def test_a_stateful_layer_goes_on_where_it_stopped():
    layer = given(layer_of(stateful=True))
    half = ref.STEPS // 2
    values = [number(layer(ref.X[:, part], y=ref.Y[:, part])) for part in np.split(np.arange(6), 2)]
    assert half * 2 == ref.STEPS
    np.testing.assert_allclose(np.mean(values), expected_loss(), rtol=1e-5)
    layer.reset_state()
    first = number(layer(ref.X[:, :half], y=ref.Y[:, :half]))
    np.testing.assert_allclose(first, values[0], rtol=1e-6)


def test_a_state_can_be_given_and_is_returned():
    layer = given(layer_of(return_state=True))
    _, state = layer(ref.X[:, :3], y=ref.Y[:, :3])
    value, state = layer(ref.X[:, 3:], y=ref.Y[:, 3:], initial_state=state)
    logits, last = ref.predict(ref.X, ref.WEIGHTS)
    expected = ref.reduced(ref.errors(logits, ref.Y)[:, 3:])
    np.testing.assert_allclose(number(value), expected, rtol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(state), last, rtol=1e-4, atol=1e-6)


def fed_back(chance):
    embedding = keras.layers.Embedding(ref.CLASSES, ref.FEATURES)
    layer = given(layer_of(feedback=embedding, sampling=chance))
    table = keras.ops.convert_to_numpy(embedding.embeddings)
    return layer, lambda logits: table[logits.argmax(axis=-1)]


def test_a_prediction_that_is_always_fed_back_replaces_all_inputs_but_the_first():
    layer, feed = fed_back(1.0)
    value = number(layer(ref.X, y=ref.Y, training=True))
    np.testing.assert_allclose(value, expected_loss(feed=feed), rtol=1e-5)
    assert abs(expected_loss(feed=feed) - expected_loss()) > 1e-3


def test_predictions_are_fed_back_in_training_only():
    layer, _ = fed_back(1.0)
    np.testing.assert_allclose(number(layer(ref.X, y=ref.Y)), expected_loss(), rtol=1e-5)


def test_a_schedule_says_how_often_predictions_are_fed_back():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.0, 1.0])
    layer, feed = fed_back(schedule)
    values = [number(layer(ref.X, y=ref.Y, training=True)) for _ in range(2)]
    np.testing.assert_allclose(values, [expected_loss(), expected_loss(feed=feed)], rtol=1e-5)


def test_the_first_step_that_is_there_is_never_fed_back():
    layer, feed = fed_back(1.0)
    there = np.arange(ref.STEPS) >= np.array([2])
    mask = np.broadcast_to(there, ref.Y.shape)
    value = number(layer(ref.X, y=ref.Y, mask=mask, training=True))
    logits, _ = ref.predict(ref.X[:, 2:], ref.WEIGHTS, feed=feed)
    np.testing.assert_allclose(value, ref.reduced(ref.errors(logits, ref.Y[:, 2:])), rtol=1e-5)


def test_a_share_of_the_inputs_is_fed_back():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 8, 1)).astype("float32"), np.zeros((64, 8, 1), "float32")
    cell = keras.layers.SimpleRNNCell(1, activation=None, recurrent_initializer="zeros")
    layer = StepLossRNN(
        cell, lm.Loss("mse", "b t f, b t f"), feedback=keras.layers.Rescaling(0.0), sampling=0.25
    )
    layer.build(x.shape)
    cell.kernel.assign([[1.0]])
    # An input that is fed back is 0 and adds no error; the first of eight never is.
    share = number(layer(x, y=y, training=True)) / number(layer(x, y=y))
    assert share == pytest.approx(1 - 0.25 * 7 / 8, abs=0.08)


def test_dropout_is_the_same_when_a_step_is_computed_again():
    head = keras.Sequential([keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(ref.CLASSES)])
    cell = keras.layers.GRUCell(ref.UNITS, dropout=0.3, recurrent_dropout=0.3, seed=2)
    layer = layer_of(cell, head=head)
    layer.build(ref.X.shape)
    weights = [keras.ops.convert_to_numpy(v) for v in layer.trainable_variables]
    rng = np.random.default_rng(0)
    direction = [rng.normal(size=w.shape).astype("float32") for w in weights]

    def run(step):
        moved = [w + step * d for w, d in zip(weights, direction, strict=True)]
        return measured(layer, lambda x: layer(x, y=ref.Y, training=True), weights=moved)

    (low, before), (high, after) = run(-1e-2), run(1e-2)
    slopes = [
        sum(np.sum(g * d) for g, d in zip(grads[1:], direction, strict=True))
        for grads in (before, after)
    ]
    assert np.mean(slopes) == pytest.approx((high - low) / 2e-2, rel=1e-2)


def test_dropout_of_a_cell_is_that_of_the_plain_layer():
    cell = keras.layers.GRUCell(ref.UNITS, dropout=0.3, recurrent_dropout=0.3, seed=2)
    layer = layer_of([cell, keras.layers.GRUCell(ref.UNITS, dropout=0.5, seed=3)])
    layer.build(ref.X.shape)
    plain = keras.layers.RNN(layer.cell, return_sequences=True)
    weights = [keras.ops.convert_to_numpy(v) for v in layer.trainable_variables]
    found = measured(layer, lambda x: layer(x, y=ref.Y, training=True), weights=weights)
    whole = measured(
        layer, lambda x: LOSS(ref.Y, layer.head(plain(x, training=True))), weights=weights
    )
    close(found, whole, 1e-5)


def test_dropout_is_drawn_anew_at_each_call():
    head = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(ref.CLASSES)])
    for layer in (layer_of(head=head), layer_of(keras.layers.GRUCell(ref.UNITS, dropout=0.5))):
        layer.build(ref.X.shape)
        values = {number(layer(ref.X, y=ref.Y, training=True)) for _ in range(3)}
        assert len(values) == 3


def test_an_embedding_mask_reaches_the_loop():
    tokens = np.where(ref.MASK, ref.Y + 1, 0)
    embedding = keras.layers.Embedding(ref.CLASSES + 1, ref.FEATURES, mask_zero=True)
    x, y = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    layer = given(layer_of())
    model = keras.Model([x, y], layer(embedding(x), y=y))
    found = float(keras.ops.convert_to_numpy(model([tokens, ref.Y])))
    vectors = keras.ops.convert_to_numpy(embedding(tokens))
    logits, _ = ref.predict(vectors, ref.WEIGHTS, there=ref.MASK)
    wanted = ref.reduced(ref.errors(logits, ref.Y), counted=ref.MASK)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained, saved and loaded, and its training."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 4, (32, 7)).astype("int32")
    embedding = keras.layers.Embedding(4, 3)
    cell = keras.layers.GRUCell(8, dropout=0.1)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 20, 0.2)
    layer = StepLossRNN(
        cell,
        lm.Loss(CROSS_ENTROPY, AXES, mask=lm.masks.Lengths("y:lengths")),
        head=keras.layers.Dense(4),
        feedback=embedding,
        sampling=schedule,
        seed=3,
        name="loop",
    )
    x, y = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    lengths = keras.Input((), dtype="int32")
    value = layer(embedding(x), y={"y": y, "lengths": lengths})
    model = keras.Model([x, y, lengths], value)
    model.compile(keras.optimizers.Adam(0.1))
    data = [tokens, tokens, rng.integers(1, 8, 32).astype("int32")]  # the label is the input
    history = model.fit(data, batch_size=16, epochs=10, verbose=0).history["loss"]
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return model, keras.saving.load_model(path), data, history


def test_training_in_a_plain_keras_model_lowers_the_loss(trained):
    history = trained[-1]
    assert min(history) < 0.6 * history[0]
    assert history[0] == pytest.approx(np.log(4), rel=0.25)


def test_a_model_loads_with_the_same_value_and_goes_on(trained):
    model, loaded, data, history = trained
    value = float(model.evaluate(data, verbose=0))
    assert float(loaded.evaluate(data, verbose=0)) == pytest.approx(value, rel=1e-6)
    again = loaded.fit(data, batch_size=16, epochs=2, verbose=0).history["loss"]
    assert again[-1] < 0.7 * history[0]
    assert int(loaded.optimizer.iterations) == 24


def test_a_shared_embedding_is_still_shared_after_loading(trained):
    model, loaded, _, _ = trained
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    layer = loaded.get_layer("loop")
    assert layer.feedback is next(x for x in loaded.layers if isinstance(x, keras.layers.Embedding))
    assert layer.get_config()["sampling"] == model.get_layer("loop").get_config()["sampling"]


def test_the_training_steps_are_counted_under_fit(trained):
    assert int(keras.ops.convert_to_numpy(trained[0].get_layer("loop").trained_steps)) == 20


def test_mixed_precision_keeps_sum_and_targets_in_float32():
    policy = {"dtype": "mixed_float16"}
    cell = keras.layers.SimpleRNNCell(1, kernel_initializer="zeros", **policy)
    layer = StepLossRNN(cell, lm.Loss("mae", "b t f, b t f"), **policy)
    y = np.full((2, 300, 1), 2049.0, "float32")  # float16 has no 2049, and no sum of these
    assert number(layer(np.zeros((2, 300, 1), "float32"), y=y)) == pytest.approx(2049.0)


def test_layer_equal_to_itself_from_its_config():
    layer = layer_of(go_backwards=True, stateful=True, return_state=True, name="loop")
    again = StepLossRNN.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    close(
        measured(given(again), lambda x: again(x, y=ref.Y)[0]),
        measured(given(layer), lambda x: layer(x, y=ref.Y)[0]),
        1e-6,
    )
