"""Factors that are set from outside, and the callback that balances them."""

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.model.test_moving_factors import X, Y, compiled, term

SETTABLE = lm.schedules.Settable


def settable():
    return compiled(SETTABLE() * term("a") + SETTABLE(2.0) * term("b"), rate=0.05)


class Spy(keras.callbacks.Callback):
    """Notes the factors after each epoch."""

    def __init__(self):
        super().__init__()
        self.factors = []

    def on_epoch_end(self, epoch, logs=None):
        del epoch, logs
        self.factors.append(dict(self.model.settable_factors))


def by_hand(history, beta, total):
    """SoftAdapt in NumPy: the factors after each epoch."""
    losses = np.array([history["a"], history["b"]])
    found = [[1.0, 2.0]]
    for now in range(1, losses.shape[1]):
        slope = losses[:, now] - losses[:, now - 1]
        scaled = np.exp(beta * slope / np.abs(slope).sum())
        found.append(list(total * scaled / scaled.sum()))
    return np.array(found)


def test_a_factor_that_is_set_scales_its_term_in_the_compiled_step():
    model = settable()
    before = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(before["a"] + 2.0 * before["b"], rel=1e-5)
    model.set_factor("a", 0.25)
    after = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert after["loss"] == pytest.approx(0.25 * before["a"] + 2.0 * before["b"], rel=1e-5)
    assert (after["a_factor"], after["b_factor"]) == (0.25, 2.0)


def test_softadapt_follows_its_formula_and_acts_in_the_next_epoch():
    model, spy = settable(), Spy()
    callbacks = [lm.callbacks.SoftAdapt(beta=2.0), spy]
    history = model.fit(
        X, Y, epochs=4, batch_size=4, shuffle=False, verbose=0, callbacks=callbacks
    ).history
    expected = by_hand(history, beta=2.0, total=3.0)
    found = np.array([[row["a"], row["b"]] for row in spy.factors])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.ptp(expected[1:, 0]) > 0.01
    used = np.array([history["a_factor"], history["b_factor"]]).T
    np.testing.assert_allclose(used[1:], expected[:-1], rtol=1e-5)


def test_set_factors_are_saved(tmp_path):
    model = settable()
    model.set_factor("b", 7.0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.settable_factors == {"a": 1.0, "b": 7.0}


def test_a_term_that_is_not_settable_is_refused_by_name():
    model = compiled(SETTABLE() * term("a") + term("b"))
    with pytest.raises(lm.LossmithError, match="'b' cannot be set"):
        model.set_factor("b", 1.0)


def test_softadapt_needs_two_terms():
    model = compiled(SETTABLE() * term("a") + term("b"))
    with pytest.raises(lm.LossmithError, match="nothing to balance"):
        model.fit(X, Y, verbose=0, callbacks=[lm.callbacks.SoftAdapt()])


def test_softadapt_leaves_the_factors_where_a_term_is_not_finite():
    model = settable()
    broken = {**Y, "a": np.full_like(Y["a"], np.inf)}
    model.fit(X, broken, epochs=3, verbose=0, callbacks=[lm.callbacks.SoftAdapt()])
    assert model.settable_factors == {"a": 1.0, "b": 2.0}
