"""The CTC loss of each sample against every alignment, a float64 recursion, and peers.

All small cases have one shape, and so one compilation.
"""

import keras
import numpy as np
import pytest
from keras import ops

from lossmith.core.paths.ctc import ctc
from tests.paths.ctc_reference import by_enumeration, by_recursion
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
MODES = {"torch": [False], "jax": [False], "tensorflow": [False, "xla"]}[BACKEND]
SAMPLES, FRAMES, LABELS, CLASSES = 8, 5, 3, 4
NO_LABEL = 99
RNG = np.random.default_rng(0)


class Case:
    """A batch whose padded frames are NaN and whose padded labels are no classes."""

    def __init__(self, labels, logits, label_lengths, frames, blank=0):
        self.label_lengths, self.frames = np.array(label_lengths), np.array(frames)
        self.blank = blank
        said = np.arange(np.shape(labels)[1]) < self.label_lengths[:, None]
        self.labels = np.where(said, labels, NO_LABEL)
        self.live = np.arange(logits.shape[1]) < self.frames[:, None]
        self.logits = np.where(self.live[..., None], logits, np.nan).astype("float32")

    def sample(self, b):
        return self.labels[b, : self.label_lengths[b]], self.logits[b, : self.frames[b]]

    def expected(self, reference, first=0):
        """Values and gradients from some sample on, 0 behind the last frame."""
        values, gradients = np.zeros(len(self.labels)), np.zeros(self.logits.shape)
        for b, frames in list(enumerate(self.frames))[first:]:
            values[b], gradients[b, :frames] = reference(*self.sample(b), self.blank)
        return values, gradients

    def ours(self, *, jit=False, logits=None, **options):
        given = [ops.convert_to_tensor(x) for x in (self.labels, self.label_lengths, self.frames)]
        labels, label_lengths, frames = given

        def loss(logits):
            return ctc(labels, logits, label_lengths, frames, blank=self.blank, **options)

        logits = self.logits if logits is None else logits
        values, (gradients,) = value_and_grad(loss, logits, jit=jit)
        return values, gradients

    def holds(self, reference, *, jit=False):
        expected, gradients = self.expected(reference)
        found, found_gradients = self.ours(jit=jit)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found_gradients, gradients, atol=3e-6)


def scores(scale=1.0):
    return RNG.normal(scale=scale, size=(SAMPLES, FRAMES, CLASSES))


def drawn(blank=0, least=0):
    """A random batch whose samples have at least one alignment."""
    legal = [k for k in range(CLASSES) if k != blank]
    labels = RNG.choice(legal, size=(SAMPLES, LABELS))
    label_lengths = RNG.integers(least, LABELS + 1, SAMPLES)
    frames = np.minimum(2 * label_lengths + RNG.integers(0, 3, SAMPLES), FRAMES)
    return Case(labels, scores(), label_lengths, frames, blank)


EDGES = Case(
    [[1, 2, 1], [1, 1, 2], [2, 0, 0], [0, 0, 0], [1, 1, 1], [3, 3, 3], [1, 0, 0], [0, 0, 0]],
    scores(),
    label_lengths=[3, 3, 1, 0, 3, 3, 1, 0],
    frames=[5, 4, 2, 3, 4, 5, 0, 0],
)
"""Repeats, some that just fit and some that do not, no labels, no frames, neither."""


@pytest.mark.parametrize("jit", MODES)
def test_it_is_the_sum_over_every_alignment(jit):
    values, _ = EDGES.expected(by_enumeration)
    assert np.isinf(values).tolist() == [False] * 4 + [True, False, True, False]
    EDGES.holds(by_enumeration, jit=jit)


@pytest.mark.parametrize("blank", [0, CLASSES - 1])
def test_the_blank_may_be_any_class(blank):
    drawn(blank).holds(by_enumeration)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_a_thousand_frames_stay_within_5e_4_of_float64(scale):
    """One sample has a single alignment: the rest of its lattice leads nowhere."""
    steps = 1 + np.arange(100) % 15
    labels = np.stack([RNG.integers(1, 16, 100), steps, RNG.integers(1, 16, 100)])
    logits = RNG.normal(scale=scale, size=(3, 1024, 16)).astype("float32")
    case = Case(labels, logits, label_lengths=[100, 100, 60], frames=[1024, 100, 700])
    expected, gradients = case.expected(by_recursion)
    found, found_gradients = case.ours(jit=BACKEND == "tensorflow")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(found_gradients, gradients, atol=5e-4)


