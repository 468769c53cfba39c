"""What a user may get wrong is said in our words, and costs the model nothing."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.model.data import AXES, FIELDS, LENGTHS, MASK, SAMPLES, STEPS, TARGET, X, Y, linear

SHORT = {"y": Y[:, :3], "lengths": LENGTHS}
MASKED = lm.Loss("mse", AXES, mask=MASK)
CASES = {
    "a field that is not there": (
        lm.Loss("mse", AXES, mask=lm.masks.Lengths("y:length")),
        FIELDS,
        "'y' has no field 'length'",
        'write "y:lengths"',
    ),
    "a target that is not there": (
        lm.Loss("mse", AXES, of=("y:target", "output")),
        FIELDS,
        "'y' has no field 'target'",
        'write "y:',
    ),
    "a tensor for a dict": (MASKED, Y, "'y' has no fields", "give y={'y': ..., 'lengths': ...}"),
    "an output that is not there": (
        lm.Loss("mse", AXES, of=("y", "output:head")),
        FIELDS,
        "'output' has no fields",
        "",
    ),
    "targets of another length": (MASKED, SHORT, "t has two lengths", "a name of its own"),
    "targets of another rank": (
        MASKED,
        {"y": Y[..., 0], "lengths": LENGTHS},
        "does not have the axes it is said to have",
        "write the axes that 'y' has",
    ),
    "the second of two terms": (
        lm.Loss("mae", AXES, mask=MASK)
        + lm.Loss("mse", AXES, mask=lm.masks.Finite(source="y:other")),
        FIELDS,
        "'y' has no field 'other'",
        'write "y:',
    ),
    "no sample weights": (
        lm.Loss("mse", AXES, mask=lm.masks.SampleWeight()),
        {"y": TARGET},
        "there is no 'sample_weight'",
        "give 'sample_weight'",
    ),
}
cases = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def started():
    """A model that has taken a step, so that its optimizer holds something."""
    model = linear()
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=MASKED)
    model.train_on_batch(X, FIELDS)
    return model


def state(model):
    variables = [*model.weights, *model.optimizer.variables]
    return [ops.convert_to_numpy(variable).copy() for variable in variables]


def assert_alike(some, others, rtol=0):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(other, one, rtol=rtol)


def assert_said(caught, fact, fix):
    assert fact in caught.value.fact
    assert fix in caught.value.fix
    assert caught.value.got
    assert caught.value.expected


def fit(model, y):
    model.fit(X, y, batch_size=8, epochs=1, verbose=0)


def evaluate(model, y):
    model.evaluate(X, y, batch_size=8, verbose=0)


def train_on_batch(model, y):
    model.train_on_batch(X, y)


@cases
@pytest.mark.parametrize("run", [fit, evaluate, train_on_batch])
def test_an_error_reaches_the_user_and_changes_nothing(case, run, started):
    loss, y, fact, fix = CASES[case]
    started.compile(started.optimizer, loss=loss)
    before = state(started)
    with pytest.raises(lm.LossmithError) as caught:
        run(started, y)
    assert_said(caught, fact, fix)
    assert caught.value.at[0] == "mse"
    assert_alike(before, state(started))


@pytest.mark.skipif(
    keras.config.backend() == "tensorflow",
    reason="Keras holds generators to the shapes of their first batches on TensorFlow",
)
def test_an_error_in_a_later_batch_keeps_what_was_trained_before_and_training_goes_on():
    """The shape of the last batch is new, so that it is traced, and refused, after two steps."""
    models = [linear(), linear()]
    for model in models:
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=MASKED)
    parts = [slice(4), slice(4, 8), slice(8, 12)]
    data = [(X[part], {"y": Y[part], "lengths": LENGTHS[part]}) for part in parts]
    wrong = (X[8:12], {"y": Y[8:12, :3], "lengths": LENGTHS[8:12]})
    with pytest.raises(lm.LossmithError, match="two lengths"):
        models[0].fit((batch for batch in (*data[:2], wrong)), shuffle=False, verbose=0)
    models[0].train_on_batch(*data[2])
    for batch in data:
        models[1].train_on_batch(*batch)
    assert_alike(*map(state, models), rtol=1e-6)


# ── said before anything runs ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("loss", "fact", "fix"),
    [
        (lm.Loss("l1", of="layer:ouut"), "the model has no layer 'ouut'", "write 'layer:out'"),
        (lm.Loss("l2", of="weights:outt/kernel"), "names no weights", "write 'weights:out/kernel'"),
    ],
    ids=["layer", "weights"],
)
def test_what_the_model_does_not_have_is_said_at_compile(loss, fact, fix, started):
    started.compile(started.optimizer, loss=MASKED)
    before = state(started)
    with pytest.raises(lm.LossmithError) as caught:
        started.compile("sgd", loss=lm.Loss("mse", AXES) + loss)
    assert_said(caught, fact, fix)
    assert_alike(before, state(started))
    assert started.loss is MASKED


def test_a_metric_with_the_name_of_a_term_is_refused_before_a_step(started):
    started.compile(started.optimizer, loss=MASKED, metrics=["mse"])
    before = state(started)
    with pytest.raises(lm.LossmithError) as caught:
        fit(started, {"y": TARGET, "lengths": LENGTHS})
    assert_said(caught, "a metric and a term are both called 'mse'", 'name="mse_loss"')
    assert_alike(before, state(started))


@pytest.mark.parametrize(
    "loss",
    [
        lm.Loss("l1", "b t f", of="layer:out"),
        lm.Loss("l2", of="weights:out/kernel"),
        lm.Loss("mse", AXES, mask=lm.masks.Finite(source="x")),
        lm.schedules.Linear(0.0, 1.0, over=3) * lm.Loss("mse", AXES),
        lm.schedules.Learned() * lm.Loss("mse", AXES),
    ],
    ids=["layer", "weights", "input", "schedule", "learned"],
)
def test_a_loss_that_needs_our_model_says_so_in_a_plain_one_before_a_step(loss):
    model = linear(keras.Model)
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    before = model.get_weights()
    with pytest.raises(lm.LossmithError, match="model that") as caught:
        fit(model, TARGET)
    assert "build lm.Model(inputs, outputs)" in caught.value.fix
    assert_alike(before, model.get_weights())


def test_a_field_with_another_number_of_samples_is_keras_own_error(started):
    started.compile(started.optimizer, loss=MASKED)
    with pytest.raises(ValueError, match="the same number of samples"):
        fit(started, {"y": Y, "lengths": LENGTHS[: SAMPLES - 1]})


def test_lengths_past_the_end_count_every_step():
    model = linear()
    model.compile(loss=MASKED)
    y = {"y": TARGET, "lengths": np.full(SAMPLES, STEPS + 3, "int32")}
    found = model.evaluate(X, y, verbose=0, return_dict=True)
    kernel = ops.convert_to_numpy(model.get_layer("out").kernel).astype("float64")
    wanted = ((X @ kernel - TARGET) ** 2).mean()
    assert float(found["mse"]) == pytest.approx(wanted, rel=1e-5)
