"""Every error against what Keras, torch and optax compute under the same name."""

import inspect

import keras
import numpy as np
import pytest

import lossmith as lm
from tests.parts.cases import CASES, SPARSE
from tests.parts.test_parity_numpy import OWN, VALUE, inputs_of
from tests.support.grads import value_and_grad


def _keras_peers():
    """Each case with each class of Keras that has one of its names and takes its arguments."""
    for case in OWN:
        if case.error.flattens:
            continue  # Keras sums over the whole batch: below
        for name in type(case.error).names:
            cls = getattr(keras.losses, name, None)
            if not inspect.isclass(cls) or case.labels is not (name in SPARSE):
                continue
            given = _arguments(case.error, cls)
            if given is not None:
                yield pytest.param(case, cls, given, id=f"{case.name} {name}")


def _arguments(error, cls):
    """The arguments of a class of Keras that mean what those of an error mean, or None."""
    if isinstance(error, lm.errors.BinaryFocal) and error.alpha is not None:
        return {"gamma": error.gamma, "alpha": error.alpha, "apply_class_balancing": True}
    known = inspect.signature(cls).parameters
    defaults = type(error)()
    fields = {name: getattr(error, name) for name in error.get_config()}
    if any(name not in known and fields[name] != getattr(defaults, name) for name in fields):
        return None
    return {name: value for name, value in fields.items() if name in known and value is not None}


KERAS_PEERS = list(_keras_peers())


@pytest.mark.parametrize(("case", "cls", "arguments"), KERAS_PEERS)
def test_values_are_those_of_keras(case, cls, arguments, rng):
    y, p = inputs_of(case, rng)
    if cls in (keras.losses.Hinge, keras.losses.SquaredHinge):
        y = np.sign(y)  # Keras asks for -1 and 1, or 0 and 1
    ours = keras.ops.convert_to_numpy(case.loss(reduce="none")(y, p))
    theirs = keras.ops.convert_to_numpy(cls(**arguments, reduction=None)(y, p))
    elementwise = not case.loss().pipeline.axes.consumed
    np.testing.assert_allclose(ours.mean(axis=-1) if elementwise else ours, theirs, **VALUE)


def test_every_class_of_keras_that_shares_a_name_is_compared():
    compared = {param.values[1] for param in KERAS_PEERS}
    names = {name for case in OWN for name in type(case.error).names}
    shared = {cls for name in names if inspect.isclass(cls := getattr(keras.losses, name, None))}
    assert shared - compared == {keras.losses.Dice, keras.losses.Tversky}


@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_overlaps_of_a_whole_batch_are_those_of_keras(name, rng):
    y, p = (rng.uniform(size=(3, 4, 2)).astype("float32") for _ in range(2))
    ours = lm.Loss(getattr(lm.errors, name)(), "[b t x], [b t x]")(y, p)
    np.testing.assert_allclose(float(ours), float(getattr(keras.losses, name)()(y, p)), rtol=1e-5)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.of_keras], ids=lambda case: case.name
)
def test_a_keras_loss_keeps_its_values(case, rng):
    y, p = case.inputs(rng)
    cls = type(case.error.loss)
    ours = keras.ops.convert_to_numpy(case.loss(reduce="none")(y, p))
    theirs = keras.ops.convert_to_numpy(cls(reduction=None)(y, p))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


# ── torch and optax: in their own process, where they are the backend ────────────────────────

Y, P = np.random.default_rng(2).normal(size=(2, 3, 4)).astype("float32")
LABELS = np.array([0, 3, 1])
SOFT = np.exp(Y) / np.exp(Y).sum(axis=-1, keepdims=True)
SURE = (Y > 0).astype("float32")
RATE = np.abs(P) + 0.5
PAIR = np.stack([P, Y], axis=-1)

NUMBERS, SPARSE_AXES, DENSE = "b t, b t", "b, b [c]", "b [c], b [c]"