def test_the_two_references_agree():
    case = drawn(least=1)
    for b in range(SAMPLES):
        one, other = (f(*case.sample(b), 0) for f in (by_enumeration, by_recursion))
        np.testing.assert_allclose(one[0], other[0])
        np.testing.assert_allclose(one[1], other[1], atol=1e-12)


def test_a_class_without_probability_leaves_its_labels_impossible():
    logits = scores()
    logits[:, :, 3] = -np.inf
    labels = np.tile([[1, 3, 0], [1, 2, 0]], (SAMPLES // 2, 1))
    found, gradients = Case(labels, logits, [2] * SAMPLES, [FRAMES] * SAMPLES).ours()
    assert np.isinf(found).tolist() == [True, False] * (SAMPLES // 2)
    assert not gradients[::2].any()
    assert gradients[1::2].any()
    assert np.isfinite(gradients).all()


def test_a_wrong_label_and_a_nan_that_counts_are_seen():
    logits = scores()
    logits[3, 2, 1] = np.nan
    labels = np.ones((SAMPLES, LABELS), "int32")
    labels[:3, 1] = 0, CLASSES, -1
    found, gradients = Case(labels, logits, [2] * SAMPLES, [FRAMES] * SAMPLES).ours()
    assert np.isnan(found).tolist() == [True] * 4 + [False] * 4
    assert np.isnan(gradients[3]).any()
    assert np.isfinite(gradients[4:]).all()


def test_lengths_beyond_the_arrays_are_nan():
    """In a compiled step nobody can look at them; where they are known, `lm.CTC` refuses them."""
    beyond = [LABELS + 1, 2, -1, 2, 2, 0, 0, LABELS], [FRAMES, FRAMES + 1, 3, -1, FRAMES, 3, 0, 5]
    labels = np.tile([1, 2, 1], (SAMPLES, 1))
    case = Case(labels, scores(), *beyond)
    values, gradients = case.ours(logits=np.nan_to_num(case.logits))
    assert np.isnan(values).tolist() == [True] * 4 + [False] * 4
    assert not gradients[:4].any()
    np.testing.assert_allclose(values[4:], case.expected(by_enumeration, first=4)[0][4:], rtol=1e-5)


def test_log_probabilities_have_their_own_gradient():
    """Minus the posterior: the loss is a function of each log-probability by itself."""
    case = drawn()
    logits = np.nan_to_num(case.logits)
    logs = ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))
    _, by_logits = case.ours()
    values, gradients = case.ours(logits=logs, from_logits=False)
    expected = by_logits - np.where(case.live[..., None], np.exp(logs), 0.0)
    np.testing.assert_allclose(values, case.expected(by_enumeration)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradients, expected, atol=2e-6)


# ── peers ────────────────────────────────────────────────────────────────────────────────────


def _torch(case):
    import torch

    logits = torch.tensor(np.nan_to_num(case.logits), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor(np.where(case.labels == NO_LABEL, 1, case.labels))
    logs = torch.log_softmax(logits, -1).transpose(0, 1)
    lengths = torch.tensor(case.frames), torch.tensor(case.label_lengths)
    values = torch.nn.functional.ctc_loss(
        logs, labels, *lengths, blank=case.blank, reduction="none"
    )
    values.sum().backward()
    return values.detach().numpy(), logits.grad.numpy()


def _optax(case):
    import jax
    import optax

    unsaid = (case.labels == NO_LABEL).astype("float32")
    labels = np.where(case.labels == NO_LABEL, 0, case.labels)
    behind = 1.0 - case.live

    def loss(logits):
        values = optax.ctc_loss(logits, behind, labels, unsaid, blank_id=case.blank)
        return values.sum(), values

    gradients, values = jax.jit(jax.grad(loss, has_aux=True))(np.nan_to_num(case.logits))
    return np.asarray(values), np.asarray(gradients)


def _tensorflow(case):
    import tensorflow as tf

    logits = tf.constant(np.nan_to_num(case.logits))
    labels = tf.constant(np.where(case.labels == NO_LABEL, 0, case.labels), "int32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        values = tf.nn.ctc_loss(
            labels,
            logits,
            case.label_lengths,
            case.frames,
            logits_time_major=False,
            blank_index=case.blank,
        )
    return values.numpy(), tape.gradient(values, logits).numpy()


PEER = {"torch": _torch, "jax": _optax, "tensorflow": _tensorflow}[BACKEND]


def test_a_peer_agrees():
    case = drawn(blank=CLASSES - 1, least=1)
    expected, gradients = PEER(case)
    found, found_gradients = case.ours()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found_gradients, gradients, atol=1e-5)
