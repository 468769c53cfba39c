"""Sums of losses: factors, names, divisors of their own."""

import numpy as np
import pytest

import lossmith as lm
from tests.support.grads import value_and_grad

RNG = np.random.default_rng(0)
Y, P = RNG.normal(size=(2, 3, 4)).astype("float32")
A = lm.Loss("mse", "b t, b t")
B = lm.Loss("mae", "b t, b t", reduce="sum")
C = lm.Loss("huber", "b t, b t", name="mse")
D = P.astype("float64") - Y
VALUES = {"a": (D**2).mean(), "b": np.abs(D).sum()}
SLOPES = {"a": 2 * D / D.size, "b": np.sign(D)}


@pytest.mark.parametrize(
    ("total", "a", "b"),
    [
        (A + B, 1.0, 1.0),
        (A + 0.1 * B, 1.0, 0.1),
        (A * 2.0 + B * 0.5, 2.0, 0.5),
        (0.5 * (A + 0.1 * B), 0.5, 0.05),
        (B * 0.0 + A, 1.0, 0.0),
        (A + -1 * B, 1.0, -1.0),
        (lm.Objective([A, B], [3.0, 0.25]), 3.0, 0.25),
        (2 * A + (B + A), 3.0, 1.0),
    ],
    ids=str,
)
def test_value_and_gradient_of_a_sum(total, a, b):
    value, (gradient,) = value_and_grad(lambda p: total(Y, p), P)
    np.testing.assert_allclose(value, a * VALUES["a"] + b * VALUES["b"], rtol=1e-5)
    np.testing.assert_allclose(gradient, a * SLOPES["a"] + b * SLOPES["b"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("total", "names", "factors"),
    [
        (A + B, ("mse", "mae"), (1.0, 1.0)),
        (A + C, ("mse", "mse_2"), (1.0, 1.0)),
        (A + C + A, ("mse", "mse_2", "mse_3"), (1.0, 1.0, 1.0)),
        (0.5 * (A + 0.1 * B), ("mse", "mae"), (0.5, 0.05)),
        (2 * A, ("mse",), (2.0,)),
        (lm.Objective([A, B], names=["one", "two"]), ("one", "two"), (1.0, 1.0)),
        (lm.Objective([A, B], names=["one", "two"]) + C, ("one", "two", "mse"), (1.0,) * 3),
    ],
    ids=str,
)
def test_names_and_factors_of_a_sum(total, names, factors):
    assert total.names == names
    assert total.factors == pytest.approx(factors)


def test_each_term_divides_by_its_own_count():
    y = np.where([[True, True, False, False]] * 3, Y, np.nan).astype("float32")
    total = A.replace(mask=lm.masks.Finite()) + 0.5 * lm.Loss("l2", "b t", of="output")
    found = float(total(y, P))
    wanted = (D[:, :2] ** 2).mean() + 0.5 * (P.astype("float64") ** 2).mean()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("other", [0, 1.0, None, "mse", [A]])
def test_only_losses_add_up(other):
    with pytest.raises((lm.LossmithError, TypeError)):
        A + other


def test_a_loss_of_keras_is_told_how_to_be_added():
    import keras

    with pytest.raises(lm.LossmithError, match="only losses of lossmith add up") as caught:
        A + keras.losses.MeanSquaredError()
    assert "lm.Loss" in caught.value.fix


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), "2", None, True])
def test_a_factor_is_a_finite_number(factor):
    with pytest.raises(lm.LossmithError, match="factor"):
        A * factor


@pytest.mark.parametrize(
    "arguments",
    [
        ([], None, None),
        ([A, B], [1.0], None),
        ([A, B], None, ["one"]),
        ([A, B], None, ["one", "one"]),
    ],
)
def test_lists_that_do_not_fit_are_refused(arguments):
    with pytest.raises(lm.LossmithError, match="an objective needs"):
        lm.Objective(*arguments)


def test_a_sum_comes_back_from_its_config():
    total = A + 0.1 * C
    again = lm.Objective.from_config(total.get_config())
    assert again == total
    assert again != A + 0.2 * C
    assert (again.terms, again.names, again.name) == (total.terms, total.names, total.name)


def test_an_error_inside_a_sum_says_in_which_term():
    with pytest.raises(lm.LossmithError, match="two lengths") as caught:
        (A + 0.5 * B)(Y, P[:, :2])
    assert caught.value.at[-1:] == ("mse",)