def _torch_peers():
    import torch
    from torch.nn import functional as f

    def t(x):
        return torch.as_tensor(x)

    def kl(y, p):
        return f.kl_div(torch.log(p), t(y), reduction="none").sum(dim=-1)

    def gaussian(y, p):
        m, v = p[..., 0], p[..., 1]
        return f.gaussian_nll_loss(m, t(y), torch.exp(v), reduction="none")

    none = {"reduction": "none"}
    e = lm.errors
    return [
        (e.Squared(), NUMBERS, Y, P, lambda y, p: f.mse_loss(p, t(y), **none)),
        (e.Absolute(), NUMBERS, Y, P, lambda y, p: f.l1_loss(p, t(y), **none)),
        (e.Huber(0.7), NUMBERS, Y, P, lambda y, p: f.huber_loss(p, t(y), delta=0.7, **none)),
        (
            e.CrossEntropy(from_logits=True, label_smoothing=0.2),
            SPARSE_AXES,
            LABELS,
            P,
            lambda y, p: f.cross_entropy(p, t(y), label_smoothing=0.2, **none),
        ),
        (
            e.CrossEntropy(from_logits=True),
            DENSE,
            SOFT,
            P,
            lambda y, p: f.cross_entropy(p, t(y), **none),
        ),
        (
            e.BinaryCrossEntropy(from_logits=True),
            NUMBERS,
            SURE,
            P,
            lambda y, p: f.binary_cross_entropy_with_logits(p, t(y), **none),
        ),
        (
            e.BinaryCrossEntropy(),
            NUMBERS,
            SURE,
            SOFT,
            lambda y, p: f.binary_cross_entropy(p, t(y), **none),
        ),
        (
            e.Poisson(),
            NUMBERS,
            np.abs(Y),
            RATE,
            lambda y, p: f.poisson_nll_loss(p, t(y), log_input=False, eps=1e-7, **none),
        ),
        (e.KL(), DENSE, SOFT, SOFT[::-1].copy(), kl),
        (e.GaussianNLL(), "b t, b t [p]", Y, PAIR, gaussian),
        (e.Cosine(), DENSE, Y, P, lambda y, p: -f.cosine_similarity(p, t(y), dim=-1)),
    ]


def _optax_peers():
    import jax.numpy as jnp
    import optax

    e = lm.errors
    smooth = optax.smooth_labels(jnp.eye(4)[LABELS], 0.2)
    signs = 2 * SURE - 1
    focal = optax.losses.sigmoid_focal_loss
    return [
        (e.Squared(), NUMBERS, Y, P, lambda y, p: optax.squared_error(p, y)),
        (e.Huber(0.7), NUMBERS, Y, P, lambda y, p: optax.huber_loss(p, y, delta=0.7)),
        (e.LogCosh(), NUMBERS, Y, P, lambda y, p: optax.log_cosh(p, y)),
        (
            e.CrossEntropy(from_logits=True),
            SPARSE_AXES,
            LABELS,
            P,
            lambda y, p: optax.softmax_cross_entropy_with_integer_labels(p, y),
        ),
        (
            e.CrossEntropy(from_logits=True, label_smoothing=0.2),
            SPARSE_AXES,
            LABELS,
            P,
            lambda _, p: optax.softmax_cross_entropy(p, smooth),
        ),
        (
            e.BinaryCrossEntropy(from_logits=True),
            NUMBERS,
            SURE,
            P,
            lambda y, p: optax.sigmoid_binary_cross_entropy(p, y),
        ),
        (
            e.BinaryFocal(alpha=0.25, from_logits=True),
            NUMBERS,
            SURE,
            P,
            lambda y, p: focal(p, y, alpha=0.25, gamma=2.0),
        ),
        (e.Hinge(), NUMBERS, signs, P, lambda y, p: optax.hinge_loss(p, y)),
        (e.Cosine(), DENSE, Y, P, lambda y, p: optax.cosine_distance(p, y) - 1),
        (e.KL(), DENSE, SOFT, SOFT[::-1], lambda y, p: optax.kl_divergence(jnp.log(p), y)),
    ]


PEERS = {"torch": _torch_peers, "jax": _optax_peers}.get(keras.config.backend(), list)()


@pytest.mark.skipif(not PEERS, reason="TensorFlow has no losses beside those of Keras")
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer[0]!r}-{peer[1]}")
def test_values_and_gradients_are_those_of_the_framework(peer):
    error, axes, y, p, theirs = peer
    loss = lm.Loss(error, axes, reduce="none")
    found, (gradient,) = value_and_grad(lambda x: loss(y, x), p)
    wanted, (right,) = value_and_grad(lambda x: theirs(y, x), p)
    np.testing.assert_allclose(found, wanted, **VALUE)
    np.testing.assert_allclose(gradient, right, rtol=1e-4, atol=1e-5)
