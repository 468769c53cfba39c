"""Saved and loaded: in a fresh process, without custom objects, with the same value."""

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.core import kinds
from lossmith.messages import SavingError
from tests.losses.shared import AXES, LOSSES, OWN, Scaled, cubed, step_distance

ROOT = Path(__file__).resolve().parents[2]
ALL = {**LOSSES, **OWN}
X = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
Y = np.random.default_rng(1).normal(size=(4, 3, 1)).astype("float32")

# What a user does who gets files: Keras first, then lossmith; a module of one's own only then.
LOAD = """
import json, sys, warnings
warnings.simplefilter("error")
import keras
import lossmith
warnings.simplefilter("default")
import numpy as np
root, data, *files = sys.argv[1:]
with np.load(data) as arrays:
    x, y = arrays["x"], arrays["y"]
values = []
for file in files:
    if file == "own":
        sys.path.insert(0, root)
        import tests.losses.shared
        continue
    model = keras.saving.load_model(file)
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    values.append([repr(model.loss), {name: float(value) for name, value in logs.items()}])
print(json.dumps(values))
"""


def compiled(loss):
    x = keras.Input((3, 2))
    model = keras.Model(x, keras.layers.Dense(1)(x))
    model.compile("sgd", loss=loss)
    return model


def text_of(loss):
    """How a loss is written, without addresses in memory."""
    return re.sub(r"0x[0-9a-f]+", "", loss if isinstance(loss, str) else repr(loss))


def test_saved_models_load_in_a_fresh_process_with_the_same_value(tmp_path):
    data = tmp_path / "data.npz"
    np.savez(data, x=X, y=Y)
    arguments, wanted = [ROOT, data], []
    for name, loss in ALL.items():
        if name == next(iter(OWN)):
            arguments.append("own")
        model = compiled(loss)
        wanted.append((text_of(loss), model.evaluate(X, Y, verbose=0, return_dict=True)))
        arguments.append(tmp_path / f"{len(wanted)}.keras")
        model.save(arguments[-1])
    script = tmp_path / "load.py"
    script.write_text(LOAD, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(lm.__file__).parents[1])},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    for (text, logs), (right_text, right_logs) in zip(found, wanted, strict=True):
        assert text_of(text) == right_text
        assert logs == pytest.approx({k: float(v) for k, v in right_logs.items()}, rel=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_loss_comes_back_from_its_config_equal(name):
    loss = ALL[name]
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again.get_config() == loss.get_config()
    assert text_of(again) == text_of(loss)
    assert float(again(Y, X[..., :1])) == float(loss(Y, X[..., :1]))


def test_the_config_of_a_loss_has_all_its_arguments():
    arguments = inspect.signature(lm.Loss).parameters
    assert set(LOSSES["masked"].get_config()) == set(arguments)
    assert LOSSES["masked"].get_config()["dtype"] == "float32"
    assert LOSSES["masked"].get_config()["name"] == "mine"


def test_the_config_of_a_sum_has_all_its_arguments():
    assert set(LOSSES["sum"].get_config()) == set(inspect.signature(lm.Objective).parameters)


# ── what would not load ──────────────────────────────────────────────────────────────────────


def unregistered(y_true, y_pred):
    return ops.abs(y_pred - y_true)


class Unregistered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true), axis=-1)


@keras.saving.register_keras_serializable("tests")
class Forgetful(keras.losses.Loss):
    """It has an argument that its config leaves out."""

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * ops.mean(ops.abs(y_pred - y_true), axis=-1)


def closure(power):
    def inner(y_true, y_pred):
        return ops.abs(y_pred - y_true) ** power

    return inner


class Callable:
    def __call__(self, y_true, y_pred):
        return ops.abs(y_pred - y_true)


