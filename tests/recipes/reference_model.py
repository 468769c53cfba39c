"""What a loss that sees inside a model should be: the model and the loss in NumPy, in float64.

A reference is a function of the recipe's data and of the weights of its model, drawn here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from tests.recipes.reference import differences, doubled

MODEL_REFERENCES: dict[str, "ModelReference"] = {}


@dataclass(frozen=True)
class ModelReference:
    """The judge of one recipe; the weights are rounded to float32, so that both get the same.

    Attributes:
        loss: From `x`, `y` and the trainable weights, in the model's order, to the value.
        scale: How large the drawn weights are.
        steps: How many steps have been trained before.
        feed: From the recipe's data to what `fit` is given.
    """

    loss: Callable[..., float]
    scale: float = 0.5
    steps: int = 0
    feed: Callable[[Any, Any], tuple[Any, Any]] = lambda x, y: (x, y)

    def model(self, recipe: Any) -> Any:
        """Build and compile the recipe's model, set to drawn weights, so many steps into training.

        Losses that stand in the model, instead of in `compile`, need none there.
        """
        model = recipe.make_model()
        _, y = self.feed(*recipe.make_data())
        model.compile(loss=None if y is None else recipe.make_loss())
        rng = np.random.default_rng(1)
        for variable in model.trainable_variables:
            variable.assign(self.scale * rng.normal(size=variable.shape))
        for _ in range(self.steps):
            self.total(recipe, model)
        return model

    def total(self, recipe: Any, model: Any) -> Any:
        """Run the model on the recipe's data, and return the loss as `fit` would have it."""
        x, y = self.feed(*recipe.make_data())
        return model.compute_loss(x, y, model(x))

    def ours(self, recipe: Any, model: Any) -> Callable[..., Any]:
        """Return the loss as a function of the weights."""

        def total(*weights):
            pairs = list(zip(model.trainable_variables, weights, strict=True))
            with keras.StatelessScope(pairs, collect_losses=True):
                return self.total(recipe, model)

        return total

    def value(self, recipe: Any, *weights: np.ndarray) -> float:
        """Compute the loss in float64."""
        return float(self._of_weights(recipe)(*map(doubled, weights)))

    def gradients(self, recipe: Any, *weights: np.ndarray) -> list[np.ndarray]:
        """Compute the gradient for each weight in float64."""
        return differences(self._of_weights(recipe), *map(doubled, weights))

    def _of_weights(self, recipe: Any) -> Callable[..., float]:
        return partial(self.loss, *map(doubled, recipe.make_data()))


def _reference(name, **options):
    def add(function):
        MODEL_REFERENCES[name] = ModelReference(function, **options)
        return function

    return add


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _lstm(x, kernel, recurrent, bias):
    h = c = np.zeros((len(x), len(recurrent)))
    for now in np.moveaxis(x, 1, 0):
        i, f, g, o = np.split(now @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
    return h


def _gru(x, kernel, recurrent, bias):
    h = np.zeros((len(x), len(recurrent)))
    for now in np.moveaxis(x, 1, 0):
        z, r, g = np.split(now @ kernel + bias[0], 3, axis=-1)
        z_h, r_h, g_h = np.split(h @ recurrent + bias[1], 3, axis=-1)
        g = np.tanh(g + _sigmoid(r + r_h) * g_h)
        z = _sigmoid(z + z_h)
        h = z * h + (1 - z) * g
        yield h


@_reference("09_penalty_on_weights")
def _penalty(x, y, *weights):
    kernel, recurrent, bias, head, offset = weights
    p = _lstm(x, kernel, recurrent, bias) @ head + offset
    return np.mean((p - y) ** 2) + 0.01 * np.sum(kernel**2)


@_reference("11_term_on_activations")
def _activations(x, y, *weights):
    kernel, bias, head, offset = weights
    hidden = np.maximum(x @ kernel + bias, 0)
    return np.mean((hidden @ head + offset - y) ** 2) + 0.1 * np.mean(hidden)


def binary_crossentropy(y, p):
    """Return the cross-entropy of each pixel."""
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def kl(mean, log_variance):
    """Return the mean over samples of their KL from a standard normal distribution."""
    variance = np.exp(log_variance)
    return np.mean(np.sum(variance + mean**2 - 1 - np.log(variance), axis=1)) / 2


@_reference("16_vae_with_annealed_kl", steps=5)
def _autoencoder(x, y, *weights):
    kernel, bias, m, m_bias, v, v_bias, head, offset = weights
    hidden = np.tanh(x.reshape(16, 64) @ kernel + bias)
    mean, log_variance = hidden @ m + m_bias, hidden @ v + v_bias
    p = _sigmoid(mean @ head + offset)
    pixels = binary_crossentropy(y.reshape(16, 64), p).sum(axis=1).mean()
    return pixels + 5 / 20 * kl(mean, log_variance)


@_reference("18_learned_task_weights")
def _tasks(x, y, *weights):
    *heads, s_distance, s_angle = weights
    distance, angle = task_errors(x, y, *heads)
    return np.exp(-s_distance) * distance + s_distance + np.exp(-s_angle) * angle + s_angle


def task_errors(x, y, *heads):
    """Return the squared error of the distance and that of the angle."""
    kernel, bias, other_kernel, other_bias = heads
    angle, distance = (x @ kernel + bias)[:, 0], (x @ other_kernel + other_bias)[:, 0]
    return np.mean((distance - y["distance"]) ** 2), np.mean((angle - y["angle"]) ** 2)


@_reference(
    "20_loss_in_the_time_loop", scale=1.0, feed=lambda x, y: ([x, y["y"], y["lengths"]], None)
)
def _loop(x, y, *weights):
    table, kernel, recurrent, bias, head, offset = weights
    errors = []
    for t, h in enumerate(_gru(table[x], kernel, recurrent, bias)):
        p = np.exp(h @ head + offset)
        p = np.take_along_axis(p / p.sum(axis=-1, keepdims=True), y["y"][:, t : t + 1], axis=1)
        errors.append(-np.log(p[y["lengths"] > t, 0]))
    return np.mean(np.concatenate(errors))


@_reference("21_boundary_weight_map")
def _segmentation(x, y, *weights):
    kernel, bias, head, offset = weights
    image = np.pad(x["image"][..., 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), axis=(1, 2))
    hidden = np.tanh(np.einsum("bhwij,ijo->bhwo", windows, kernel[:, :, 0]) + bias)
    p = _sigmoid(hidden @ head[0, 0] + offset)[..., 0]
    return np.mean(x["boundary"] * binary_crossentropy(y, p))
