"""Decoding of CTC against all paths and all label sequences."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.paths.transducer_reference import log_softmax

LENGTHS = np.array([5, 0, 3, 1])
BLANKS = (0, 1, 2)


def collapsed(path, blank):
    """What a path says: repetitions once, then no blanks."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def of_all_paths(scores, blank):
    """The probability of each label sequence: every path on its own."""
    probabilities = np.exp(log_softmax(scores))
    found = defaultdict(float)
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        found[collapsed(path, blank)] += np.prod([p[c] for p, c in zip(probabilities, path)])  # noqa: B905
    return dict(found)


@pytest.fixture
def scores(rng):
    return rng.normal(size=(4, 5, 3), scale=2.0).astype("float32")


@pytest.mark.parametrize("blank", BLANKS)
def test_greedy_says_what_the_likeliest_path_says(scores, blank):
    labels, lengths = lm.decode.ctc_greedy(scores, LENGTHS, blank)
    labels, lengths = (ops.convert_to_numpy(x) for x in (labels, lengths))
    for row, steps in enumerate(LENGTHS):
        wanted = collapsed(scores[row, :steps].argmax(-1).tolist(), blank)
        assert tuple(labels[row, : lengths[row]]) == wanted
        assert (labels[row, lengths[row] :] == -1).all()


def test_greedy_sees_nothing_behind_the_lengths(scores):
    poisoned = scores.copy()
    for row, steps in enumerate(LENGTHS):
        poisoned[row, steps:] = np.nan
    for clean, dirty in zip(
        lm.decode.ctc_greedy(scores, LENGTHS), lm.decode.ctc_greedy(poisoned, LENGTHS), strict=True
    ):
        assert np.array_equal(ops.convert_to_numpy(clean), ops.convert_to_numpy(dirty))


def test_a_repetition_needs_a_blank_between():
    path = ops.one_hot([[2, 2, 0, 2, 1, 1]], 3)
    labels, lengths = lm.decode.ctc_greedy(path)
    assert ops.convert_to_numpy(labels).tolist() == [[2, 2, 1, -1, -1, -1]]
    assert ops.convert_to_numpy(lengths).tolist() == [3]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_beam_that_holds_everything_finds_every_sequence_with_its_probability(scores, blank):
    found = lm.decode.ctc_beam(scores, LENGTHS, width=1000, blank=blank)
    for row, steps in enumerate(LENGTHS):
        wanted = of_all_paths(scores[row, :steps], blank)
        assert {h.labels for h in found[row]} == set(wanted)
        given = [h.log_probability for h in found[row]]
        np.testing.assert_allclose(given, [np.log(wanted[h.labels]) for h in found[row]])
        assert given == sorted(given, reverse=True)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_narrow_beam_claims_no_more_than_there_is(scores, width):
    for row, hypotheses in enumerate(lm.decode.ctc_beam(scores, width=width)):
        everything = of_all_paths(scores[row], 0)
        assert 0 < len(hypotheses) <= width
        for h in hypotheses:
            assert h.log_probability <= np.log(everything[h.labels]) + 1e-12


def test_the_beam_finds_labels_that_no_single_path_favours():
    probabilities = np.array([[[0.6, 0.4], [0.6, 0.4]]])
    assert ops.convert_to_numpy(lm.decode.ctc_greedy(np.log(probabilities))[1]).tolist() == [0]
    best = lm.decode.ctc_beam(np.log(probabilities), width=2)[0][0]
    assert best.labels == (1,)
    assert np.exp(best.log_probability) == pytest.approx(0.4 * 0.6 * 2 + 0.4 * 0.4)


def test_classes_without_probability_are_never_said():
    scores = np.array([[[0.0, 0.0, -np.inf], [0.0, 0.0, -np.inf]]])
    hypotheses = lm.decode.ctc_beam(scores, width=100)[0]
    assert {h.labels for h in hypotheses} == {(), (1,)}
