"""A model is saved with its whole objective, and trains on as if it had not been."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.model.data import AXES, FIELDS, MASK, STEPS, X, logs_of

PLAN = {"batch_size": 8, "shuffle": False, "verbose": 0}


def whole():
    """Terms of the output, a layer and a weight; factors that learn, move, and stand still."""
    return (
        lm.schedules.Learned(2.0) * lm.Loss("mse", AXES, mask=MASK)
        + lm.schedules.Linear(0.0, 1.0, over=9)
        * lm.Loss("l1", "b t h", of="layer:hidden", name="small")
        + lm.schedules.Piecewise([2], [0.1, 0.5], by="epoch")
        * lm.Loss("mae", AXES, mask=MASK, weights=lm.weights.ByStep(exponential=0.5), name="late")
        + 0.1 * lm.Loss("l2", of="weights:out/kernel", reduce="sum", name="kernel")
    )


def built(optimizer=None, loss=None, model_class=lm.Model):
    keras.utils.set_random_seed(3)
    x = keras.Input((STEPS, 2), name="steps")
    hidden = keras.layers.Dense(3, activation="tanh", name="hidden")(x)
    model = model_class(x, keras.layers.Dense(1, name="out")(hidden))
    if optimizer is not None:
        model.compile(optimizer, loss=loss or whole())
    return model


def trained(optimizer):
    model = built(optimizer)
    model.fit(X, FIELDS, epochs=2, **PLAN)
    return model


def assert_alike(some, others, rtol=1e-6):
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(other, one, rtol=rtol, atol=0.1 * rtol)


def assert_go_on_alike(model, other):
    """Train one further, which leaves the other alone, then the other to the same end."""
    start = model.get_weights()
    first = model.fit(X, FIELDS, epochs=2, **PLAN).history
    assert_alike(start, other.get_weights())
    second = other.fit(X, FIELDS, epochs=2, **PLAN).history
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(second[name], values, rtol=1e-6, err_msg=name)
    assert_alike(model.get_weights(), other.get_weights())
    assert all(np.any(a != b) for a, b in zip(start, model.get_weights(), strict=True))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained model, and the file it was saved to."""
    model = trained(keras.optimizers.Adam(0.01))
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    model.save(path)
    return model, path


def test_a_loaded_model_has_the_same_objective_weights_and_value(saved):
    model, path = saved
    loaded = keras.saving.load_model(path)
    assert type(loaded) is lm.Model
    assert loaded.loss == whole()
    assert_alike(model.get_weights(), loaded.get_weights(), rtol=0)
    assert_alike(*(map(ops.convert_to_numpy, m.optimizer.variables) for m in (model, loaded)), 0)
    assert logs_of(loaded, X, FIELDS) == logs_of(model, X, FIELDS)


LOADING = """
import json, sys
import keras, numpy as np
import lossmith
path, arrays = sys.argv[1:]
data = np.load(arrays)
y = {"y": data["y"], "lengths": data["lengths"]}
model = keras.saving.load_model(path)
before = model.evaluate(data["x"], y, verbose=0, return_dict=True)
model.fit(data["x"], y, batch_size=8, shuffle=False, verbose=0, epochs=1)
after = model.evaluate(data["x"], y, verbose=0, return_dict=True)
print(json.dumps([{k: float(v) for k, v in logs.items()} for logs in (before, after)]))
"""


def test_a_fresh_process_and_this_one_train_on_alike(saved, tmp_path):
    _, path = saved
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, x=X, **FIELDS)
    done = subprocess.run(
        [sys.executable, "-c", LOADING, str(path), str(arrays)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout.splitlines()[-1])
    loaded = keras.saving.load_model(path)
    assert before == pytest.approx(logs_of(loaded, X, FIELDS), rel=1e-6)
    loaded.fit(X, FIELDS, epochs=1, **PLAN)
    assert after == pytest.approx(logs_of(loaded, X, FIELDS), rel=1e-6)


def test_a_loaded_model_trains_on_as_the_saved_one_does(tmp_path):
    model = trained(keras.optimizers.Adam(0.01))
    model.save(tmp_path / "model.keras")
    assert_go_on_alike(model, keras.saving.load_model(tmp_path / "model.keras"))


def test_a_file_of_weights_holds_what_was_learned_and_how_far_it_went(tmp_path):
    path = tmp_path / "all.weights.h5"
    model = trained(keras.optimizers.Adam(0.01))
    model.save_weights(path)
    other = built(keras.optimizers.Adam(0.01))
    other.optimizer.build(other.trainable_variables)
    other.load_weights(path)
    assert logs_of(other, X, FIELDS) == logs_of(model, X, FIELDS)
    for name, start in (("step", 0), ("epoch", -1), ("log_variance", -np.log(2.0))):
        (own,) = [v for v in other.weights if v.path.endswith(name)]
        assert float(ops.convert_to_numpy(own)) != pytest.approx(start)
    assert_go_on_alike(model, other)


def of_config(model):
    other = lm.Model.from_config(model.get_config())
    other.compile_from_config(model.get_compile_config())
    return other


def of_clone(model):
    other = keras.models.clone_model(model)
    other.compile(keras.optimizers.SGD(0.01), loss=model.loss)
    return other


@pytest.mark.parametrize("copied", [of_config, of_clone])
def test_a_copy_with_the_same_weights_goes_on_alike(copied):
    model = trained(keras.optimizers.SGD(0.01))
    other = copied(model)
    assert type(other) is lm.Model
    assert other.loss == model.loss
    other.set_weights(model.get_weights())
    assert len(other.trainable_variables) == len(model.trainable_variables) == 5
    assert_go_on_alike(model, other)


@pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")  # of the optimizer
def test_a_model_loaded_without_its_training_predicts_and_can_be_compiled_again(saved):
    model, path = saved
    loaded = keras.saving.load_model(path, compile=False)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    loaded.compile("sgd", loss=whole())
    assert logs_of(loaded, X, FIELDS) == pytest.approx(logs_of(model, X, FIELDS), rel=1e-6)


PLAIN = lm.Loss("mse", AXES, mask=MASK)
LIKE = {
    "uncompiled": built,
    "compiled with numbers": lambda: built(keras.optimizers.Adam(0.01), PLAIN),
    "a plain Keras model": lambda: built(model_class=keras.Model),
}


@pytest.mark.filterwarnings("ignore:Skipping variable loading:UserWarning")  # of the optimizer
@pytest.mark.parametrize("other", LIKE)
def test_a_file_of_weights_loads_into_a_model_without_factors_that_move(other, saved, tmp_path):
    model, _ = saved
    model.save_weights(tmp_path / "all.weights.h5")
    loaded = LIKE[other]()
    loaded.load_weights(tmp_path / "all.weights.h5")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_a_file_of_weights_without_factors_that_move_loads_into_a_model_with(tmp_path):
    model, other = built(keras.optimizers.SGD(0.01), PLAIN), built(keras.optimizers.SGD(0.01))
    model.set_weights([weight + 1.0 for weight in model.get_weights()])
    model.save_weights(tmp_path / "plain.weights.h5")
    other.load_weights(tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(other.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    logs = logs_of(other, X, FIELDS)
    assert (logs["mse_factor"], logs["small_factor"]) == pytest.approx((2.0, 0.0))
