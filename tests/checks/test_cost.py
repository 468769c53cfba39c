"""What a function makes on the way is counted, wherever it is made."""

import keras
import numpy as np
import pytest
from keras import ops

from lossmith import backend


def _own(x, y):
    return ops.sum(x * y, axis=-1)


def _of_all_pairs(x, y):
    return ops.diagonal(ops.matmul(x, ops.transpose(y)))


def _behind_a_condition(x, y):
    return ops.cond(ops.sum(x) > 0, lambda: _of_all_pairs(x, y), lambda: _own(x, y))


def _in_a_loop(x, y):
    total, _ = ops.scan(lambda sums, row: (sums + ops.matmul(x, row), None), y[:, 0], y)
    return total


def _growth(function):
    made = []
    for samples in (32, 64, 128):
        arrays = [np.ones((samples, 3), "float32")] * 2
        made.append(backend.numbers_made(function, arrays))
    return (made[2] - made[1]) / (made[1] - made[0])


def test_what_is_made_for_each_sample_grows_in_proportion():
    assert _growth(_own) == pytest.approx(2.0)


@pytest.mark.parametrize("function", [_of_all_pairs, _behind_a_condition])
def test_a_matrix_of_all_pairs_is_counted_where_it_is_thrown_away(function):
    assert _growth(function) > 3.0


@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="a graph does not say how often a loop turns"
)
def test_a_loop_is_counted_for_each_of_its_steps():
    assert _growth(_in_a_loop) > 3.0
