"""All losses built into Keras: what is broken is a fault of Keras', and stands on the docs page.

On PyTorch every loss is run with every check, and `docs/keras-losses.md` is held to the results
(`--update-golden` writes it). On JAX and TensorFlow, where a check compiles, each fault is run with
its own check alone.
"""

import functools
import inspect

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.checks import Status
from lossmith.checks.infer import _KERAS
from tests.support.source import ROOT

BACKEND = keras.config.backend()
PAGE = ROOT / "docs" / "keras-losses.md"
STEPS = "b t"
MEETING = "its default `axis=None` adds over the batch: samples meet in one ratio (F7)"
OVERLAP = "`lm.errors.Dice()` or `lm.errors.Tversky()`: one ratio a sample"
PAIRS = "it is made of pairs of one batch, and a weight counts for an anchor alone"
LOST = "`get_config` leaves it out, and the loss is loaded with its default"
STRICT = "PyTorch refuses a padded value that is no probability, though the mask leaves it out"
LABELS = "labels of shape (B, 1) broadcast against (B, C)"
SLOPE = "`p ** q` has no slope at 0"

COUPLED = {
    "sample-independence": (MEETING, OVERLAP),
    "weight-equivalence": (MEETING, OVERLAP),
    "split-consistency": (MEETING, OVERLAP),
    "output-contract": ("one number comes back for a batch", OVERLAP),
}
CIRCLE = {
    "sample-independence": (PAIRS, 'promise `couples="pairs of one batch"`: it is meant'),
    "split-consistency": (PAIRS, "the same promise"),
    "linear-cost": (PAIRS, "the same promise"),
    "weight-equivalence": (PAIRS, "no sample weights"),
}
COSINE = {
    "extremes": (
        "on JAX and PyTorch the gradient is NaN where a prediction is all 0",
        "`lm.errors.Cosine()`",
    )
}
if BACKEND == "tensorflow":  # finite there
    COSINE = {}
LOG_COSH = {
    "half-precision": (
        "x + softplus(-2 x) - log 2 cancels where x is small",
        "`lm.errors.LogCosh`, or float32",
    )
}
GENERALIZED = {
    "no-silent-broadcast": (LABELS, "labels of shape (B,)"),
    "extremes": (SLOPE, "clip the predictions at 1e-6"),
}
# By name: the checks that are broken, why, and what to write instead.
KERAS_FAULTS = {
    "CategoricalGeneralizedCrossEntropy": GENERALIZED,
    "categorical_generalized_cross_entropy": {
        "output-contract": ("`q` has no default: `compile(loss=name)` cannot call it", "the class")
    },
    "Circle": CIRCLE,
    "circle": CIRCLE,
    "CosineSimilarity": COSINE | {"serialisation": (LOST, "`axis` last, or a registered subclass")},
    "cosine_similarity": COSINE,
    "Dice": COUPLED,
    "dice": COUPLED,
    "Huber": {"serialisation": (LOST, "`lm.Loss(lm.errors.Huber(delta))`")},
    "LogCosh": LOG_COSH,
    "log_cosh": LOG_COSH,
    "Tversky": COUPLED,
    "tversky": COUPLED,
}
UNMASKED = dict.fromkeys(
    ("padding-invariance", "masked-values", "nothing-counted"),
    (f"{MEETING}; no mask of steps arrives", OVERLAP),
)
NOT_PROBABLE = dict.fromkeys(
    ("padding-invariance", "masked-nan"),
    (STRICT, "a legal value where nothing counts, or `lm.Loss`"),
)
# The same of sequences with a mask of Keras, beside those above.
MASKED_FAULTS = {"Dice": UNMASKED, "Tversky": UNMASKED}
if BACKEND == "torch":
    MASKED_FAULTS |= {"BinaryCrossentropy": NOT_PROBABLE, "BinaryFocalCrossentropy": NOT_PROBABLE}
NOT_RUN = {
    "CTC": "it takes its lengths from the padded labels (F18), which no domain describes",
    "ctc": "the same",
}


def _is_loss(name, found):
    if isinstance(found, type):
        return issubclass(found, keras.losses.Loss) and found is not keras.losses.Loss
    return inspect.isfunction(found) and name not in ("get", "serialize", "deserialize")


LOSSES = {name: found for name, found in vars(keras.losses).items() if _is_loss(name, found)}
RUN = [name for name in LOSSES if name not in NOT_RUN]
# The circle loss takes no axis of steps.
MASKED = [name for name in RUN if isinstance(LOSSES[name], type) and name != "Circle"]


