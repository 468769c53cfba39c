"""F18: a loss over alignments, whose frames a mask cannot reach."""

import itertools

import keras
import numpy as np
import pytest
from keras import layers

import lossmith as lm
from tests.faults.measured import FAULTS, keras_still_gives
from tests.faults.usual import floats

CLASSES, BLANK, LABELS = 3, 0, (1,)


def _loss_of(frames):
    """The negative log-probability of the labels, over all alignments, classes being alike."""
    paths = itertools.product(range(CLASSES), repeat=frames)
    fits = [path for path in paths if _collapsed(path) == LABELS]
    return -np.log(len(fits) / CLASSES**frames)


def _collapsed(path):
    return tuple(name for name, _ in itertools.groupby(path) if name != BLANK)


def test_the_numbers_are_those_of_all_alignments():
    assert FAULTS["F18"].right == pytest.approx(_loss_of(1))
    assert FAULTS["F18"].wrong == pytest.approx(_loss_of(3))


def _evaluated(loss):
    inputs = keras.Input((3, 1))
    dense = layers.Dense(CLASSES, kernel_initializer="zeros")
    model = keras.Model(inputs, dense(layers.Masking()(inputs)))
    model.compile(loss=loss)
    frames = floats([1, 0, 0], [1, 0, 0], [1, 0, 0])[..., None]
    return model.evaluate(frames, np.ones((3, 1)), verbose=0)


def test_f18_keras_counts_masked_frames():
    keras_still_gives("F18", _evaluated(keras.losses.CTC()))


def test_f18_ours_takes_the_mask_for_the_lengths_of_the_frames():
    assert _evaluated(lm.CTC()) == pytest.approx(FAULTS["F18"].right)


@pytest.mark.parametrize("given", ["ctc", keras.losses.CTC(), keras.losses.CTC])
def test_f18_ours_is_refused(given):
    with pytest.raises(lm.LossmithError, match="no input lengths"):
        lm.Loss(given, "b s, b t [c]")
