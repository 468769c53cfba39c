"""What is found out about a loss by trying it."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks.infer import infer
from lossmith.checks.promise import Promises
from lossmith.checks.subject import as_subject


def found(loss, axes=None, y_true=None, y_pred=None, **promises):
    return infer(as_subject(loss), axes, y_true, y_pred, Promises(**promises))


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def own_crossentropy(y_true, y_pred):
    picked = ops.one_hot(ops.cast(y_true, "int32"), 3) * ops.log_softmax(y_pred)
    return -ops.sum(picked, axis=-1)


def clipped(y_true, y_pred):
    p = ops.clip(y_pred, 1e-6, 1 - 1e-6)
    return -ops.mean(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p), axis=-1)


def masked(y_true, y_pred, sentinel=-1.0):
    mask = ops.not_equal(y_true, sentinel)
    error = ops.where(mask, ops.square(y_true - y_pred), 0.0)
    return ops.sum(error) / ops.maximum(ops.sum(ops.cast(mask, error.dtype)), 1.0)


def missing(y_true, y_pred):
    seen = ops.logical_not(ops.isnan(y_true))
    error = ops.square(ops.where(seen, y_true, y_pred) - y_pred)
    return ops.sum(error) / ops.maximum(ops.sum(ops.cast(seen, error.dtype)), 1.0)


def product(y_true, y_pred):
    return ops.mean(y_true * ops.square(y_pred), axis=-1)


@pytest.mark.parametrize(
    ("loss", "axes", "y_true", "y_pred"),
    [
        (squared, "b [c], b [c]", "real", "real"),
        (own_crossentropy, "b, b [c]", "int<3", "logits"),
        (clipped, "b [c], b [c]", "binary", "prob"),
        ("sparse_categorical_crossentropy", "b, b [c]", "int<3", "simplex"),
        (keras.losses.BinaryCrossentropy(from_logits=True), "b [c], b [c]", "binary", "logits"),
    ],
)
def test_axes_and_domains_are_found(loss, axes, y_true, y_pred):
    spec = found(loss).spec
    assert (str(spec.axes), str(spec.y_true), str(spec.y_pred)) == (axes, y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (masked, "y_true != -1"),
        (missing, "isfinite(y_true)"),
        (lambda a, b: masked(a, b, 0.0), "y_true != 0"),
    ],
)
def test_a_mask_is_found(loss, text):
    assert found(loss, "b t, b t").spec.mask.text == text


@pytest.mark.parametrize(
    "loss", [squared, own_crossentropy, product, "hinge", "poisson", "cosine_similarity"]
)
def test_a_loss_without_a_mask_gets_none(loss):
    assert found(loss).spec.mask is None


def test_a_promised_mask_is_taken():
    assert found(squared, "b t [c], b t [c]", mask="keras").spec.mask.text == "keras"


def test_the_axes_of_a_loss_of_ours_are_read():
    assert str(found(lm.Loss("mse", "b t, b t k")).spec.axes) == "b t, b t k"


def test_examples_tell_axes_and_domains():
    spec = found(squared, None, np.zeros((2, 4, 3)), np.full((2, 4, 3), 0.5)).spec
    assert (str(spec.axes), spec.y_true.kind) == ("b t [c], b t [c]", "binary")


def test_a_loss_that_never_runs_says_why():
    def raises(y_true, y_pred):
        raise KeyError(f"no table for {y_true.shape}, {y_pred.shape}")

    assert isinstance(found(raises).error, KeyError)


def test_inferred_facts_say_so_and_given_ones_do_not():
    facts = dict(found(squared, "b [c], b [c]", None, "real").facts)
    assert facts["axes"] == "b [c], b [c]"
    assert facts["y_pred"] == "real"
    assert "inferred" in facts["y_true"]
