"""The recipes as usually written by hand: the check that catches each, and what it cannot see."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.recipes import handwritten

STEPS = "b t f, b t f"
MARKED = {"mask": "y_true != -1"}
# By name: axes, domains of target and prediction, promises, and the check that is broken.
CAUGHT = {
    "ensemble_mse": ("b t, b t k", "real", "real", {}, "no-silent-broadcast"),
    "mse_of_known": ("b t, b t k", "real", "real", {"mask": "isfinite(y_true)"}, "masked-nan"),
    "padded_mse": ("b t, b t k", "real", "real", {"mask": "y_true != 0"}, "padding-invariance"),
    "masked_crossentropy": (
        "b t [c], b t [c]", "onehot", "simplex", {"mask": "y_true != 0"}, "gradient-arrives",
    ),
    "sensor_mse": (STEPS, "real", "real", MARKED, "nothing-counted"),
    "absolute_difference": (STEPS, "real", "real", {}, "weight-equivalence"),
    "weighted_crossentropy": (
        "b t [c], b t [c]", "onehot", "simplex", {}, "output-contract",
    ),
    "table_mse": (STEPS, "real", "real", {}, "output-contract"),
    "context_mse": (STEPS, "real", "real", {}, "weight-equivalence"),
    "shifted_mse": (STEPS, "real", "real", {}, "weight-equivalence"),
    "RangeLoss": ("b f, b f", "prob", "prob", {}, "serialisation"),
    "element_mse": ("b, b k", "real", "real", {}, "sample-independence"),
    "step_then_time": ("b t f, b f", "real", "real", {}, "no-silent-broadcast"),
    "data_and_penalty": ("b f, b f", "real", "real", {}, "weight-equivalence"),
    "boundary_crossentropy": ("b h [w], b h [w]", "binary", "prob", {}, "permutation"),
    "horizon_mse": (STEPS, "real", "real", {}, "no-silent-broadcast"),
}  # fmt: skip
# What a loss alone does not show, and why.
UNSEEN = {
    "recurrent_model": "the fault is in the model, whose output has no steps",
    "hidden_layer": "the fault is in a regulariser",
    "KLDivergence": "the fault is in a layer that adds a loss",
    "heads_that_agree": "that the penalty should not be weighed is what its author meant",
    "UncertainMSE": "that nobody trains its variable shows in a model",
    "loss_in_the_loop": "it is not a function of target and prediction",
}


def _loss(name):
    """Make the loss; a factory takes the weights, or the map of one batch, that it closes over."""
    closed_over = {
        "data_and_penalty": lambda: keras.Variable(np.ones((2, 2), "float32")),
        "boundary_crossentropy": lambda: keras.ops.reshape(keras.ops.arange(35.0), (5, 7)),
    }
    made = getattr(handwritten, name)
    return made(closed_over[name]()) if name in closed_over else made


@pytest.mark.parametrize("name", CAUGHT)
def test_a_handwritten_loss_is_caught(name):
    axes, y_true, y_pred, promises, check = CAUGHT[name]
    loss = _loss(name)
    report = lm.check(loss, axes, y_true=y_true, y_pred=y_pred, promises=promises, only=check)
    assert check in {result.check for result in report.broken}, str(report)


def test_each_is_caught_or_has_a_reason():
    own = {
        name
        for name, found in vars(handwritten).items()
        if callable(found) and getattr(found, "__module__", "") == handwritten.__name__
    }
    assert set(CAUGHT) | set(UNSEEN) == own
    assert not set(CAUGHT) & set(UNSEEN)
