"""What each recipe's loss should be: in NumPy, in float64, without anything of lossmith.

A reference is a function of the recipe's `y` and of predictions drawn here. Gradients are central
differences of it, which are exact for squares. For losses that see inside a model, see
`reference_model.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

REFERENCES: dict[str, "Reference"] = {}
STEP = 1e-5


@dataclass(frozen=True)
class Reference:
    """The judge of one recipe.

    Attributes:
        draw: From a generator and `y` to the predictions, one array for each output.
        loss: From `y` and the predictions to the value.
        outputs: The names of the outputs, where there are several.
        carrier: A layer that puts a Keras mask on the prediction.
    """

    draw: Callable[..., tuple[np.ndarray, ...]]
    loss: Callable[..., float]
    outputs: tuple[str, ...] = ()
    carrier: Callable[[Any], Any] | None = None

    def predictions(self, y: Any, seed: int = 1) -> tuple[np.ndarray, ...]:
        """Draw predictions, rounded to float32 so that both sides get the same numbers."""
        drawn = self.draw(np.random.default_rng(seed), y)
        return tuple(array.astype("float32") for array in drawn)

    def value(self, y: Any, *predictions: np.ndarray) -> float:
        """Compute the loss in float64."""
        return float(self.loss(doubled(y), *map(doubled, predictions)))

    def gradients(self, y: Any, *predictions: np.ndarray) -> list[np.ndarray]:
        """Compute the gradient for each prediction in float64, one number after the other."""
        return differences(partial(self.loss, doubled(y)), *map(doubled, predictions))

    def hand_over(self, *tensors: Any) -> Any:
        """Give predictions the form in which a loss gets them from the model."""
        if self.outputs:
            return dict(zip(self.outputs, tensors, strict=True))
        return self.carrier(tensors[0]) if self.carrier else tensors[0]


def differences(function: Callable[..., float], *arrays: np.ndarray) -> list[np.ndarray]:
    """Compute the gradient for each array by central differences, one number after the other."""
    found = [np.zeros_like(array) for array in arrays]
    for array, slopes in zip(arrays, found, strict=True):
        for place in np.ndindex(array.shape):
            here = array[place]
            array[place] = here + STEP
            above = function(*arrays)
            array[place] = here - STEP
            slopes[place] = (above - function(*arrays)) / (2 * STEP)
            array[place] = here
    return found


def doubled(given: Any) -> Any:
    """Copy arrays, floats as float64."""
    if isinstance(given, dict):
        return {name: doubled(array) for name, array in given.items()}
    return np.array(given, "float64" if given.dtype.kind == "f" else given.dtype)


def _normal(*shape: int) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda rng, _: (rng.normal(size=shape),)


def _uniform(*shape: int) -> Callable[..., tuple[np.ndarray, ...]]:
    return lambda rng, _: (rng.random(shape),)


def _chances(*shape: int) -> Callable[..., tuple[np.ndarray, ...]]:
    def draw(rng, _):
        scores = np.exp(rng.normal(size=shape))
        return (scores / scores.sum(axis=-1, keepdims=True),)

    return draw


def _zero_in_padding(rng, y):
    return (rng.normal(size=y.shape) * y.any(axis=-1, keepdims=True),)


def _two_chances(rng, y):
    draw = _chances(len(y), 3)
    return draw(rng, y) + draw(rng, y)


def _reference(name, draw, **options):
    def add(function):
        REFERENCES[name] = Reference(draw, function, **options)
        return function

    return add


@_reference("01_repeat_along_axis", _normal(16, 4, 4))
def _members(y, p):
    return np.mean((p - y[:, :, None]) ** 2)


@_reference("02_missing_targets", _normal(16, 6, 3))
def _missing(y, p):
    known = ~np.isnan(y)
    return np.mean((p[known] - y[known][:, None]) ** 2)


@_reference("03_padded_sequences", _normal(16, 8, 3))
def _padded(y, p):
    rows = [(p[i, :n] - y["y"][i, :n, None]) ** 2 for i, n in enumerate(y["lengths"])]
    return np.mean(np.concatenate(rows))


def _crossentropy(y, p):
    return -np.sum(y * np.log(p / p.sum(axis=-1, keepdims=True)), axis=-1)


@_reference("04_masked_crossentropy", _chances(16, 6, 3))
def _masked_classes(y, p):
    return np.mean(_crossentropy(y["y"], p)[y["mask"]])


@_reference("05_mask_over_features", _uniform(16, 6, 3))
def _sensors(y, p):
    known = y != -1
    return np.mean((p[known] - y[known]) ** 2)


@_reference("06_own_error_with_mask", _zero_in_padding, carrier=keras.layers.Masking())
def _distance(y, p):
    real = y.any(axis=-1)
    return np.mean(np.abs(p[real] - y[real]))


@_reference("07_error_a_step_then_over_time", _normal(8, 8, 2))
def _steps(y, p):
    return np.mean(
        [np.mean([np.sum((p[b, t] - y[b, t]) ** 2) for t in range(8)]) for b in range(8)]
    )


@_reference("08_class_weights_on_sequences", _chances(16, 3, 3))
def _weighted_classes(y, p):
    return np.mean(np.array([0.5, 1.0, 4.0])[y.argmax(axis=-1)] * _crossentropy(y, p))


@_reference("10_weights_with_named_axes", _normal(16, 3, 3))
def _table(y, p):
    feature_by_step = np.array([[3.0, 2.0, 1.0], [1.0, 0.5, 0.25], [0.0, 0.0, 4.0]])
    return np.einsum("ft,btf->", feature_by_step, (p - y) ** 2) / y.size


@_reference("12_weight_from_image_context", _uniform(16, 8, 8, 1))
def _pixels(y, p):
    image = np.pad(y[..., 0], ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
    contrast = 1 + 4 * np.abs(y[..., 0] - np.nanmean(windows, axis=(-2, -1)))
    return np.mean(contrast * (p - y)[..., 0] ** 2)


@_reference("13_shifted_prediction", _normal(16, 1))
def _shifted(y, p):
    return np.mean((p + 0.1 - y) ** 2)


@_reference("14_weight_by_predicted_range", _uniform(16, 1))
def _range(y, p):
    return np.mean(np.where((p < 0.2) | (p > 0.8), 5.0, 1.0) * (p - y) ** 2)


@_reference("15_one_chosen_element", _normal(16, 3))
def _element(y, p):
    return np.mean((p[:, 1] - y) ** 2)


@_reference("17_two_heads_that_agree", _two_chances, outputs=("first", "second"))
def _heads(y, first, second):
    known = y != -1
    labels = np.eye(3)[y[known]]
    errors = [np.mean(_crossentropy(labels, head[known])) for head in (first, second)]
    return sum(errors) + 0.5 * np.mean((first - second) ** 2)


@_reference("19_forecast_horizons", _normal(16, 4, 2))
def _horizons(y, p):
    errors = [(0.8**t * (p - y) ** 2)[:, t][~np.isnan(y[:, t])] for t in range(4)]
    return np.concatenate(errors).sum() / sum(0.8**t * len(e) for t, e in enumerate(errors))
