"""Each check against its own evidence: what it must accept, what it must reject."""

import keras
import pytest

import lossmith as lm
from lossmith.checks import Status, compare
from lossmith.checks.unit import load

CHECKS = {
    name: unit
    for name, unit in load().items()
    if not unit.backends or keras.config.backend() in unit.backends
}


def _pairs(which):
    return [
        pytest.param(name, case, id=f"{name}-{getattr(case.loss, '__name__', case.loss)}")
        for name, unit in CHECKS.items()
        for case in getattr(unit, which)
    ]


def _run(name, case):
    return lm.check(
        case.loss,
        case.axes,
        y_true=case.y_true,
        y_pred=case.y_pred,
        promises=case.promises,
        only=name,
        elsewhere=case.elsewhere(),
    )[0]


@pytest.mark.parametrize(("name", "case"), _pairs("accepts"))
def test_a_loss_it_must_accept_is_kept(name, case):
    result = _run(name, case)
    assert result.status is Status.KEPT, str(result)


@pytest.mark.parametrize(("name", "case"), _pairs("rejects"))
def test_a_loss_it_must_reject_is_broken(name, case):
    result = _run(name, case)
    assert result.status is Status.BROKEN, str(result)
    assert "\n" in str(result)


@pytest.mark.parametrize("name", CHECKS)
def test_an_emptied_comparison_is_noticed(name, monkeypatch):
    """Each check has a rejected loss that only its comparison can reject."""
    monkeypatch.setattr(compare, "agree", lambda *_, **__: True)
    assert any(_run(name, case).status is Status.KEPT for case in CHECKS[name].rejects)


@pytest.mark.parametrize("name", CHECKS)
def test_a_law_is_one_sentence(name):
    law = CHECKS[name].law
    assert law.endswith(".")
    assert len(law) < 200
