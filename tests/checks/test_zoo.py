"""Every check against the zoo: what is wrong is broken, what is right is not.

A wrong twin is run with the check that is meant for it alone, a right one with all checks: on JAX
and TensorFlow, where each compiles, that is a sample of both, drawn with a fixed seed, and whatever
is listed below.
`backends-agree` gets from elsewhere what the right twin gives here: that is what the wrong one
gives on a backend on which it is right.
"""

import functools

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.checks import Status, fingerprint
from lossmith.checks.unit import load
from tests.zoo import apart, pairs
from tests.zoo.test_zoo import RIGHT_ON

BACKEND = keras.config.backend()
PAIRS = {pair.sin: pair for pair in pairs()}
WRONG = {"jax": 36, "tensorflow": 56, "torch": len(PAIRS)}[BACKEND]
RIGHT = {"jax": 8, "tensorflow": 16, "torch": len(PAIRS)}[BACKEND]
CAUGHT, FLAGGED = 0.95, 0.02  # at least, at most

# Wrong twins that the check meant for them does not see, on these backends, and why.
EVERYWHERE = {"jax", "tensorflow", "torch"}
MISSED = {
    "row-against-column": (
        EVERYWHERE,
        "(B,) and (B, 1) give the same, both wrong; sample-independence breaks",
    ),
    "batch-size-from-the-settings": (
        {"jax", "tensorflow"},
        "it runs on 32 samples alone, which are never tried; output-contract breaks",
    ),
    "static-batch-size": ({"jax"}, "JAX exports it: a length that is unknown can be multiplied"),
    "numpy-on-tensors": (
        {"jax"},
        "NumPy refuses a traced tensor, so that there is no gradient; output-contract breaks",
    ),
}
# Right twins of which something is broken all the same.
FLAGS = {}


@functools.cache
def _report(sin, twin, only=None):
    pair = PAIRS[sin]
    given = {
        "axes": pair.axes,
        "y_true": pair.y_true or None,
        "y_pred": pair.y_pred or None,
        "promises": pair.promises,
    }
    elsewhere = {"right": fingerprint(pair.right, **given)} if only == ACROSS else None
    loss = apart(getattr(pair, twin))
    return lm.check(loss, **given, only=only, elsewhere=elsewhere)


ACROSS = "backends-agree"


def _wrong():
    """Return the sins against a check that can tell anything on this backend."""
    units = load()
    told = {name for name, unit in units.items() if BACKEND in (unit.backends or EVERYWHERE)}
    return [
        sin
        for sin, pair in PAIRS.items()
        if pair.check in told and BACKEND not in RIGHT_ON.get(sin, ())
    ]


def _missed():
    return {sin for sin, (backends, _) in MISSED.items() if BACKEND in backends}


def _drawn(sins, size):
    return np.random.default_rng(7).permutation(sorted(sins))[:size].tolist()


@pytest.mark.parametrize("sin", sorted({*_drawn(_wrong(), WRONG), *(_missed() & {*_wrong()})}))
def test_a_sin_is_caught_by_its_check_unless_it_is_listed(sin):
    """A sin that is listed and caught fails here too: then it has to leave the list."""
    check = PAIRS[sin].check
    result = _report(sin, "wrong", check).result(check)
    assert (result.status is not Status.BROKEN) == (sin in _missed()), str(result)


@pytest.mark.parametrize("sin", sorted(_missed() & set(_wrong())))
def test_a_missed_sin_is_broken_by_another_check_where_the_list_says_so(sin):
    named = [name for name in load() if f"{name} breaks" in MISSED[sin][1]]
    for name in named:
        assert _report(sin, "wrong", name).result(name).status is Status.BROKEN


def test_nearly_all_sins_are_caught():
    sins = _wrong()
    assert len(sins) >= 90
    assert len(_missed() & set(sins)) <= (1 - CAUGHT) * len(sins)


def test_all_that_is_listed_is_in_the_zoo():
    assert set(MISSED) | set(FLAGS) <= set(PAIRS)


@pytest.mark.parametrize("sin", sorted(_drawn(PAIRS, RIGHT)))
def test_a_right_twin_keeps_everything_unless_it_is_listed(sin):
    report = _report(sin, "right")
    assert {result.check for result in report.broken} == set(FLAGS.get(sin, ())), str(report)


def test_hardly_any_right_twin_is_flagged():
    assert len(FLAGS) <= FLAGGED * len(PAIRS)
