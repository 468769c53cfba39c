"""What the parts cost in a compiled program: nothing. The optimized HLO is counted on JAX."""

import collections
import re

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "jax", reason="JAX shows the compiled program as text"
)
RNG = np.random.default_rng(0)
B, T, K = 8, 16, 4
Y = RNG.normal(size=(B, T)).astype("float32")
P = RNG.normal(size=(B, T, K)).astype("float32")
MASK = RNG.uniform(size=(B, T)) < 0.5
LENGTHS = RNG.integers(0, T, B).astype("int32")
LOGITS = RNG.normal(size=(B, T, K)).astype("float32")
LABELS = RNG.integers(0, K, (B, T)).astype("int32")


def operations(function, *arrays):
    """How often each operation stands in the optimized program of value and gradient."""
    import jax

    step = jax.jit(jax.value_and_grad(function, argnums=len(arrays) - 1))
    text = step.lower(*arrays).compile().as_text()
    found = re.findall(r"= \S+ ([a-z][a-z0-9-]*)\(", text)
    assert found
    return collections.Counter(found)


def test_a_repeated_target_costs_what_the_one_written_by_hand_costs():
    def by_hand(y, p):
        return ops.mean(ops.square(p - y[:, :, None]))

    assert operations(lm.Loss("mse", "b t, b t k"), Y, P) == operations(by_hand, Y, P)


def test_a_mask_costs_what_the_best_one_written_by_hand_costs():
    loss = lm.Loss("mse", "b t, b t k", mask=lm.masks.Field("y:mask"))

    def ours(y, mask, p):
        return loss({"y": y, "mask": mask}, p)

    def by_hand(y, mask, p):
        difference = ops.where(mask[:, :, None], p - y[:, :, None], 0.0)
        count = ops.cast(ops.sum(ops.cast(mask, "int32")), "float32") * K
        return ops.sum(ops.square(difference)) / ops.where(count == 0, 1.0, count)

    assert operations(ours, Y, MASK, P) <= operations(by_hand, Y, MASK, P)


def test_lengths_cost_what_a_mask_written_by_hand_costs():
    loss = lm.Loss("mae", "b t, b t k", mask=lm.masks.Lengths("y:lengths"), reduce="sum")

    def ours(y, lengths, p):
        return loss({"y": y, "lengths": lengths}, p)

    def by_hand(y, lengths, p):
        mask = ops.arange(T)[None] < lengths[:, None]
        return ops.sum(ops.abs(ops.where(mask[:, :, None], p - y[:, :, None], 0.0)))

    assert operations(ours, Y, LENGTHS, P) <= operations(by_hand, Y, LENGTHS, P)


def test_a_masked_cross_entropy_costs_at_most_the_double_where_written_by_hand():
    error = lm.errors.CrossEntropy(from_logits=True)
    loss = lm.Loss(error, "b t, b t [c]", mask=lm.masks.Field("y:mask"))

    def ours(y, mask, p):
        return loss({"y": y, "mask": mask}, p)

    def by_hand(y, mask, p):
        labels = ops.where(mask, y, 0)
        logits = ops.where(mask[:, :, None], p, 1.0)
        log_p = ops.log_softmax(logits, axis=-1)
        legal = (labels >= 0) & (labels < K)
        index = ops.where(legal, labels, 0)
        picked = ops.take_along_axis(log_p, index[:, :, None], axis=-1)[:, :, 0]
        error = ops.where(mask, -ops.where(legal, picked, float("nan")), 0.0)
        count = ops.cast(ops.sum(ops.cast(mask, "int32")), "float32")
        return ops.sum(error) / ops.where(count == 0, 1.0, count)

    ours_, theirs = (operations(f, LABELS, MASK, LOGITS) for f in (ours, by_hand))
    assert sum(ours_.values()) <= sum(theirs.values()), ours_ - theirs
    assert ours_["fusion"] <= theirs["fusion"]


@pytest.mark.parametrize(
    "text", ["b t k, b t k", "k b t, b t k -> b t k", "1 k, b t k", "..., ..."]
)
def test_checks_of_axes_leave_nothing_in_the_program(text):
    shape = {"b": B, "t": T, "k": K, "1": 1}
    names = text.split(",")[0].split()
    y = np.zeros([shape[n] for n in names] if "..." not in text else P.shape, "float32")

    def by_hand(y, p):
        if y.ndim == 2:
            y = y[0]
        elif y.shape != p.shape:
            y = ops.transpose(y, (1, 2, 0))
        return ops.mean(ops.square(p - y))

    assert operations(lm.Loss("mse", text), y, P) == operations(by_hand, y, P)
