"""The line that is blamed, against the one that was planted: where wrong and right twin differ."""

import difflib
import inspect

import keras
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks import Status
from lossmith.checks.unit import load
from tests.zoo import apart, pairs

KINDS = {
    "broadcast": ("no-silent-broadcast", "linear-cost"),
    "mixing": ("sample-independence", "permutation", "weight-equivalence"),
    "NaN": ("extremes", "masked-nan", "nothing-counted"),
    "gradient": ("gradient-arrives",),
    "half": ("half-precision",),
}
KINDS_OF = {check: kind for kind, checks in KINDS.items() for check in checks}

NO_LINE = {"overrides-dunder-call": "the lines of call are right"}
ANOTHER_LINE = {"clip-that-clips-nothing": "the log, not the clip before it"}


def _code(loss):
    return inspect.unwrap(loss.call if isinstance(loss, keras.losses.Loss) else loss)


def planted(pair):
    """The lines of the wrong twin that the right one has not; what one lacks, is before a line."""
    wrong, first = inspect.getsourcelines(_code(pair.wrong))
    right, _ = inspect.getsourcelines(_code(pair.right))
    changes = difflib.SequenceMatcher(None, wrong, right, autojunk=False).get_opcodes()
    return [
        first + line
        for kind, start, end, _, _ in changes
        if kind != "equal"
        for line in range(start, max(end, start + 1))
        if not wrong[line].lstrip().startswith(("def ", "@"))
    ]


def blamed(pair):
    promises = {k: v or "not tested here" for k, v in pair.promises.items() if k != "pads"}
    known = {"y_true": pair.y_true or None, "y_pred": pair.y_pred or None}
    loss = apart(pair.wrong)
    return lm.check(loss, pair.axes, **known, promises=promises, only=pair.check)[0]


PAIRS = [
    pytest.param(pair, id=pair.sin)
    for pair in pairs()
    if pair.check in KINDS_OF and pair.check in load()
]
PLANTED = [p for p in PAIRS if p.id not in NO_LINE and p.id not in ANOTHER_LINE]


@pytest.mark.parametrize("pair", PLANTED)
def test_the_planted_line_is_blamed(pair):
    result = blamed(pair)
    if result.status is not Status.BROKEN:
        pytest.skip("its check does not find it, which is not the matter of blame")
    assert result.place is not None, str(result)
    assert result.place.line in planted(pair), str(result)
    assert f"{result.place.file.name}:{result.place.line}: " in str(result)


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.id in NO_LINE])
def test_no_line_is_blamed_where_none_can_be(pair):
    assert blamed(pair).place is None, NO_LINE[pair.id]


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.id in ANOTHER_LINE])
def test_the_fault_shows_at_another_line(pair):
    result = blamed(pair)
    assert result.place is not None
    assert result.place.line not in planted(pair), ANOTHER_LINE[pair.id]


def _spread_of_all(x):
    centred = x - ops.mean(x)
    return ops.mean(ops.square(centred), axis=-1)


def with_a_helper(y_true, y_pred):
    gap = y_true - y_pred
    return _spread_of_all(gap)


class Rooted(keras.losses.Loss):
    def call(self, y_true, y_pred):
        square = ops.square(y_true - y_pred)
        total = ops.mean(square, axis=-1)
        root = ops.sqrt(total)
        return 2.0 * root


def with_a_wrong_name(y_true, y_pred):
    gap = y_true - y_pred
    return ops.mean(gap, axi=-1)


@pytest.mark.parametrize(
    ("loss", "check", "text"),
    [
        (with_a_helper, "sample-independence", "centred = x - ops.mean(x)"),
        (Rooted(), "extremes", "root = ops.sqrt(total)"),
        (with_a_wrong_name, "output-contract", "return ops.mean(gap, axi=-1)"),
    ],
)
def test_the_blamed_line_stands_in_the_users_code(loss, check, text):
    result = lm.check(loss, "b [c], b [c]", only=check)[0]
    assert result.place is not None, str(result)
    assert result.place.file.name == "test_blame.py"
    assert result.place.text == text
