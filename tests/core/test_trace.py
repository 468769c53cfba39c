"""`trace`: what each line of a function makes."""

import inspect
import sys
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from lossmith.core.trace import of_users, trace


def doubled(x):
    twice = 2.0 * x
    return twice + 0.0


def several(x):
    parts = [x, doubled(x)]
    total = parts[0] + parts[1]
    total = ops.sum(
        total,
        axis=-1,
    )
    number = 3
    return {"total": total, "number": number}


def failing(x):
    raise ValueError(x)


def here(file):
    return file == __file__


def traced(function):
    first = inspect.getsourcelines(function)[1]
    events, result = trace(partial(function, ops.ones((2, 3))), here)
    inside = [(event.line - first, event.name, event.value) for event in events]
    return inside, result


def test_each_line_makes_what_its_variables_hold_after_it():
    events, result = traced(several)
    names = [(line, name) for line, name, _ in events if line >= 0]
    assert names == [(1, "parts"), (1, "parts"), (2, "total"), (3, "total"), (8, "return")]
    values = [ops.convert_to_numpy(value) for line, _, value in events if line >= 0]
    np.testing.assert_array_equal(values[1], np.full((2, 3), 2.0))
    np.testing.assert_array_equal(values[2], np.full((2, 3), 3.0))
    np.testing.assert_array_equal(values[3], [9.0, 9.0])
    assert result["total"] is events[-1][2]


def test_functions_of_followed_files_are_followed():
    events, _ = traced(several)
    assert [name for line, name, _ in events if line < 0] == ["twice", "return"]


def test_functions_of_other_files_are_not():
    loss = partial(keras.losses.mean_squared_error, ops.ones(3), ops.zeros(3))
    events, value = trace(loss, here)
    assert events == []
    assert float(value) == 1.0


def test_a_tracer_that_was_there_comes_back():
    def other(*_):
        return None

    before = sys.gettrace()
    sys.settrace(other)
    try:
        with pytest.raises(ValueError, match="wrong"):
            trace(partial(failing, "wrong"), here)
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)


@pytest.mark.parametrize(
    ("file", "theirs"),
    [
        (__file__, True),
        (keras.__file__, False),
        (inspect.__file__, False),
        (inspect.getsourcefile(trace), False),
        ("<string>", False),
    ],
)
def test_libraries_are_not_of_users(file, theirs):
    assert of_users(file) is theirs
