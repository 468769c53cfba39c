"""Each recipe: its loss in value and gradient, and that it trains."""

import keras
import numpy as np
import pytest

from lossmith import LossmithError
from tests.recipes.loading import NAMES, each_recipe, load
from tests.recipes.reference import REFERENCES
from tests.recipes.reference_model import MODEL_REFERENCES
from tests.support.grads import value_and_grad

each_plain_recipe = pytest.mark.parametrize("name", REFERENCES)


def test_the_recipes_are_numbered_and_each_has_its_reference():
    assert [int(name[:2]) for name in NAMES] == list(range(1, 22))
    assert sorted([*REFERENCES, *MODEL_REFERENCES]) == NAMES


@each_plain_recipe
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


@each_plain_recipe
def test_the_loss_loads_again(name):
    recipe, reference = load(name), REFERENCES[name]
    loss = recipe.make_loss()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    _, y = recipe.make_data()
    prediction = reference.hand_over(*map(keras.ops.array, reference.predictions(y)))
    assert again is not loss
    assert again.get_config() == loss.get_config()
    assert float(again(y, prediction)) == float(loss(y, prediction))


def test_padding_that_nothing_masks_is_an_error_in_fit():
    recipe = load("06_own_error_with_mask")
    x = keras.Input((6, 2))
    model = keras.Model(x, keras.layers.Dense(2)(x))
    model.compile(loss=recipe.make_loss())
    with pytest.raises(LossmithError, match="no Keras mask"):
        model.fit(*recipe.make_data(), verbose=0)
