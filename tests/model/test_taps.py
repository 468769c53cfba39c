"""Statistics of taps come out of compiled steps, exact over the epoch, on every backend."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.core.statistics import EDGES
from lossmith.model._taps import Taps

BATCH, SAMPLES = 4, 12
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, SAMPLES, 3)).astype("float32")
KERNEL = RNG.normal(size=(3, 3)).astype("float32")
HIDDEN = X @ KERNEL
TRAIN, VALIDATION = slice(0, 8), slice(8, 12)
TAPS = {"hidden": "histogram", "gap": "summary", "error": "mean"}


@keras.saving.register_keras_serializable("test_taps")
class Positive(keras.layers.Layer):
    """Taps its input, of which what is positive counts."""

    def call(self, x):
        return lm.tap("hidden", x, mask=x > 0)


class Everything(keras.layers.Layer):
    """Taps its input."""

    def call(self, x):
        return lm.tap("hidden", x)


def square(gap):
    return ops.square(gap)


@lm.loss("b f, b f")
def tapped_error(y_true, y_pred):
    gap = lm.tap("gap", y_pred - y_true)
    return lm.tap("error", square(gap))


@lm.loss("b f, b f")
def plain_error(y_true, y_pred):
    return square(y_pred - y_true)


def built(cls=lm.Model, layer=Positive):
    x = keras.Input((3,))
    start = keras.initializers.Constant(KERNEL)
    return cls(x, layer()(keras.layers.Dense(3, use_bias=False, kernel_initializer=start)(x)))


def compiled(loss=tapped_error, taps=TAPS, rate=0.0, **arguments):
    model = built(**arguments)
    model.compile(keras.optimizers.SGD(rate), loss, taps=taps)
    return model


def by_hand(rows):
    """The statistics of all taps over some samples, in NumPy."""
    hidden, gap = HIDDEN[rows].astype("float64"), (HIDDEN - Y)[rows].astype("float64")
    return {
        **summary("tap/hidden", hidden[hidden > 0], (hidden > 0).mean()),
        **summary("tap/gap", gap, 1.0),
        "tap/error/mean": (gap**2).mean(),
    }


def summary(name, x, counted):
    found = {"mean": x.mean(), "deviation": x.std(), "min": x.min(), "max": x.max()}
    return {f"{name}/{key}": v for key, v in {**found, "nan": 0.0, "counted": counted}.items()}


class Histograms(keras.callbacks.Callback):
    def on_test_begin(self, logs=None):
        del logs
        self.training = self.model.tap_histograms

    def on_test_end(self, logs=None):
        del logs
        self.validation = self.model.tap_histograms


@pytest.fixture(scope="module")
def fitted():
    """A model after two epochs that change nothing, its history, and its histograms."""
    model, seen = compiled(), Histograms()
    arrays = (X[TRAIN], Y[TRAIN])
    history = model.fit(
        *arrays,
        batch_size=BATCH,
        epochs=2,
        shuffle=False,
        verbose=0,
        validation_data=(X[VALIDATION], Y[VALIDATION]),
        callbacks=[seen],
    ).history
    return model, history, seen


def test_fit_logs_the_statistics_of_each_epoch_for_training_and_validation(fitted):
    _, history, _ = fitted
    expected = {**by_hand(TRAIN), **{f"val_{k}": v for k, v in by_hand(VALIDATION).items()}}
    found = {name: values for name, values in history.items() if "tap/" in name}
    assert set(found) == set(expected)
    for name, values in found.items():
        assert values == pytest.approx([expected[name]] * 2, rel=1e-5), name


def test_the_terms_are_logged_beside_them(fitted):
    _, history, _ = fitted
    assert history["tapped_error"] == pytest.approx(history["tap/error/mean"], rel=1e-6)


def test_histograms_count_the_epoch_and_its_validation(fitted):
    _, _, seen = fitted
    for rows, found in ((TRAIN, seen.training), (VALIDATION, seen.validation)):
        assert set(found) == {"hidden"}
        counts, edges = found["hidden"]
        hidden = HIDDEN[rows]
        np.testing.assert_array_equal(counts, np.histogram(hidden[hidden > 0], EDGES)[0])
        assert edges == EDGES.tolist()


def test_single_batches_predictions_and_evaluations_go_on(fitted):
    model, _, _ = fitted
    batch = X[VALIDATION], Y[VALIDATION]
    expected = pytest.approx(by_hand(VALIDATION)["tap/gap/mean"], rel=1e-5)
    assert model.train_on_batch(*batch, return_dict=True)["tap/gap/mean"] == expected
    np.testing.assert_allclose(model.predict(X, batch_size=BATCH, verbose=0), HIDDEN, rtol=1e-5)
    found = model.evaluate(*batch, batch_size=BATCH, verbose=0, return_dict=True)
    assert found["tap/gap/mean"] == expected


def test_a_saved_model_goes_on_with_its_taps(fitted, tmp_path):
    model, history, _ = fitted
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_compile_config()["taps"] == TAPS
    assert len(loaded.get_weights()) == 1
    data = {"batch_size": BATCH, "verbose": 0, "return_dict": True}
    found = loaded.evaluate(X[VALIDATION], Y[VALIDATION], **data)
    assert found == pytest.approx(
        {name.removeprefix("val_"): v[-1] for name, v in history.items() if "val_" in name}
    )


def test_a_model_compiled_again_keeps_no_tap(fitted):
    del fitted
    model = compiled()
    model.compile("sgd", tapped_error)
    names = model.train_on_batch(X[:BATCH], Y[:BATCH], return_dict=True)
    assert set(names) == {"loss", "tapped_error"}


def test_a_step_with_taps_learns_as_by_hand():
    model = compiled(rate=0.1)
    model.train_on_batch(X[:BATCH], Y[:BATCH])
    slope = 2 * X[:BATCH].T @ (HIDDEN - Y)[:BATCH] / (BATCH * 3)
    np.testing.assert_allclose(model.get_weights()[0], KERNEL - 0.1 * slope, rtol=1e-5)


def test_taps_that_are_not_read_leave_the_compiled_step_as_it_is(backend):
    if backend != "jax":
        pytest.skip("read off JAX's programs")
    import jax

    programs = []
    for loss, layer in ((plain_error, keras.layers.Identity), (tapped_error, Everything)):
        model = compiled(loss, None, layer=layer)
        model.optimizer.build(model.trainable_variables)
        state = model._get_jax_state(
            trainable_variables=True,
            non_trainable_variables=True,
            optimizer_variables=True,
            metrics_variables=True,
        )
        step = jax.jit(model.train_step).lower(state, (X[:BATCH], Y[:BATCH]))
        programs.append(step.as_text())
    assert programs[0].replace("plain_error", "tapped_error") == programs[1]


# ── any loss, any model ──────────────────────────────────────────────────────────────────────


def usual(y_true, y_pred):
    return ops.mean(lm.tap("error", ops.square(y_true - y_pred)), axis=-1)


def test_a_plain_function_is_heard_in_a_model_of_lossmith():
    model = compiled(usual, ["error"], layer=keras.layers.Identity)
    found = model.evaluate(X, Y, batch_size=BATCH, verbose=0, return_dict=True)
    assert found["tap/error/mean"] == pytest.approx(((HIDDEN - Y) ** 2).mean(), rel=1e-5)


class Own(lm.ModelMixin, keras.Model):
    """A loss of its own around the compiled one, and a layer that is not built before."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return lm.tap("output", self.dense(x))

    def compute_loss(self, x=None, y=None, *args, **kwargs):
        lm.tap("target", y)
        total = super().compute_loss(x, y, *args, **kwargs)
        return lm.tap("total", total)


