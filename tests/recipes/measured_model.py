"""What the handwritten gives and what ours gives, where a loss sees inside a model."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

import lossmith as lm
from tests.recipes import handwritten
from tests.recipes.measured import Measured, compiled, number
from tests.recipes.reference import doubled
from tests.recipes.reference_model import (
    MODEL_REFERENCES,
    binary_crossentropy,
    kl,
    task_errors,
)

MODEL_MEASURES: dict[str, Callable[[Any], Iterator[Measured]]] = {}


def _measures(name):
    def add(function):
        MODEL_MEASURES[name] = function
        return function

    return add


def _normal(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def _through_layers(loss: Any, **given: np.ndarray) -> float:
    """Return the loss of a model whose layers of these names hand on what they are given."""
    inputs = [keras.Input(array.shape[1:]) for array in given.values()]
    layers = [keras.layers.Identity(name=name)(x) for name, x in zip(given, inputs, strict=True)]
    model = lm.Model(inputs, layers)
    model.compile(loss=loss)
    arrays = list(given.values())
    return number(model.compute_loss(arrays, None, model(arrays)))


@_measures("09_penalty_on_weights")
def _penalty(recipe):
    (p,), (kernel,) = _normal((16, 2)), _normal((2, 32))
    x, y = recipe.make_data()
    model = recipe.make_model()
    model.compile(loss=recipe.make_loss())
    model.get_layer("lstm").cell.kernel.assign(kernel)
    hand = handwritten.data_and_penalty(kernel)
    for weight in np.linspace(0, 1, 16, dtype="float32")[:, None], np.zeros((16, 1), "float32"):
        data = np.mean(doubled(weight) * (doubled(p) - doubled(y)) ** 2)
        yield Measured(
            compiled(hand, y, p, weight),
            number(model.compute_loss(x, y, ops.array(p), weight)),
            data + 0.01 * np.sum(doubled(kernel) ** 2),
        )


@_measures("11_term_on_activations")
def _activations(recipe):
    _, hidden = _normal((16, 4, 2), (16, 4, 8))
    term = recipe.make_loss().terms[1]
    for repeats in 1, 2:
        h = np.abs(np.tile(hidden, (1, repeats, 1)))
        layer = handwritten.hidden_layer()
        layer.build((None, None, 8))
        layer.set_weights([np.eye(8), np.zeros(8)])  # it passes the activations through
        layer(h)
        ours = _through_layers(0.1 * term, hidden=h)
        yield Measured(number(layer.losses[0]), ours, 0.1 * np.abs(doubled(hidden)).mean())


@_measures("16_vae_with_annealed_kl")
def _annealed(recipe):
    mean, log_variance, logits = _normal((16, 4), (16, 4), (16, 8, 8))
    _, y = recipe.make_data()
    p = 1 / (1 + np.exp(-logits))
    pixels, term = recipe.make_loss().terms
    layer = handwritten.KLDivergence()
    layer.factor = 1.0
    layer(mean, log_variance)
    hand = number(layer.losses[0]), compiled("binary_crossentropy", y, p)
    ours = _through_layers(term, mean=mean, log_variance=log_variance), float(pixels(y, p))
    right = (
        kl(doubled(mean), doubled(log_variance)),
        binary_crossentropy(doubled(y), doubled(p)).sum(axis=(1, 2)).mean(),
    )
    yield Measured(hand[0], ours[0], right[0])
    times = [a / b / (right[0] / right[1]) for a, b in (hand, ours)]
    yield Measured(*times, right=1.0)


@_measures("18_learned_task_weights")
def _learned(recipe):
    x, y = recipe.make_data()
    ours = recipe.make_model()
    start = _normal((3, 1), (1,), (3, 1), (1,))
    ours.set_weights([*start, *ours.get_weights()[4:]])
    ours.compile(keras.optimizers.SGD(0.05), loss=recipe.make_loss())
    logs = ours.fit(x, y, batch_size=16, epochs=30, verbose=0).history

    hand = keras.Model(ours.inputs, ours.output)
    hand.set_weights(start)
    losses = {name: handwritten.UncertainMSE() for name in ("distance", "angle")}
    hand.compile(keras.optimizers.SGD(0.05), loss=losses)
    hand.fit(x, {name: y[name][:, None] for name in losses}, batch_size=16, epochs=30, verbose=0)

    factors = _factors(doubled(x), doubled(y), [doubled(array) for array in start])
    for name, right in zip(losses, factors, strict=True):
        by_hand = np.exp(-number(losses[name].log_variance))
        yield Measured(by_hand, logs[f"{name}_factor"][-1], right)


def _factors(x, y, weights) -> np.ndarray:
    """Train both linear layers and both variables by hand, and return the last step's factors."""
    heads, s = {"angle": weights[:2], "distance": weights[2:]}, np.zeros(2)
    for _ in range(30):
        errors = np.array(task_errors(x, y, *heads["angle"], *heads["distance"]))
        factors = np.exp(-s)
        for factor, name in zip(factors, ("distance", "angle"), strict=True):
            kernel, bias = heads[name]
            slope = 2 * factor * (x @ kernel + bias - y[name][:, None]) / len(x)
            heads[name] = [kernel - 0.05 * x.T @ slope, bias - 0.05 * slope.sum(axis=0)]
        s -= 0.05 * (1 - factors * errors)
    return factors


@_measures("20_loss_in_the_time_loop")
def _loop(recipe):
    reference = MODEL_REFERENCES["20_loss_in_the_time_loop"]
    model = reference.model(recipe)
    embedding, loop = (model.get_layer(index=place) for place in (1, -1))
    weights = [doubled(ops.convert_to_numpy(v)) for v in model.trainable_variables]
    x, y = recipe.make_data()
    for lengths in y["lengths"], np.minimum(y["lengths"], 5):
        given = [x, y["y"], lengths]
        hand = handwritten.loss_in_the_loop(
            loop.cell, loop.head, embedding(x), *map(ops.array, given[1:])
        )
        ours = model.evaluate(given, verbose=0)
        right = reference.loss(x, {"y": y["y"], "lengths": lengths}, *weights)
        yield Measured(number(hand), ours, right)


@_measures("21_boundary_weight_map")
def _boundary(recipe):
    x, y = recipe.make_data()
    noise = np.random.default_rng(1).random((32, 8, 8)).astype("float32")
    p = np.where(x["boundary"] > 2, noise, 0.98 * y + 0.01)[..., None]
    first, second = slice(0, 16), slice(16, 32)
    model = recipe.make_model()
    model.compile(loss=recipe.make_loss())
    hand = handwritten.boundary_crossentropy(ops.array(x["boundary"][first]))
    given = {name: array[second] for name, array in x.items()}
    right = doubled(x["boundary"]) * binary_crossentropy(doubled(y), doubled(p)[..., 0])
    yield Measured(
        compiled(hand, y[second][..., None], p[second]),
        number(model.compute_loss(given, y[second], ops.array(p[second]))),
        right[second].mean(),
    )
