"""What `lm.explain` marks in the recipes as usually written by hand, on the recipes' own data.

JAX compiles each operation anew and takes half a minute for the loss in the loop, which is left to
the other backends here.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.recipes import handwritten
from tests.recipes.loading import NAMES, load
from tests.recipes.reference import REFERENCES
from tests.support.source import ROOT

BACKEND = keras.config.backend()
CASES: dict[str, Callable[[], "Case"]] = {}
# By name: the kind of the mark, the planted line as it begins, and the expression that is named.
MARKED = {
    "mse_of_known": ("not finite", "return ops.mean(ops.where(", "ops.square(y_true - y_pred)"),
    "padded_mse": ("dead gradient", "real = ops.cast(", "ops.not_equal(y_true, 0)"),
    "masked_crossentropy": ("dead gradient", "mask = ", "ops.argmax(y_true, axis=-1) > 0"),
    "absolute_difference": ("mixing", "return ", "ops.mean(ops.abs(y_true - y_pred))"),
    "step_then_time": ("broadcast", "error_of_step = ", "y_true - y_pred"),
    "weighted_crossentropy": ("broadcast", "return ", "CLASS_WEIGHTS * error"),
    "table_mse": ("broadcast", "return ", "TABLE * ops.square(y_true - y_pred)"),
    "shifted_mse": ("mixing", "return ", "ops.mean(ops.square(y_true - (y_pred + 0.1)))"),
    "element_mse": ("broadcast", "return ", "y_true - y_pred[:, 1:2]"),
    "loss_in_the_loop": ("not finite", "total = ", "ops.sum(real * error) / ops.sum(real)"),
    "boundary_crossentropy": ("mixing", "return ", "weight_map * error"),
}
MISSED = {
    "ensemble_mse": "there are as many members as steps, so that no length tells their axes apart",
}
# Faults of another kind.
UNMARKED = {
    "sensor_mse": "the wrong divisor",
    "data_and_penalty": "a penalty that sample weights multiply",
    "context_mse": "a weight that counts twice",
    "RangeLoss": "what is lost when it is saved",
    "KLDivergence": "the wrong divisor, and a factor that is read once",
    "heads_that_agree": "a penalty that sample weights multiply",
    "UncertainMSE": "a variable that nobody trains",
    "horizon_mse": "missing values that count",
}
NO_LOSS = {
    "recurrent_model": "a model; its output goes to step_then_time",
    "hidden_layer": "a layer, whose regulariser is Keras' own",
}
ON_JAX = [name for name in MARKED if name != "loss_in_the_loop"]


@dataclass(frozen=True)
class Case:
    """A handwritten loss, the function that it is written in, and a batch."""

    loss: Any
    code: Callable[..., Any]
    y_true: np.ndarray
    y_pred: np.ndarray

    @property
    def found(self) -> Any:
        """The explanation."""
        return lm.explain(self.loss, self.y_true, self.y_pred)


def _case(function):
    CASES[function.__name__.lstrip("_")] = function
    return function


def _data(number):
    name = next(name for name in NAMES if name.startswith(f"{number:02}"))
    _, y = load(name).make_data()
    predictions = REFERENCES[name].predictions(y) if name in REFERENCES else ()
    return y, *predictions


def _plain(name, number, field=None):
    def case():
        y, p = _data(number)
        loss = getattr(handwritten, name)
        return Case(loss, loss, y if field is None else y[field], p)

    CASES[name] = case


_plain("ensemble_mse", 1)
_plain("mse_of_known", 2)
_plain("padded_mse", 3, "y")
_plain("masked_crossentropy", 4, "y")
_plain("sensor_mse", 5)
_plain("absolute_difference", 6)
_plain("weighted_crossentropy", 8)
_plain("table_mse", 10)
_plain("context_mse", 12)
_plain("shifted_mse", 13)
_plain("element_mse", 15)
_plain("horizon_mse", 19)


def _normal(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


@_case
def _step_then_time():
    y, p = _data(7)
    last = p[:, -1]  # what an LSTM without return_sequences gives of the same states
    return Case(handwritten.step_then_time, handwritten.step_then_time, y, last)


@_case
def _data_and_penalty():
    loss = handwritten.data_and_penalty(keras.Variable(np.ones((2, 32), "float32")))
    return Case(loss, loss, _normal(16, 2), -_normal(16, 2))


@_case
def _RangeLoss():  # noqa: N802 - each is called as its loss
    y, p = _data(14)
    return Case(handwritten.RangeLoss(factor=5.0), handwritten.RangeLoss.call, y, p)


@_case
def _KLDivergence():  # noqa: N802
    def loss(log_variance, mean):
        layer = handwritten.KLDivergence()
        layer.factor = 1.0
        layer(mean, log_variance)
        return layer.losses[0]

    return Case(loss, handwritten.KLDivergence.call, _normal(16, 4), -_normal(16, 4))


@_case
def _heads_that_agree():
    y, *both = _data(17)
    loss = handwritten.heads_that_agree
    return Case(loss, loss, np.maximum(y, 0), np.concatenate(both, axis=-1))


@_case
def _UncertainMSE():  # noqa: N802
    y = _data(18)[0]["distance"][:, None]
    code = handwritten.UncertainMSE.call
    return Case(handwritten.UncertainMSE(), code, y, _normal(*y.shape))


@_case
def _loss_in_the_loop():
    y, lengths = (_data(20)[0][name] for name in ("y", "lengths"))
    cell, head = keras.layers.GRUCell(8), keras.layers.Dense(12)
    shorter = ops.array(np.minimum(lengths, 5))  # and padded to 6

    def loss(y_true, embedded):
        return handwritten.loss_in_the_loop(cell, head, embedded, y_true, shorter)

    return Case(loss, handwritten.loss_in_the_loop, y, _normal(16, 6, 4))


@_case
def _boundary_crossentropy():
    name = next(name for name in NAMES if name.startswith("21"))
    x, y = load(name).make_data()
    first, second = slice(0, 16), slice(16, 32)
    loss = handwritten.boundary_crossentropy(ops.array(x["boundary"][first]))
    chances = np.random.default_rng(1).random((16, 8, 8, 1)).astype("float32")
    return Case(loss, loss, y[second][..., None], chances)


@pytest.mark.parametrize("name", ON_JAX if BACKEND == "jax" else MARKED)
def test_the_planted_line_is_marked(name):
    kind, planted, expression = MARKED[name]
    _, line = CASES[name]().found.marked[kind]
    assert line.source.strip().startswith(planted)
    assert [note.text.split(", in ")[-1] for note in line.marks if note.kind == kind] == [
        expression
    ]


@pytest.mark.skipif(BACKEND != "torch", reason="what is missed is missed alike on every backend")
@pytest.mark.parametrize("name", MISSED)
def test_what_is_missed_is_missed_for_its_reason(name):
    assert "broadcast" not in CASES[name]().found.marked, MISSED[name]


@pytest.mark.skipif(BACKEND != "torch", reason="source is shown alike on every backend")
@pytest.mark.parametrize("name", [*MISSED, *UNMARKED])
def test_every_line_is_shown(name):
    case = CASES[name]()
    found = case.found
    shown = [line.source for section in found.sections for line in section.lines]
    written = inspect.getsource(case.code).rstrip("\n").split("\n")
    assert not found.error
    assert " ".join("\n".join(written).split()) in " ".join("\n".join(shown).split())


def test_nine_of_ten_that_can_be_marked_are_and_each_has_its_place():
    own = {
        name
        for name, found in vars(handwritten).items()
        if callable(found) and getattr(found, "__module__", "") == handwritten.__name__
    }
    listed = [*MARKED, *MISSED, *UNMARKED, *NO_LOSS]
    assert sorted(listed) == sorted(own)
    assert sorted(CASES) == sorted([*MARKED, *MISSED, *UNMARKED])
    assert len(MARKED) >= 0.9 * len([*MARKED, *MISSED])
    said = " ".join((ROOT / "docs" / "explain.md").read_text(encoding="utf-8").split())
    assert f"{len(MARKED)} of the {len([*MARKED, *MISSED])}" in said
