"""The marks that `explain`, `check` and `BlameNaN` share."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.core.marks import Lines, first_bad_slope, first_not_finite
from lossmith.core.sources import Sources
from lossmith.look.stages import first_bad_stage

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(0.5, 1.5, (5, 7)).astype("float32")
PRED = RNG.uniform(0.5, 1.5, (5, 7)).astype("float32")


CENTRED = "return ops.mean(ops.square(gap - ops.mean(gap, axis=0)), axis=-1)"
MASK = 'mask = ops.cast(ops.max(y_true, axis=-1, keepdims=True) > 1.3, "float32")'


def divided(y_true, y_pred):
    gap = y_true - y_pred
    share = gap / y_pred
    return ops.mean(share, axis=-1)


def rooted(y_true, y_pred):
    gap = y_pred - y_true
    root = ops.sqrt(ops.abs(gap * 0.0))
    return ops.mean(root, axis=-1)


def squeezed(y_true, y_pred):
    share = ops.softmax(y_pred, axis=-1)
    step = ops.round(7.0 * share)
    return ops.mean(ops.square(y_true - step), axis=-1)


def half_used(y_true, y_pred):
    early = ops.arange(7) < 3
    first = ops.where(early, y_pred, 0.0)
    return ops.mean(ops.square(y_true - first), axis=-1)


def folded(y_true, y_pred):
    flat = ops.reshape(y_true - y_pred, (-1,))
    return ops.mean(ops.reshape(flat, (-1, 7)), axis=-1)


def centred(y_true, y_pred):
    gap = y_true - y_pred
    return ops.mean(ops.square(gap - ops.mean(gap, axis=0)), axis=-1)


def ranked(y_true, y_pred):
    ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)
    return ops.mean(ramp * (y_true - y_pred), axis=-1)


def ranked_and_summed(y_true, y_pred):
    ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)
    gap = y_true - y_pred
    return ops.mean(ramp * gap)


def weighted_by_nothing(y_true, y_pred):
    weight = ops.array([0.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0])
    square = ops.square(y_true - y_pred)
    error = weight * square
    return ops.mean(error, axis=-1)


def masked_by_column(y_true, y_pred):
    square = ops.square(y_true - y_pred)
    mask = ops.cast(ops.max(y_true, axis=-1, keepdims=True) > 1.3, "float32")
    return ops.mean(mask * square, axis=-1)


def turned(y_true, y_pred):
    other = ops.transpose(y_pred)
    return ops.mean(y_true - other, axis=-1)


def test_the_first_line_that_is_not_finite_is_named_with_its_places():
    y_pred = PRED.copy()
    y_pred[3, 2] = 0.0
    mark = first_not_finite(lambda: divided(ops.array(TRUE), ops.array(y_pred)))
    assert (mark.source, mark.name) == ("share = gap / y_pred", "gap / y_pred")
    assert mark.where.tolist() == [[3, 2]]
    assert mark.shape == (5, 7)
    assert str(mark) == f"test_marks.py:{mark.line}: share = gap / y_pred"


def test_no_line_is_named_where_all_is_finite():
    assert first_not_finite(lambda: divided(ops.array(TRUE), ops.array(PRED))) is None
    assert first_bad_slope(lambda x: divided(ops.array(TRUE), x), PRED) is None


def test_a_bad_slope_is_that_of_its_own_line():
    mark = first_bad_slope(lambda x: rooted(ops.array(TRUE), x), PRED)
    assert mark.source == "root = ops.sqrt(ops.abs(gap * 0.0))"
    assert len(mark.where) == PRED.size


@pytest.mark.parametrize(
    ("loss", "look", "source"),
    [
        (squeezed, "dead", "step = ops.round(7.0 * share)"),
        (half_used, "dead", "first = ops.where(early, y_pred, 0.0)"),
        (weighted_by_nothing, "dead", "error = weight * square"),
        (masked_by_column, "dead", MASK),
        (centred, "mixing", CENTRED),
        (ranked, "by_order", "ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)"),
        (ranked_and_summed, "first_mixing", "ramp = ops.cumsum(ops.ones_like(y_pred), axis=0)"),
        (centred, "first_mixing", CENTRED),
        (turned, "refused", "other = ops.transpose(y_pred)"),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_the_marked_line_is_the_one_that_does_it(loss, look, source):
    mark = getattr(Lines(loss, TRUE, PRED), look)()
    assert mark.source == source


@pytest.mark.parametrize(
    "look", ["mixing", "by_order", "first_mixing", "dead", "not_finite", "bad_slope"]
)
def test_a_right_loss_is_not_marked(look):
    assert getattr(Lines(folded, TRUE, PRED), look)() is None


def test_samples_that_share_a_count_mix():
    def shared(y_true, y_pred):
        mask = ops.cast(y_true > 1.0, "float32")
        count = ops.sum(mask)
        return ops.sum(mask * ops.square(y_true - y_pred), axis=-1) / count

    assert Lines(shared, TRUE, PRED).mixing().source == "count = ops.sum(mask)"


def test_the_slope_of_a_softmax_is_not_taken_for_dead():
    def shares(y_true, y_pred):
        share = ops.softmax(y_pred, axis=-1)
        return ops.sum(y_true * share, axis=-1)

    lines = Lines(shares, TRUE, PRED)
    places = [place for place, made in enumerate(lines.events) if made.event.name == "share"]
    assert np.all(lines.slopes(places)[places[0]] != 0)


def test_the_first_bad_stage_is_named_with_its_places():
    y_true, y_pred = TRUE.copy(), PRED.copy()
    y_true[1, 4] = y_pred[1, 4] = np.nan
    total = lm.Loss("mse", "b t, b t", mask=lm.masks.Finite()) + lm.Loss(
        "mse", "b t, b t", name="late", weights=lm.weights.Field("y:weight", "b t")
    )
    weight = np.ones_like(TRUE)
    weight[2, 3] = np.inf
    good = Sources({"y": TRUE, "weight": np.ones_like(TRUE)}, PRED)
    assert first_bad_stage(total, good) is None
    late = first_bad_stage(total, Sources({"y": TRUE, "weight": weight}, PRED))
    assert late.name == "late: weights=" + repr(lm.weights.Field("y:weight", "b t"))
    assert late.where.tolist() == [[2, 3]]
    masked = first_bad_stage(total.terms[0], Sources(y_true, y_pred))
    assert masked is None  # the mask leaves it out
    alone = first_bad_stage(lm.Loss("mse", "b t, b t"), Sources(y_true, y_pred))
    assert (alone.line, alone.where.tolist()) == (1, [[1, 4]])


@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch compiles nothing here")
def test_what_is_compiled_runs_line_by_line():
    if keras.config.backend() == "jax":
        import jax

        compiled = jax.jit(divided)
    else:
        import tensorflow as tf

        compiled = tf.function(divided)
    mark = first_not_finite(lambda: compiled(ops.array(TRUE), ops.zeros_like(PRED)))
    assert mark.source == "share = gap / y_pred"