REFUSED = {
    "lambda": lambda y_true, y_pred: ops.abs(y_pred - y_true),
    "unregistered function": unregistered,
    "closure": closure(3),
    "instance": Callable(),
    "unregistered loss": Unregistered(),
    "class of an unregistered loss": Unregistered,
    "loss with a half config": Forgetful(2.0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_load_is_refused_at_construction(name):
    with pytest.raises(SavingError, match="would save and not load again") as caught:
        lm.Loss(REFUSED[name], AXES if "loss" not in name else "b t [f], b t [f]")
    assert "register_keras_serializable" in caught.value.fix


@pytest.mark.parametrize("part", [lm.weights.FromTarget, lm.weights.FromPrediction])
def test_weights_refuse_the_same_functions(part):
    for name in ("lambda", "unregistered function", "closure"):
        with pytest.raises(SavingError, match="would save and not load again"):
            part(REFUSED[name])


def test_two_functions_of_one_name_are_refused():
    with pytest.raises(SavingError, match="another loss function"):

        @lm.loss("b, b")
        def step_distance(y_true, y_pred):
            return y_pred - y_true


def test_another_name_lets_the_second_function_in():
    @lm.loss("b, b", name="endpoint_error_of_numbers")
    def step_distance(y_true, y_pred):
        return ops.abs(y_pred - y_true)

    assert float(step_distance([0.0], [2.0])) == 2.0
    assert step_distance.name == "endpoint_error_of_numbers"


# ── equality, repr, replace ──────────────────────────────────────────────────────────────────


# Keras' losses write themselves as <...>.
@pytest.mark.parametrize("name", [name for name in LOSSES if name != "of Keras"])
def test_a_loss_can_be_written_down_and_read(name):
    scope = {"Loss": lm.Loss}
    for room in (lm.errors, lm.masks, lm.weights, lm.select, lm.adjust):
        scope |= {n: getattr(room, n) for n in room.__all__}
    scope |= {n: getattr(kinds, n) for n in ("Both", "Either", "Not")}
    again = eval(repr(LOSSES[name]), scope)  # noqa: S307
    assert again.get_config() == LOSSES[name].get_config()


def test_equal_losses_are_equal_and_hash_alike():
    for loss in ALL.values():
        again = type(loss).from_config(loss.get_config())
        assert again == loss
        assert hash(again) == hash(loss)
    assert len(set(ALL.values())) == len(ALL)


CHANGES = {
    "error": lm.errors.Absolute(),
    "axes": "b t q, b t q",
    "of": ("y", "output:a"),
    "select": lm.select.Slice(1),
    "adjust": lm.adjust.Scale(2.0),
    "mask": lm.masks.Finite(),
    "weights": lm.weights.ByStep(exponential=0.5),
    "reduce": "sum",
    "name": "other",
    "dtype": "float64",
}


@pytest.mark.parametrize("argument", inspect.signature(lm.Loss).parameters)
def test_replace_changes_one_argument_and_nothing_else(argument):
    loss = lm.Loss("mse", AXES)
    changed = loss.replace(**{argument: CHANGES[argument]})
    assert changed != loss
    own, other = loss.get_config(), changed.get_config()
    assert {name for name in own if own[name] != other[name]} == {argument}
    assert loss == lm.Loss("mse", AXES)
    assert loss.replace() == loss


def test_equal_parts_hash_alike_also_with_a_loss_of_ones_own():
    one, other = (lm.errors.KerasLoss(Scaled(3.0, name="scaled")) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one != lm.errors.KerasLoss(Scaled(4.0, name="scaled"))


def test_the_functions_in_the_shared_module_do_what_they_say():
    y, p = np.zeros((1, 1, 2)), np.array([[[3.0, 4.0]]])
    assert float(step_distance(y, p)) == pytest.approx(5.0)
    assert float(lm.Loss(cubed, AXES)(y, p)) == (27 + 64) / 2
    assert float(lm.Loss(Scaled(3.0), "b t [f], b t [f]")(y, p)) == 3 * 3.5
