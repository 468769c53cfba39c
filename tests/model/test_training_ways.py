"""Every way in which Keras trains: on batches, compiled or not, in half precision, with weights."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.model.data import (
    AXES,
    COUNTED,
    FIELDS,
    KERNEL,
    LENGTHS,
    OUTPUT,
    SAMPLES,
    STEPS,
    TARGET,
    TOTAL,
    WEIGHTS,
    X,
    Y,
    epoch,
    linear,
    logs_of,
)

BACKEND = keras.config.backend()
RATE = 0.1
RNG = np.random.default_rng(2)


def kernel_of(model):
    return ops.convert_to_numpy(model.get_layer("out").kernel)


def compiled(**arguments):
    model = linear()
    model.compile(keras.optimizers.SGD(RATE), loss=TOTAL, **arguments)
    return model


# ── compiled, eager, several steps at once ───────────────────────────────────────────────────

not_on_torch = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras on PyTorch has no such thing, or needs a C++ compiler for it"
)
WAYS = [
    pytest.param({"run_eagerly": True}, id="run_eagerly"),
    pytest.param({"jit_compile": False}, id="no jit_compile"),
    pytest.param({"jit_compile": True}, id="jit_compile", marks=not_on_torch),
    pytest.param({"steps_per_execution": 3}, id="steps_per_execution", marks=not_on_torch),
]


@pytest.mark.parametrize("way", WAYS)
def test_fit_trains_and_validates_as_by_hand(way):
    model = compiled(**way)  # four batches: three steps at once leave one over
    history = model.fit(
        X,
        FIELDS,
        sample_weight=WEIGHTS,
        validation_data=(X[4:], {"y": Y[4:], "lengths": LENGTHS[4:]}, WEIGHTS[4:]),
        batch_size=4,
        epochs=2,
        shuffle=False,
        verbose=0,
    ).history
    kernel = KERNEL
    for at in range(2):
        logs, kernel = epoch(kernel, batch=4, rate=RATE, weights=WEIGHTS)
        later, _ = epoch(kernel, batch=SAMPLES, weights=WEIGHTS, samples=slice(4, None))
        wanted = {**logs, **{f"val_{name}": value for name, value in later.items()}}
        found = {name: values[at] for name, values in history.items()}
        assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=1e-5)


def test_single_batches_train_test_and_predict_as_by_hand():
    model = compiled()
    wanted, kernel = epoch(KERNEL, batch=SAMPLES, rate=RATE, weights=WEIGHTS)
    found = model.train_on_batch(X, FIELDS, sample_weight=WEIGHTS, return_dict=True)
    assert found == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=1e-5)
    wanted, _ = epoch(kernel, batch=SAMPLES)
    found = model.test_on_batch(X, FIELDS, return_dict=True)
    assert found == pytest.approx(wanted, rel=1e-5)
    for predicted in (model.predict_on_batch(X), model.predict(X, batch_size=6, verbose=0)):
        np.testing.assert_allclose(predicted, X.astype("float64") @ kernel, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=1e-5)


def test_the_batches_of_a_loop_of_ones_own_are_logged_each_for_itself():
    model = compiled()
    for at in range(0, SAMPLES, 4):
        part = slice(at, at + 4)
        y = {name: field[part] for name, field in FIELDS.items()}
        found = model.test_on_batch(X[part], y, return_dict=True)
        wanted, _ = epoch(KERNEL, batch=4, samples=part)
        assert found == pytest.approx(wanted, rel=1e-5)


class Counted(keras.layers.Layer):
    """Counts its calls, which under `run_eagerly` are those of the steps."""

    calls = 0

    def call(self, inputs):
        type(self).calls += 1
        return inputs * 1.0


def test_a_step_runs_a_named_layer_once():
    x = keras.Input((STEPS, 2))
    hidden = Counted(name="counted")(keras.layers.Dense(3)(x))
    model = lm.Model(x, keras.layers.Dense(1, name="out")(hidden))
    terms = lm.Loss("l1", "b t h", of="layer:counted") + lm.Loss("l2", of="weights:out/kernel")
    model.compile("sgd", loss=lm.Loss("mse", AXES) + terms, run_eagerly=True)
    model.train_on_batch(X, TARGET)  # Keras looks at shapes first
    for run in (model.fit, model.evaluate):
        Counted.calls = 0
        run(X, TARGET, batch_size=4, verbose=0)
        assert Counted.calls == SAMPLES / 4


# ── half precision ───────────────────────────────────────────────────────────────────────────

EPS = {"mixed_float16": 2.0**-10, "mixed_bfloat16": 2.0**-7}


@pytest.fixture(params=EPS)
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def test_in_half_precision_the_loss_is_that_of_the_predictions_in_full(policy):
    large = 300.0 * TARGET  # its squares are more than float16 holds
    model = linear()
    model.compile(loss=TOTAL, run_eagerly=True)
    output = model(X)
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(output.dtype) == half
    total = model.compute_loss(X, {"y": large, "lengths": LENGTHS}, output)
    assert keras.backend.standardize_dtype(total.dtype) == "float32"
    output = ops.convert_to_numpy(ops.cast(output, "float32")).astype("float64")
    wanted = ((output - large) ** 2)[COUNTED].mean()
    found = logs_of(model, X, {"y": large, "lengths": LENGTHS}, batch_size=SAMPLES)
    assert found["mse"] == pytest.approx(wanted, rel=1e-6)


def test_in_half_precision_training_stays_close_to_full(policy):
    model = compiled()
    history = model.fit(X, FIELDS, batch_size=SAMPLES, epochs=2, verbose=0).history
    first, kernel = epoch(KERNEL, batch=SAMPLES, rate=RATE)
    second, kernel = epoch(kernel, batch=SAMPLES, rate=RATE)
    for name in first:
        wanted = [first[name], second[name]]
        np.testing.assert_allclose(history[name], wanted, rtol=4 * EPS[policy], err_msg=name)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=8 * EPS[policy])
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (
        policy == "mixed_float16"
    )


def test_a_loss_scaled_too_far_is_skipped_and_scaled_less():
    keras.config.set_dtype_policy("mixed_float16")
    model = linear()
    keras.config.set_dtype_policy("float32")
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(RATE), initial_scale=2.0**24
    )
    model.compile(optimizer, loss=TOTAL)
    wanted, kernel = epoch(KERNEL, batch=SAMPLES, rate=RATE)
    found = model.train_on_batch(X, FIELDS, return_dict=True)
    assert found == pytest.approx(wanted, rel=4 * EPS["mixed_float16"])
    np.testing.assert_array_equal(kernel_of(model), KERNEL)
    assert float(ops.convert_to_numpy(optimizer.dynamic_scale)) == 2.0**23
    optimizer.dynamic_scale.assign(2.0**8)
    model.train_on_batch(X, FIELDS)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=8 * EPS["mixed_float16"])


# ── weights of classes and samples ───────────────────────────────────────────────────────────

CLASS_WEIGHTS = np.array([0.5, 2.0, 5.0])
LABELS = RNG.integers(0, 3, SAMPLES).astype("int32")


def classifier():
    x = keras.Input((2,))
    start = keras.initializers.Constant(np.array([[0.5, -1.0, 0.2], [0.3, 0.1, -0.4]]))
    dense = keras.layers.Dense(3, use_bias=False, kernel_initializer=start, name="out")
    return lm.Model(x, dense(x))


def test_class_weights_in_fit_are_those_of_by_class():
    error = lm.errors.CrossEntropy(from_logits=True)
    by_class = [lm.weights.ByClass(CLASS_WEIGHTS)]
    losses = {
        "fit": (lm.Loss(error, "b, b [c]"), {"class_weight": dict(enumerate(CLASS_WEIGHTS))}),
        "loss": (lm.Loss(error, "b, b [c]", weights=by_class), {}),
    }
    x = X[:, 0].astype("float64")
    logits = x @ kernel_of(classifier()).astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    weights, hot = CLASS_WEIGHTS[LABELS], np.eye(3)[LABELS]
    wanted = -(weights * np.log(probabilities[np.arange(SAMPLES), LABELS])).mean()
    slope = x.T @ (weights[:, None] * (probabilities - hot)) / SAMPLES
    for loss, given in losses.values():
        model = classifier()
        model.compile(keras.optimizers.SGD(RATE), loss=loss)
        before = kernel_of(model).astype("float64")
        history = model.fit(X[:, 0], LABELS, batch_size=SAMPLES, verbose=0, **given).history
        assert history["loss"] == pytest.approx([wanted], rel=1e-5)
        np.testing.assert_allclose(kernel_of(model), before - RATE * slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(SAMPLES,), (SAMPLES, 1), (SAMPLES, STEPS)])
def test_sample_weights_of_samples_and_of_steps(shape):
    model = linear()
    model.compile(keras.optimizers.SGD(RATE), loss=lm.Loss("mse", AXES))
    weights = RNG.uniform(0.0, 2.0, shape).astype("float32")
    history = model.fit(
        X, TARGET, sample_weight=weights, batch_size=SAMPLES, epochs=1, verbose=0
    ).history
    w = weights.reshape(SAMPLES, -1, 1)
    difference = OUTPUT - TARGET
    assert history["mse"] == pytest.approx([(w * difference**2).mean()], rel=1e-5)
    slope = np.einsum("btf,bto->fo", X, 2 * w * difference) / difference.size
    np.testing.assert_allclose(kernel_of(model), KERNEL - RATE * slope, rtol=1e-5)


# ── metrics, callbacks, other losses ─────────────────────────────────────────────────────────


def two_heads():
    x = keras.Input((STEPS, 2))
    first = linear().get_layer("out")(x)
    return lm.Model(x, {"a": first, "b": keras.layers.Rescaling(2.0)(first)})


def test_metrics_of_several_outputs_get_the_targets_of_their_names():
    model = two_heads()
    model.compile(
        loss=lm.Loss("mse", AXES, of=("y:a", "output:a"), name="first")
        + lm.Loss("mse", AXES, of=("y:b", "output:b"), name="second"),
        metrics={"a": ["mae"], "b": ["mse"]},
        weighted_metrics={"b": ["mae"]},
    )
    other = RNG.normal(size=TARGET.shape).astype("float32")
    # A field that is no target, and stands between the two in the order of names.
    y = {"a": TARGET, "aa": LENGTHS, "b": other}
    found = logs_of(model, X, y, sample_weight=WEIGHTS, batch_size=SAMPLES)
    by_sample = np.abs(2 * OUTPUT - other).mean(axis=(1, 2))
    wanted = {
        "a_mae": np.abs(OUTPUT - TARGET).mean(),
        "b_mse": ((2 * OUTPUT - other) ** 2).mean(),
        "b_mae": np.average(by_sample, weights=WEIGHTS),
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_early_stopping_watches_a_term():
    model = linear()
    model.compile(keras.optimizers.SGD(3.0), loss=TOTAL)  # too fast: it gets worse
    stop = keras.callbacks.EarlyStopping(
        "val_by_sample", mode="min", patience=0, restore_best_weights=True
    )
    history = model.fit(
        X,
        FIELDS,
        validation_data=(X, FIELDS),
        batch_size=SAMPLES,
        epochs=9,
        callbacks=[stop],
        verbose=0,
    ).history
    kernel, values, kernels = KERNEL, [], []
    while len(values) < 2 or values[-1] < values[-2]:
        _, kernel = epoch(kernel, batch=SAMPLES, rate=3.0)
        values.append(epoch(kernel, batch=SAMPLES)[0]["by_sample"])
        kernels.append(kernel)
    assert len(values) < 9
    assert history["val_by_sample"] == pytest.approx(values, rel=1e-4)
    np.testing.assert_allclose(kernel_of(model), kernels[-2], rtol=1e-4)


def test_a_checkpoint_keeps_the_epoch_whose_term_was_best(tmp_path):
    model = linear()
    model.compile(keras.optimizers.SGD(3.0), loss=TOTAL)
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="val_mse", mode="min", save_best_only=True
    )
    history = model.fit(
        X, FIELDS, validation_data=(X, FIELDS), epochs=4, callbacks=[best], verbose=0
    ).history
    values = history["val_mse"]
    assert min(values) < values[-1]
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    assert logs_of(loaded, X, FIELDS)["mse"] == pytest.approx(min(values), rel=1e-6)


class Small(keras.layers.Layer):
    """Adds a loss of its own in `call`."""

    def call(self, inputs):
        self.add_loss(0.2 * ops.mean(ops.square(inputs)))
        return inputs


def test_regularisers_and_added_losses_train_with_the_terms():
    x = keras.Input((STEPS, 2))
    dense = keras.layers.Dense(
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(KERNEL),
        kernel_regularizer=keras.regularizers.L2(0.3),
        name="out",
    )
    model = lm.Model(x, Small()(dense(x)))
    model.compile(keras.optimizers.SGD(RATE), loss=TOTAL)
    history = model.fit(X, FIELDS, batch_size=SAMPLES, epochs=1, verbose=0).history
    x = X.astype("float64")

    def rest(kernel):
        added = 0.2 * np.einsum("btf,bto->fo", x, 2 * (x @ kernel)) / OUTPUT.size
        return 0.3 * 2 * kernel + added

    terms, kernel = epoch(KERNEL, batch=SAMPLES, rate=RATE, rest=rest)
    wanted = terms["loss"] + 0.3 * (KERNEL**2).sum() + 0.2 * (OUTPUT**2).mean()
    assert history["loss"] == pytest.approx([wanted], rel=1e-5)
    assert history["mse"] == pytest.approx([terms["mse"]], rel=1e-5)
    np.testing.assert_allclose(kernel_of(model), kernel, rtol=1e-5)