def test_the_loss_of_a_class_of_ones_own_is_heard_once():
    model = Own()
    model.compile("sgd", tapped_error, taps=["target", "gap", "total", "output"])
    found = model.fit(X[:BATCH], Y[:BATCH], batch_size=BATCH, verbose=0).history
    assert found["tap/target/mean"] == pytest.approx([Y[:BATCH].mean()], rel=1e-5)
    assert found["tap/total/mean"] == pytest.approx(found["loss"], rel=1e-5)
    gap = found["tap/output/mean"][0] - found["tap/target/mean"][0]
    assert found["tap/gap/mean"] == pytest.approx([gap], rel=1e-4)


def test_a_layer_and_a_loss_with_one_name_are_numbered_together():
    def error(y_true, y_pred):
        return ops.square(lm.tap("hidden", y_pred - y_true))

    model = compiled(error, ["hidden", "hidden_2"])
    found = model.evaluate(X, Y, batch_size=BATCH, verbose=0, return_dict=True)
    assert found["tap/hidden/mean"] == pytest.approx(HIDDEN[HIDDEN > 0].mean(), rel=1e-5)
    assert found["tap/hidden_2/mean"] == pytest.approx((HIDDEN - Y).mean(), rel=1e-5)


def test_steps_of_several_threads_all_count_as_replicas_of_tensorflow_need():
    taps = Taps(["x"])

    def step():
        with taps.during_loss():
            lm.tap("x", ops.ones(2))

    with taps.during_loss():
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()
        lm.tap("x", ops.zeros(2))
    assert float(ops.convert_to_numpy(taps.metric.result()["tap/x/mean"])) == 0.5


# ── bad input ────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_no_tap_has_is_refused_and_costs_no_weights():
    model = compiled(taps=["gpa"])
    with pytest.raises(lm.LossmithError, match="write 'gap'"):
        model.fit(X[:BATCH], Y[:BATCH], batch_size=BATCH, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], KERNEL)


class Looped(keras.layers.Layer):
    """Its tap is in the body of a loop."""

    def call(self, x):
        return ops.vectorized_map(lambda row: 2.0 * lm.tap("hidden", row), x)


def test_a_tap_in_a_loop_is_an_error_only_where_it_is_asked_for():
    model = compiled(tapped_error, ["gap"], layer=Looped)
    model.train_on_batch(X[:BATCH], Y[:BATCH])
    model.compile("sgd", tapped_error, taps=["hidden"])
    with pytest.raises(lm.LossmithError, match="'hidden' is in a compiled or transformed"):
        model.train_on_batch(X[:BATCH], Y[:BATCH])
