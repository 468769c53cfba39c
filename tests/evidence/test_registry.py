"""The registry of parts: what gets in, what is listed, what comes back from a config."""

import inspect
import json

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.core.kinds import Difference, Error
from lossmith.core.part import PARTS, Example, Part, part
from tests.evidence.assemble import ALL, CASES, KINDS, loss_of
from tests.support.grads import value_and_grad

CLASSES = [pytest.param(cls, id=name) for name, cls in sorted(PARTS.items())]
DIFFERENCES = [
    pytest.param(cls, example.config, id=f"{name}-{place}")
    for name, cls in sorted(PARTS.items())
    if issubclass(cls, Difference)
    for place, example in enumerate(cls.EXAMPLES)
]


# ── what comes back ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("cls", "example"), ALL)
def test_a_part_comes_back_from_its_config_equal(cls, example):
    whole = cls(**example.config)
    config = whole.get_config()
    again = cls.from_config(config)
    assert again == whole
    assert hash(again) == hash(whole)
    assert repr(again) == repr(whole)
    assert again.get_config() == config


@pytest.mark.parametrize(("cls", "example"), ALL)
def test_a_part_comes_back_through_json_equal(cls, example):
    whole = cls(**example.config)
    text = json.dumps(keras.saving.serialize_keras_object(whole))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(again) is cls
    assert again == whole


@pytest.mark.parametrize(("cls", "example"), CASES)
def test_a_loss_of_each_part_comes_back_through_json_equal(cls, example):
    loss = loss_of(cls, example, reduce="sum", name="given", dtype="float32")
    text = json.dumps(keras.saving.serialize_keras_object(loss))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again == loss
    assert again.name == "given"
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("cls", CLASSES)
def test_parts_with_other_arguments_are_unequal(cls):
    cases = [(cls(**example.config), example.config) for example in cls.EXAMPLES]
    for one, config in cases:
        for other, other_config in cases:
            assert (one == other) is (config == other_config)


def test_parts_of_different_classes_are_unequal():
    parts = [cls(**cls.EXAMPLES[0].config) for cls in PARTS.values()]
    assert len(set(parts)) == len(PARTS)
    assert not any(one == other for one in parts for other in parts if one is not other)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_part_is_frozen(cls):
    whole = cls(**cls.EXAMPLES[0].config)
    names = [*whole.get_config(), "anything"]
    for name in names:
        with pytest.raises(AttributeError, match="cannot assign"):
            setattr(whole, name, 1)


# ── what is listed ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cls", CLASSES)
def test_a_part_stands_in_the_list_of_its_room(cls):
    room = KINDS[cls.kind]
    assert getattr(room, cls.__name__) is cls
    assert cls.__name__ in room.__all__


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_room_of_parts_lists_is_a_part(kind):
    registered = {cls.__name__ for cls in PARTS.values() if cls.kind == kind}
    assert set(KINDS[kind].__all__) == registered


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_defines_no_part_that_is_not_registered(kind):
    found = inspect.getmembers(KINDS[kind], inspect.isclass)
    own = {cls for _, cls in found if issubclass(cls, Part) and "EXAMPLES" in vars(cls)}
    assert own == {cls for cls in PARTS.values() if cls.kind == kind}


def test_no_two_errors_share_a_name():
    names = [n for cls in PARTS.values() if issubclass(cls, Error) for n in cls.names]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        pytest.param(cls, name, id=name)
        for _, cls in sorted(PARTS.items())
        if issubclass(cls, Error)
        for name in cls.names
    ],
)
def test_a_name_of_an_error_means_that_error(cls, name):
    of = "output" if cls.arity == 1 else ("y", "output")
    loss = lm.Loss(name, of=of)
    assert type(loss.pipeline.error) is cls
    assert loss.name == name


# ── what is refused ──────────────────────────────────────────────────────────────────────────


class Documented(Error):
    """Do nothing.

    Shapes:
        x: (...).

    Example:
        >>> 1
        1
    """


def _named(name, doc, **attributes):
    return type(name, (Documented,), {"__doc__": doc, **attributes})


CASE = Example([0.0], [0.0], [0.0])


@pytest.mark.parametrize(
    ("doc", "examples", "got"),
    [
        (Documented.__doc__, None, "0 EXAMPLES"),
        (Documented.__doc__, (), "0 EXAMPLES"),
        (Documented.__doc__, (CASE,) * 7, "7 EXAMPLES"),
        ("Do nothing.", (CASE,), "no Shapes: section"),
        ("Do nothing.\n\n    Shapes:\n        x: (...)", (CASE,), "no Example: section"),
        (None, (CASE,), "no Shapes: section"),
    ],
)
def test_a_part_without_its_evidence_is_refused(doc, examples, got):
    attributes = {} if examples is None else {"EXAMPLES": examples}
    before = dict(PARTS)
    with pytest.raises(lm.LossmithError, match="does not carry its evidence") as caught:
        part(_named("Bare", doc, **attributes))
    assert caught.value.got == got
    assert before == PARTS


def test_the_evidence_of_a_parent_is_not_enough():
    parent = _named("Parent", Documented.__doc__, EXAMPLES=(CASE,))
    with pytest.raises(lm.LossmithError, match="does not carry its evidence"):
        part(type("Child", (parent,), {"__doc__": Documented.__doc__}))


# ── what its kind promises ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("cls", "config"), DIFFERENCES)
def test_a_difference_costs_nothing_at_zero_and_has_a_finite_slope_there(cls, config):
    value, (slope,) = value_and_grad(cls(**config).penalty, np.zeros(3, "float32"))
    np.testing.assert_array_equal(value, np.zeros(3))
    assert np.isfinite(slope).all()


def test_there_are_differences_to_hold_to_that():
    assert DIFFERENCES