@functools.cache
def _report(name, *, masked=False, only=None):
    loss = LOSSES[name]() if isinstance(LOSSES[name], type) else LOSSES[name]
    if not masked:
        return lm.check(loss, only=only)
    axes, y_true, y_pred = _KERAS.get(
        getattr(loss, "fn", loss).__name__, ("b [c], b [c]", "real", "real")
    )
    axes = axes.replace("b", STEPS)
    promises = {"mask": "keras"}
    return lm.check(loss, axes, y_true=y_true, y_pred=y_pred, promises=promises, only=only)


def _expected(name, masked):
    faults = KERAS_FAULTS.get(name, {})
    if not masked:
        return faults
    saving = {"serialisation"}  # has been seen without a mask
    return {check: why for check, why in faults.items() if check not in saving} | MASKED_FAULTS.get(
        name, {}
    )


def _held(name, masked):
    """Hold what is broken to what is listed: a fault that Keras mends has to leave the list."""
    expected = set(_expected(name, masked))
    if BACKEND == "torch":
        report = _report(name, masked=masked)
        saving = {"serialisation"} if masked else set()
        assert {result.check for result in report.broken} - saving == expected, str(report)
    for check in expected:
        assert (
            _report(name, masked=masked, only=None if BACKEND == "torch" else check)
            .result(check)
            .status
            is Status.BROKEN
        )


@pytest.mark.parametrize("name", RUN if BACKEND == "torch" else list(KERAS_FAULTS))
def test_what_is_broken_is_listed(name):
    _held(name, masked=False)


@pytest.mark.skipif(BACKEND != "torch", reason="compiling takes minutes: on PyTorch")
@pytest.mark.parametrize("name", MASKED)
def test_what_is_broken_of_masked_sequences_is_listed(name):
    _held(name, masked=True)


def test_all_that_is_listed_is_built_into_keras():
    assert set(KERAS_FAULTS) | set(MASKED_FAULTS) | set(NOT_RUN) <= set(LOSSES)
    assert len(LOSSES) >= 37


HEAD = """# Losses of Keras that break a law

Each loss built into Keras 3.15, class and function, is run with every [check](checks/README.md), on
inputs as its documentation asks for; classes also on sequences with a mask of Keras. Those that are
not named here keep everything, apart from what Keras adds to every loss (`inherited from Keras`:
NaN behind a mask, labels that pass through 16 bits). The numbers are of PyTorch, on the smallest
inputs that were found, and a test holds them. `SparseCategoricalCrossentropy` loses `axis` when it
is saved, too: no other axis fits these inputs, so [reading](lint.md) finds it and no check does.

| loss | broken | got | expected | why | instead |
|---|---|---|---|---|---|
"""


def _page():
    rows = [row for name in RUN if isinstance(LOSSES[name], type) for row in _rows(name)]
    rows += _rows("categorical_generalized_cross_entropy")
    left = "\n".join(f"- `{name}`: {why}." for name, why in NOT_RUN.items())
    tail = "\n\nThe functions break what their classes do, but for saving. Not run:\n\n"
    return HEAD + "\n".join(rows) + tail + left + "\n"


def _rows(name):
    for masked, faults in ((False, KERAS_FAULTS), (True, MASKED_FAULTS)):
        for check, (why, instead) in faults.get(name, {}).items():
            result = _report(name, masked=masked).result(check)
            got, expected = _cells(result)
            what = f"[{check}](checks/{check}.md)" + (", masked steps" if masked else "")
            yield f"| `{name}` | {what} | {got} | {expected} | {why} | {instead} |"


def _cells(result):
    """Write two results, of arrays the place at which they differ most."""
    if result.got is None:
        return "an error", ""
    if isinstance(result.expected, str) and not isinstance(result.got, str):
        return ("NaN" if not np.all(np.isfinite(result.got)) else str(result.got)), result.expected
    if isinstance(result.got, str):
        return result.got, str(result.expected)
    got, expected = np.atleast_1d(result.got), np.atleast_1d(result.expected)
    place = np.unravel_index(np.argmax(np.abs(got - expected)), got.shape)
    return f"{got[place]:.4g}", f"{expected[place]:.4g}"


@pytest.mark.skipif(BACKEND != "torch", reason="the numbers are of PyTorch")
def test_the_page_says_what_was_found(update_golden):
    if update_golden:
        PAGE.write_text(_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _page()
