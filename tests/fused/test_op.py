"""`lm.ops.linear_cross_entropy` against NumPy, Keras and PyTorch: values and all gradients."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith import backend
from tests.fused.reference import case, judge
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
WAYS = {"jax": [True], "tensorflow": [False, True, "xla"], "torch": [False]}[BACKEND]
OPTIONS = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.1},
    "z-loss": {"z_loss": 0.05},
    "capped": {"soft_cap": 3.0},
    "all": {"label_smoothing": 0.1, "z_loss": 0.05, "soft_cap": 3.0},
}
GIVEN = case()

# Each shape and option is compiled anew on the other backends, and these hold nothing of theirs.
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="no code of a framework's own")
SOME = OPTIONS if BACKEND == "torch" else {name: OPTIONS[name] for name in ("plain", "all")}


def close(found, expected, rtol=1e-5):
    """Within `rtol` of the largest number."""
    scale = np.abs(expected).max() or 1.0
    np.testing.assert_allclose(found / scale, expected / scale, atol=rtol, rtol=0)


def run(given, *, jit=False, transposed=False, **config):
    """Return the loss, and its gradients with respect to hidden, kernel, bias and weights."""

    def loss(hidden, kernel, bias, weights):
        return lm.ops.linear_cross_entropy(
            hidden,
            kernel,
            given.labels,
            bias=bias,
            mask=given.mask,
            weights=weights,
            transposed=transposed,
            **{"chunk_size": 8, **config},
        )

    kernel = given.kernel.T.copy() if transposed else given.kernel
    value, grads = value_and_grad(loss, given.hidden, kernel, given.bias, given.weights, jit=jit)
    if transposed:
        grads[1] = grads[1].T
    return value, dict(zip(("hidden", "kernel", "bias", "weights"), grads, strict=True))


def compare(given, value, grads, expected, *, per_token=False):
    weights = np.where(given.mask, given.weights, 0.0)
    losses = weights * expected.losses
    if per_token:
        np.testing.assert_allclose(value, losses, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_allclose(value, losses.sum(), rtol=1e-6)
    for name, grad in grads.items():
        close(grad, getattr(expected, name))
    assert np.all(grads["hidden"][~given.mask] == 0)
    assert np.all(grads["weights"][~given.mask] == 0)


@pytest.mark.parametrize("options", SOME.values(), ids=SOME)
def test_the_sum_and_its_gradients_are_those_of_numpy(options):
    value, grads = run(GIVEN, reduce="sum", jit=WAYS[-1], **options)
    compare(GIVEN, value, grads, judge(GIVEN, **options))


def test_losses_of_tokens_and_their_gradients_are_those_of_numpy():
    value, grads = run(GIVEN, reduce="none", jit=WAYS[-1], **OPTIONS["all"])
    compare(GIVEN, value, grads, judge(GIVEN, **OPTIONS["all"]), per_token=True)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the tests above run it in its one way")
@pytest.mark.parametrize("jit", [False, True])
def test_it_is_the_same_however_it_is_run(jit):
    value, grads = run(GIVEN, reduce="sum", jit=jit)
    compare(GIVEN, value, grads, judge(GIVEN))


def test_the_kernel_may_be_that_of_an_embedding():
    value, grads = run(GIVEN, reduce="sum", jit=True, transposed=True, **OPTIONS["all"])
    compare(GIVEN, value, grads, judge(GIVEN, **OPTIONS["all"]))


@on_torch
def test_chunks_of_any_length_make_no_difference():
    given = case(tokens=24, counted=0.7)
    expected = judge(given)
    for chunk_size in (1, int(given.mask.sum()), 1000):
        value, grads = run(given, reduce="sum", chunk_size=chunk_size)
        compare(given, value, grads, expected)


def test_one_compiled_step_serves_masks_of_any_share():
    """The number of turns is decided at run time, and so is what each of them reads."""
    given = case(counted=1.1)

    def loss(hidden, kernel, mask):
        counted = ops.greater(mask, 0.5)
        return lm.ops.linear_cross_entropy(
            hidden, kernel, given.labels, mask=counted, reduce="sum", chunk_size=8
        )

    step = backend.Program(loss, "jit")
    for counted in (0, 1, 8, 9, 36, 37):
        mask = np.zeros(37, "float32")
        mask[np.random.default_rng(counted).permutation(37)[:counted]] = 1.0
        part = case(counted=1.1)
        part = type(part)(
            part.hidden, part.kernel, 0 * part.bias, part.labels, mask > 0, np.ones(37)
        )
        expected = judge(part)
        value, grads = step.gradient(given.hidden, given.kernel, mask, at=(0, 1))
        np.testing.assert_allclose(value, expected.losses.sum(), rtol=1e-6)
        close(grads[0], expected.hidden)
        close(grads[1], expected.kernel)
    assert BACKEND == "torch" or step.traces == 1


@on_torch
@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_nothing_counted_is_zero_with_gradient_zero(reduce):
    given = case(counted=-1.0)
    value, grads = run(given, reduce=reduce)
    assert value == 0
    assert all(np.all(grad == 0) for grad in grads.values())


@on_torch
def test_the_mean_is_over_tokens_that_count():
    value, _ = run(GIVEN, reduce="mean")
    expected = judge(GIVEN).losses * np.where(GIVEN.mask, GIVEN.weights, 0.0)
    np.testing.assert_allclose(value, expected.sum() / GIVEN.mask.sum(), rtol=1e-6)


def test_without_mask_weights_and_bias_all_tokens_count_alike():
    given = case(counted=1.1)
    found = lm.ops.linear_cross_entropy(given.hidden, given.kernel, given.labels)
    peer = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = peer(given.labels, given.hidden @ given.kernel)
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-6)


@on_torch
def test_tokens_may_have_any_number_of_axes():
    given = case(tokens=36)
    shaped = [x.reshape(3, 12, *x.shape[1:]) for x in (given.hidden, given.labels, given.mask)]
    hidden, labels, mask = shaped
    losses = lm.ops.linear_cross_entropy(hidden, given.kernel, labels, mask=mask, reduce="none")
    flat = lm.ops.linear_cross_entropy(
        given.hidden, given.kernel, given.labels, mask=given.mask, reduce="none"
    )
    np.testing.assert_array_equal(backend.to_numpy(losses).reshape(-1), backend.to_numpy(flat))


@on_torch
def test_class_weights_are_weights_of_tokens():
    given = case(classes=5)
    by_class = np.linspace(0.5, 2.0, 5).astype("float32")
    found = lm.ops.linear_cross_entropy(
        given.hidden,
        given.kernel,
        given.labels,
        mask=given.mask,
        weights=lm.ops.class_weight_for(given.labels, by_class),
        reduce="sum",
    )
    plain = judge(type(given)(given.hidden, given.kernel, 0 * given.bias, *_rest(given)))
    expected = np.sum(by_class[np.maximum(given.labels, 0)] * plain.losses)
    np.testing.assert_allclose(float(found), expected, rtol=1e-6)


def _rest(given):
    return given.labels, given.mask, given.weights


@pytest.mark.skipif(BACKEND == "torch", reason="nothing is traced: it is an error there")
def test_a_label_that_is_no_class_is_nan_where_it_is_traced():
    given = case(counted=1.1)

    def loss(hidden, labels):
        return lm.ops.linear_cross_entropy(hidden, given.kernel, labels, reduce="none")

    labels = given.labels.astype("float32")
    labels[3] = 50.0
    losses = backend.Program(loss, "jit").value(given.hidden, labels)
    assert np.isnan(losses[3])
    assert np.isfinite(np.delete(losses, 3)).all()


@on_torch
def test_nan_of_a_token_that_counts_is_seen():
    hidden = np.where(np.arange(37)[:, None] == np.flatnonzero(GIVEN.mask)[2], np.nan, GIVEN.hidden)
    value, _ = run(
        type(GIVEN)(hidden.astype("float32"), GIVEN.kernel, GIVEN.bias, *_rest(GIVEN)), reduce="sum"
    )
    assert np.isnan(value)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"] if BACKEND == "torch" else ["bfloat16"])
def test_low_precision_sums_in_float32(dtype):
    """As exact as products of rounded numbers allow: a float32 sum of the same products."""
    given = case(tokens=64, classes=40)

    def loss(hidden, kernel, bias, weights):
        return lm.ops.linear_cross_entropy(
            ops.cast(hidden, dtype),
            kernel,
            given.labels,
            bias=bias,
            mask=given.mask,
            weights=weights,
            reduce="sum",
            chunk_size=8,
        )

    inputs = (given.hidden, given.kernel, given.bias, given.weights)
    value, grads = value_and_grad(loss, *inputs, jit=True)
    expected = judge(given)
    assert value.dtype == np.float32
    rough = 2e-2 if dtype == "bfloat16" else 2e-3
    np.testing.assert_allclose(
        value, np.sum(np.where(given.mask, given.weights, 0) * expected.losses), rtol=rough
    )
    for grad, name in zip(grads, ("hidden", "kernel", "bias", "weights"), strict=True):
        assert grad.dtype == np.float32
        close(grad, getattr(expected, name), rtol=rough)


@on_torch
def test_float64_is_computed_in_float64():
    given = case()
    wide = type(given)(
        *(x.astype("float64") for x in (given.hidden, given.kernel, given.bias)),
        given.labels,
        given.mask,
        given.weights.astype("float64"),
    )
    value, grads = run(wide, reduce="sum", **OPTIONS["all"])
    expected = judge(wide, **OPTIONS["all"])
    np.testing.assert_allclose(
        value, np.sum(np.where(given.mask, wide.weights, 0) * expected.losses), rtol=1e-13
    )
    for name, grad in grads.items():
        close(grad, getattr(expected, name), rtol=1e-12)


@on_torch
def test_it_agrees_with_the_fused_loss_of_pytorch():
    import torch

    given = case(counted=1.1)
    hidden, kernel, bias = (
        torch.tensor(x, requires_grad=True) for x in (given.hidden, given.kernel, given.bias)
    )
    labels = torch.tensor(given.labels).long()
    peer = torch.nn.functional.linear_cross_entropy(
        hidden, kernel.t(), labels, linear_bias=bias, label_smoothing=0.1
    )
    ours = lm.ops.linear_cross_entropy(hidden, kernel, labels, bias=bias, label_smoothing=0.1)
    np.testing.assert_allclose(float(ours.detach()), float(peer.detach()), rtol=1e-6)
    inputs = (hidden, kernel, bias)
    pairs = zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(peer, inputs), strict=True)
    for found, expected in pairs:
        close(found.numpy(), expected.numpy())
