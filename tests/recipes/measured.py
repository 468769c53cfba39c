"""What the handwritten losses give and what ours give, on each recipe's own data.

`y` is that of `make_data()`, the predictions are those of `reference.py`, drawn with seed 1.
Losses that see inside a model: `measured_model.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from tests.recipes import handwritten
from tests.recipes.loading import load
from tests.recipes.reference import REFERENCES, Reference
from tests.support.grads import value_and_grad

MEASURES: dict[str, Callable[["Case"], Iterator["Measured"]]] = {}


@dataclass(frozen=True)
class Measured:
    """One thing, measured in both; NaN is a value like others."""

    hand: float
    ours: float
    right: float


@dataclass(frozen=True)
class Case:
    """A recipe's loss with its data and predictions."""

    ours: Any
    y: Any
    predictions: tuple[np.ndarray, ...]
    reference: Reference

    @property
    def p(self) -> np.ndarray:
        """The first prediction."""
        return self.predictions[0]

    @property
    def right(self) -> float:
        """The value by NumPy."""
        return self.reference.value(self.y, *self.predictions)

    def given(self) -> Any:
        """The predictions as a model hands them over."""
        return self.reference.hand_over(*map(keras.ops.array, self.predictions))

    def compare(self, loss: Any, y: Any = None) -> Measured:
        """Measure a handwritten loss as `compile` would use it."""
        y = self.y if y is None else y
        ours = self.ours(self.y, self.given())
        return Measured(compiled(loss, y, self.given()), float(ours), self.right)


def measure(name: str) -> list[Measured]:
    """Run both losses of a recipe."""
    recipe = load(name)
    _, y = recipe.make_data()
    predictions = REFERENCES[name].predictions(y)
    case = Case(recipe.make_loss(), y, predictions, REFERENCES[name])
    return list(MEASURES[name](case))


def compiled(loss: Any, y: Any, prediction: Any, sample_weight: Any = None) -> float:
    """Return a loss through `compile`, as `fit` would log it."""
    x = keras.Input((1,))
    model = keras.Model(x, x)
    model.compile(loss=loss)
    y = keras.ops.array(y)
    sample_weight = None if sample_weight is None else keras.ops.array(sample_weight)
    return number(model.compute_loss(None, y, prediction, sample_weight))


def number(tensor: Any) -> float:
    """Return a scalar tensor as a number."""
    return float(keras.ops.convert_to_numpy(tensor))


def _measures(name):
    def add(function):
        MEASURES[name] = function
        return function

    return add


@_measures("01_repeat_along_axis")
def _members(case):
    yield case.compare(handwritten.ensemble_mse)
    perfect = np.repeat(case.y[:, :, None], 4, axis=2)
    hand = compiled(handwritten.ensemble_mse, case.y, perfect)
    yield Measured(hand, float(case.ours(case.y, perfect)), right=0.0)


@_measures("02_missing_targets")
def _missing(case):
    yield case.compare(handwritten.mse_of_known)
    nans = [
        np.isnan(_slopes(partial(loss, case.y), case.p)).sum()
        for loss in (handwritten.mse_of_known, case.ours)
    ]
    yield Measured(*nans, right=0)


@_measures("03_padded_sequences")
def _padded(case):
    yield case.compare(handwritten.padded_mse, case.y["y"])
    y, p = np.pad(case.y["y"], ((0, 0), (0, 8))), np.pad(case.p, ((0, 0), (0, 8), (0, 0)))
    ours = case.ours({"y": y, "lengths": case.y["lengths"]}, p)
    yield Measured(compiled(handwritten.padded_mse, y, p), float(ours), case.right)


@_measures("04_masked_crossentropy")
def _classes(case):
    yield case.compare(handwritten.masked_crossentropy, case.y["y"])
    empty = {name: np.zeros_like(array) for name, array in case.y.items()}
    hand = compiled(handwritten.masked_crossentropy, empty["y"], case.given())
    yield Measured(hand, float(case.ours(empty, case.given())), right=0.0)


@_measures("05_mask_over_features")
def _sensors(case):
    yield case.compare(handwritten.sensor_mse)


@_measures("06_own_error_with_mask")
def _distance(case):
    yield case.compare(handwritten.absolute_difference)


@_measures("07_error_a_step_then_over_time")
def _steps(case):
    last = case.p[:, -1]  # what an LSTM without return_sequences gives of the same states
    hand = compiled(handwritten.step_then_time, case.y, last)
    yield Measured(hand, float(case.ours(case.y, case.p)), case.right)


@_measures("08_class_weights_on_sequences")
def _weighted_classes(case):
    yield case.compare(handwritten.weighted_crossentropy)


@_measures("10_weights_with_named_axes")
def _table(case):
    yield case.compare(handwritten.table_mse)


@_measures("12_weight_from_image_context")
def _pixels(case):
    yield case.compare(handwritten.context_mse)


@_measures("13_shifted_prediction")
def _shifted(case):
    weight = np.linspace(0, 1, 16, dtype="float32")[:, None]
    yield Measured(
        compiled(handwritten.shifted_mse, case.y, case.p, weight),
        float(case.ours(case.y, case.p, weight)),
        _weighted_squares(case, weight, shift=0.1),
    )


@_measures("14_weight_by_predicted_range")
def _range(case):
    hand = handwritten.RangeLoss(factor=5.0)
    before = compiled(hand, case.y, case.p)
    if not np.isclose(before, case.right, rtol=1e-5):
        message = f"the handwritten loss should be right before it is saved, but gives {before}"
        raise ValueError(message)
    hand, ours = (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        for loss in (hand, case.ours)
    )
    yield Measured(compiled(hand, case.y, case.p), float(ours(case.y, case.p)), case.right)


@_measures("15_one_chosen_element")
def _element(case):
    yield case.compare(handwritten.element_mse)
    perfect = np.repeat(case.y[:, None], 3, axis=1)
    hand = compiled(handwritten.element_mse, case.y, perfect)
    yield Measured(hand, float(case.ours(case.y, perfect)), right=0.0)


@_measures("17_two_heads_that_agree")
def _heads(case):
    known = (case.y != -1).astype("float32")
    labels = np.maximum(case.y, 0)
    both = np.concatenate(case.predictions, axis=-1)
    hand = compiled(handwritten.heads_that_agree, labels, keras.ops.array(both), known)
    yield Measured(hand, float(case.ours(case.y, case.given())), case.right)

    def weighted(p):
        return keras.ops.mean(handwritten.heads_that_agree(labels, p) * keras.ops.array(known))

    def ours(p):
        return case.ours(case.y, case.reference.hand_over(*keras.ops.split(p, 2, axis=-1)))

    pulled = [np.count_nonzero(_slopes(loss, both).any(axis=-1)) for loss in (weighted, ours)]
    yield Measured(*pulled, right=len(case.y))


@_measures("19_forecast_horizons")
def _horizons(case):
    yield case.compare(handwritten.horizon_mse)
    pulled = [
        np.count_nonzero(_slopes(partial(loss, case.y), case.p)[np.isnan(case.y)])
        for loss in (handwritten.horizon_mse, case.ours)
    ]
    yield Measured(*pulled, right=0)


def _slopes(loss: Callable[[Any], Any], p: np.ndarray) -> np.ndarray:
    return value_and_grad(loss, p, jit=keras.config.backend() == "jax")[1][0]


def _weighted_squares(case: Case, weight: np.ndarray, shift: float) -> float:
    y, p, weight = (np.asarray(array, "float64") for array in (case.y, case.p, weight))
    return float(np.mean(weight * (p + shift - y) ** 2))
