"""Each recipe: its loss in value and gradient, and that it trains."""

import keras
import numpy as np
import pytest

from lossmith import LossmithError
from tests.recipes.loading import NAMES, each_recipe, load
from tests.recipes.reference import REFERENCES
from tests.support.grads import value_and_grad


def test_there_are_fifteen_recipes_and_each_has_its_reference():
    assert [int(name[:2]) for name in NAMES] == list(range(1, 16))
    assert sorted(REFERENCES) == NAMES


@each_recipe
def test_value_and_gradient_are_those_of_the_reference(name, backend):
    recipe, reference = load(name), REFERENCES[name]
    _, y = recipe.make_data()
    predictions = reference.predictions(y)
    loss = recipe.make_loss()
    value, grads = value_and_grad(
        lambda *p: loss(y, reference.hand_over(*p)), *predictions, jit=backend == "jax"
    )
    np.testing.assert_allclose(value, reference.value(y, *predictions), rtol=1e-5)
    for grad, expected in zip(grads, reference.gradients(y, *predictions), strict=True):
        np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-8)
        np.testing.assert_array_equal(grad[expected == 0], 0)


@each_recipe
def test_the_recipe_trains(name, capsys):
    losses = load(name).main()
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]
    assert f"{losses[-1]:.4f}" in capsys.readouterr().out


@each_recipe
def test_the_data_depend_on_the_seed_alone(name):
    recipe = load(name)
    arrays, again, other = (
        keras.tree.flatten(recipe.make_data(*seed)) for seed in ((), (0,), (1,))
    )
    for array, same in zip(arrays, again, strict=True):
        np.testing.assert_array_equal(array, same)
    assert all(not np.array_equal(a, b) for a, b in zip(arrays, other, strict=True))


@each_recipe
def test_the_loss_loads_again(name):
    recipe, reference = load(name), REFERENCES[name]
    loss = recipe.make_loss()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    _, y = recipe.make_data()
    prediction = reference.hand_over(*map(keras.ops.array, reference.predictions(y)))
    assert again is not loss
    assert again.get_config() == loss.get_config()
    assert float(again(y, prediction)) == float(loss(y, prediction))


def test_the_penalty_is_logged_apart_from_the_data():
    recipe = load("09_penalty_on_weights")
    x, y = recipe.make_data()
    model = recipe.make_model()
    model.compile(loss=recipe.make_loss())
    prediction = model(x)
    total = float(keras.ops.convert_to_numpy(model.compute_loss(x, y, prediction)))
    kernel = next(layer for layer in model.layers if "lstm" in layer.name).cell.kernel
    data = REFERENCES["09_penalty_on_weights"].value(y, keras.ops.convert_to_numpy(prediction))
    penalty = 0.01 * np.sum(keras.ops.convert_to_numpy(kernel).astype("float64") ** 2)
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    assert total == pytest.approx(data + penalty, rel=1e-5)
    assert logs == {"loss": pytest.approx(total), "mse": pytest.approx(data, rel=1e-5)}


def test_padding_that_nothing_masks_is_an_error_in_fit():
    recipe = load("06_own_error_with_mask")
    x = keras.Input((6, 2))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    model.compile(loss=recipe.make_loss())
    with pytest.raises(LossmithError, match="no Keras mask"):
        model.fit(*recipe.make_data(), verbose=0)
