"""Batches: sizes, masks, padding and samples."""

import numpy as np
import pytest

from lossmith.checks.domains import Domain, parse_domain
from lossmith.checks.inputs import Spec, draw, perfect, ragged
from lossmith.checks.mask_rule import parse_mask
from lossmith.core.notation import parse_axes


def spec(axes, y_true="real", y_pred="real", mask=None):
    return Spec(
        parse_axes(axes),
        parse_domain(y_true, "y_true"),
        parse_domain(y_pred, "y_pred"),
        parse_mask(mask) if mask else None,
    )


@pytest.mark.parametrize(
    ("axes", "kind", "true", "pred"),
    [
        ("b [c], b [c]", "distinct", (5, 3), (5, 3)),
        ("b t, b t k", "distinct", (5, 7), (5, 7, 3)),
        ("b t [c], b t [c]", "colliding", (4, 4, 4), (4, 4, 4)),
        ("b, b [c]", "single", (1,), (1, 3)),
        ("b 1, b", "distinct", (5, 1), (5,)),
        ("b [h w], b [h w]", "distinct", (5, 2, 3), (5, 2, 3)),
    ],
)
def test_sizes_come_from_the_axes(axes, kind, true, pred, rng):
    batch = draw(spec(axes), rng, kind)
    assert batch.y_true.shape == true
    assert batch.y_pred.shape == pred


def test_class_numbers_fit_the_class_axis(rng):
    batch = draw(spec("b, b [c]", "int<10", "logits"), rng)
    assert batch.y_pred.shape == (5, 10)
    assert batch.y_true.max() < 10


def test_a_ragged_batch_has_a_full_sample_and_shorter_ones(rng):
    batch = ragged(draw(spec("b t, b t", mask="y_true != -1"), rng))
    assert batch.mask.sum(axis=1).tolist()[0] == 7
    assert 0 < batch.mask.sum(axis=1).min() < 7
    np.testing.assert_array_equal(batch.y_true == -1, ~batch.mask)
    assert (np.diff(batch.mask.astype(int), axis=1) <= 0).all()


def test_a_mask_without_steps_is_over_samples(rng):
    batch = ragged(draw(spec("b [c], b [c]", mask="y_true != -1"), rng))
    assert batch.mask.tolist() == [True, False, True, False, True]
    assert (batch.y_true[1] == -1).all()


def test_padding_does_not_count(rng):
    batch = draw(spec("b t [c], b t [c]", mask="y_true != -1"), rng).padded(2, 0.5)
    assert batch.y_pred.shape == (5, 9, 3)
    assert (batch.y_pred[:, 7:] == 0.5).all()
    assert (batch.y_true[:, 7:] == -1).all()
    assert batch.mask.tolist() == [[True] * 7 + [False] * 2] * 5


def test_refilling_leaves_what_counts_alone(rng):
    batch = ragged(draw(spec("b t [c], b t [c]", mask="keras"), rng))
    filled = batch.refilled(y_pred=np.nan, y_true=9.0)
    counted = batch.counted("y_pred")
    np.testing.assert_array_equal(filled.y_pred[counted], batch.y_pred[counted])
    assert np.isnan(filled.y_pred[~counted]).all()
    assert (filled.y_true[~counted] == 9.0).all()


def test_samples_are_taken_in_every_array(rng):
    batch = ragged(draw(spec("b t, b t", mask="keras"), rng)).replace(sample_weight=np.arange(5.0))
    twice = batch.take([3, 3])
    for name, array in twice.arrays().items():
        np.testing.assert_array_equal(array, batch.arrays()[name][[3, 3]])


@pytest.mark.parametrize(
    ("axes", "y_true", "y_pred", "known"),
    [
        ("b [c], b [c]", "real", "real", True),
        ("b, b [c]", "int<3", "simplex", True),
        ("b, b [c]", "int<3", "logits", True),
        ("b [c], b [c]", "binary", "prob", True),
        ("b [c], b [c]", "real", "logits", False),
        ("b t, b t k", "real", "real", False),
    ],
)
def test_the_perfect_prediction_is_given_where_it_is_known(axes, y_true, y_pred, known, rng):
    batch = draw(spec(axes, y_true, y_pred), rng)
    assert (perfect(batch) is not None) is known


def test_the_perfect_logits_choose_the_class(rng):
    batch = draw(spec("b, b [c]", "int<3", "logits"), rng)
    np.testing.assert_array_equal(perfect(batch).argmax(-1), batch.y_true)


def test_masks_are_read():
    assert parse_mask("y_true != -100").sentinel == -100
    assert np.isnan(parse_mask("isfinite(y_true)").sentinel)
    assert parse_mask("keras").sentinel is None
    assert Domain("real").pad is None
