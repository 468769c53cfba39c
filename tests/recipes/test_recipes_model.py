"""Recipes whose loss sees inside the model: value and gradient for every weight, logs, saving."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.recipes.loading import load
from tests.recipes.reference_model import MODEL_REFERENCES
from tests.support.grads import value_and_grad

each_recipe = pytest.mark.parametrize("name", MODEL_REFERENCES)


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


@each_recipe
def test_value_and_gradient_for_the_weights_are_those_of_the_reference(name, backend):
    recipe, reference = load(name), MODEL_REFERENCES[name]
    model = reference.model(recipe)
    weights = [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
    value, grads = value_and_grad(reference.ours(recipe, model), *weights, jit=backend == "jax")
    np.testing.assert_allclose(value, reference.value(recipe, *weights), rtol=1e-5)
    for grad, expected in zip(grads, reference.gradients(recipe, *weights), strict=True):
        np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-6)


@each_recipe
def test_the_model_loads_again_with_its_loss(name, tmp_path):
    recipe, reference = load(name), MODEL_REFERENCES[name]
    model = reference.model(recipe)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    total = number(reference.total(recipe, model))
    assert number(reference.total(recipe, again)) == pytest.approx(total, rel=1e-6)
    assert again.loss == model.loss


def test_the_terms_of_a_sum_are_logged_apart():
    recipe, reference = load("09_penalty_on_weights"), MODEL_REFERENCES["09_penalty_on_weights"]
    model = reference.model(recipe)
    total = number(reference.total(recipe, model))
    kernel = ops.convert_to_numpy(model.get_layer("lstm").cell.kernel).astype("float64")
    logs = {name: number(value) for name, value in model.get_metrics_result().items()}
    assert set(logs) == {"loss", "mse", "l2"}
    assert logs["l2"] == pytest.approx(np.sum(kernel**2), rel=1e-5)
    assert logs["mse"] + 0.01 * logs["l2"] == pytest.approx(total, rel=1e-5)


def test_the_vae_draws_its_code_in_training_alone():
    recipe = load("16_vae_with_annealed_kl")
    x, _ = recipe.make_data()
    model = recipe.make_model()
    calm, drawn = (
        [ops.convert_to_numpy(model(x, training=training)) for _ in range(2)]
        for training in (False, True)
    )
    np.testing.assert_array_equal(*calm)
    assert not np.array_equal(*drawn)
