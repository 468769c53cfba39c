"""What each part says of itself by hand, on the backend that runs."""

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.kinds import Progress
from lossmith.core.part import PARTS
from tests.evidence.assemble import ARGUMENTS, CASES, FACTORS, loss_of, prediction_of
from tests.support.grads import value_and_grad


@pytest.mark.parametrize(("cls", "example"), CASES)
def test_elements_are_those_worked_by_hand(cls, example):
    loss = loss_of(cls, example, reduce="none")
    values = loss(example.y_true, prediction_of(example), example.sample_weight)
    values = keras.ops.convert_to_numpy(values)
    assert values.shape == np.shape(example.values)
    np.testing.assert_allclose(values, example.values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("cls", "example"), CASES)
def test_an_example_gives_the_same_inside_a_compiled_step(cls, example):
    if example.masking:
        pytest.skip("Keras' mask is an attribute of the tensor and stays outside jax.jit")
    loss = loss_of(cls, example, reduce="none")

    def step(y_pred):
        return loss(example.y_true, y_pred, example.sample_weight)

    values, (gradient,) = value_and_grad(step, np.asarray(example.y_pred, "float32"), jit=True)
    np.testing.assert_allclose(values, example.values, rtol=1e-6, atol=1e-6)
    assert not np.isnan(gradient).any()


def test_every_kind_of_part_has_an_argument_of_the_loss():
    assert {cls.kind for cls in PARTS.values()} == {"errors", "schedules", *ARGUMENTS}


@pytest.mark.parametrize(("cls", "example"), FACTORS)
def test_factors_are_those_worked_by_hand(cls, example):
    factor = cls(**example.config)
    at = [keras.ops.convert_to_tensor(x, dtype="float32") for x in example.y_pred]
    moved = [factor(Progress(step=x, epoch=-1.0 * x, variable=x)) for x in at]
    np.testing.assert_allclose([float(x) for x in moved], example.values, rtol=1e-6)


@pytest.mark.parametrize("argument", sorted(ARGUMENTS.values()))
@pytest.mark.parametrize("cls", sorted(PARTS.values(), key=repr))
def test_an_argument_takes_parts_of_its_kind_only(cls, argument):
    part = cls(**cls.EXAMPLES[0].config)
    if ARGUMENTS.get(cls.kind) == argument:
        lm.Loss("mae", **{argument: part})
        return
    with pytest.raises(lm.LossmithError, match=f"{argument} takes parts of lm\\."):
        lm.Loss("mae", **{argument: [part]})
