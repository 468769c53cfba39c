"""`lm.simplify`: the part that breaks a loss is named."""

import numpy as np
import pytest

import lossmith as lm
from tests.support.grads import value_and_grad

RNG = np.random.default_rng(0)
TRUE = np.abs(RNG.normal(size=(4, 6))).astype("float32")
PRED = RNG.normal(size=(4, 6)).astype("float32")


def variant(found, off):
    return next(v for v in found.variants if v.off == off)


def test_value_and_gradient_of_each_variant_are_those_of_the_loss_without_it():
    weights = lm.weights.ByStep(linear=(1.0, 0.5))
    loss = lm.Loss("mse", "b t, b t", weights=weights, adjust=lm.adjust.Shift(0.5))
    found = lm.simplify(loss, TRUE, PRED)
    for off, other in (
        (f"weights={weights!r}", loss.replace(weights=())),
        (f"adjust={lm.adjust.Shift(0.5)!r}", loss.replace(adjust=())),
    ):
        value, grad = value_and_grad(lambda p, other=other: other(TRUE, p), PRED)
        np.testing.assert_allclose(variant(found, off).value, value, rtol=1e-5)
        np.testing.assert_allclose(variant(found, off).gradient, np.linalg.norm(grad), rtol=1e-5)
    assert found.culprits == ()
    assert found.verdict == "the loss has a finite value and a gradient"


def test_the_term_that_is_not_finite_is_the_culprit():
    later = lm.Loss("mse", of=("y:later", "output"), name="later")
    loss = lm.Loss("mse") + 0.1 * later + lm.Loss("mae")
    found = lm.simplify(loss, {"y": TRUE, "later": np.full_like(TRUE, np.nan)}, PRED)
    assert found.culprits == ("later",)
    assert "the value is not finite; it is sound without later" in " ".join(str(found).split())


def test_the_mask_that_leaves_nothing_is_the_culprit():
    mask = lm.masks.NotEqual(0.0)
    loss = lm.Loss("mse", "b t, b t", mask=mask)
    found = lm.simplify(loss, np.zeros_like(TRUE), PRED)
    assert found.culprits == (f"mask={mask!r}",)
    assert "there is no gradient" in found.verdict


def test_sample_weights_are_a_part():
    weight = np.array([1.0, np.nan, 1.0, 1.0], "float32")
    found = lm.simplify(lm.Loss("mse", "b t, b t"), TRUE, PRED, sample_weight=weight)
    assert found.culprits == ("sample_weight",)
    assert found.to_dict()["culprits"] == ["sample_weight"]


def test_several_outputs_share_one_gradient():
    first, second = lm.Loss("mse", of=("y:a", "output:a")), lm.Loss("mse", of=("y:b", "output:b"))
    found = lm.simplify(first + second, {"a": TRUE, "b": TRUE}, {"a": PRED, "b": 2 * PRED})
    parts = [2 * (PRED - TRUE) / PRED.size, 2 * (2 * PRED - TRUE) / PRED.size]
    norm = np.sqrt(sum(np.sum(np.square(part)) for part in parts))
    assert found.whole.gradient == pytest.approx(norm, rel=1e-5)
    assert found.variants[0].gradient == pytest.approx(np.linalg.norm(parts[1]), rel=1e-5)
