"""Elementwise errors on the rows that count alone, held to NumPy in value and gradient.

Eager PyTorch takes that way on the CPU; the other backends give the same by a `where`.
"""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith import backend
from tests.support.grads import value_and_grad

B, T, F = 3, 4, 2
RNG = np.random.default_rng(0)
TRUE, PRED = RNG.normal(size=(2, B, T, F)).astype("float32")
WEIGHTS = RNG.uniform(0.5, 2.0, B).astype("float32")
MASKS = {
    "b t": RNG.random((B, T)) < 0.6,
    "t": np.array([True, False, True, False]),
    "t f": RNG.random((T, F)) < 0.6,
    "b t f": RNG.random((B, T, F)) < 0.6,
}
on_torch = pytest.mark.skipif(keras.config.backend() != "torch", reason="PyTorch's transforms")


def full(axes, mask):
    """The mask over all axes."""
    shape = [size if name in axes else 1 for name, size in {"b": B, "t": T, "f": F}.items()]
    return np.broadcast_to(mask.reshape(shape), (B, T, F))


def by_numpy(counted, weights, reduce):
    """Value and gradient of a squared error over all three axes."""
    weight = np.broadcast_to(weights.astype("float64")[:, None, None], (B, T, F)) * counted
    gap = np.where(counted, PRED.astype("float64") - TRUE, 0.0)
    count = {"mean": counted.sum(), "weighted_mean": weight.sum(), "sum": 1.0}[reduce]
    count = count if count > 0 else 1.0
    return (weight * gap**2).sum() / count, 2 * weight * gap / count


@pytest.mark.parametrize("reduce", ["mean", "weighted_mean", "sum"])
@pytest.mark.parametrize("axes", MASKS)
def test_value_and_gradient_are_those_of_numpy_whatever_stands_where_nothing_counts(axes, reduce):
    counted = full(axes, MASKS[axes])
    y, p = (np.where(counted, x, np.nan).astype("float32") for x in (TRUE, PRED))
    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Field("y:mask", axes), reduce=reduce)

    def run(prediction):
        given = {"y": ops.convert_to_tensor(y), "mask": ops.convert_to_tensor(MASKS[axes])}
        return loss(given, prediction, sample_weight=ops.convert_to_tensor(WEIGHTS))

    value, (grad,) = value_and_grad(run, p)
    expected, slope = by_numpy(counted, WEIGHTS, reduce)
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all_may_count(share):
    counted = np.full((B, T), share == 1.0)
    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Field("y:mask", "b t"))
    value, (grad,) = value_and_grad(
        lambda p: loss({"y": ops.convert_to_tensor(TRUE), "mask": counted}, p), PRED
    )
    expected, slope = by_numpy(np.broadcast_to(counted[..., None], PRED.shape), np.ones(B), "mean")
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad, slope, rtol=1e-5)


@on_torch
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # its forward mode
def test_rows_have_derivatives_of_every_kind():
    import torch

    rows = torch.tensor([0, 2, 3])
    x = torch.tensor(RNG.normal(size=(5, 2)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: backend.take_rows(x, rows), x, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda x: backend.take_rows(x, rows).pow(3), x)
    many = torch.func.vmap(lambda x: backend.take_rows(x, rows))(torch.stack([x, 2 * x]))
    np.testing.assert_array_equal(many.detach(), torch.stack([x[rows], 2 * x[rows]]).detach())


@on_torch
def test_rows_are_looked_for_in_plain_tensors_alone():
    import torch

    mask = torch.tensor([True, False, True])
    assert backend.rows_that_count(mask).tolist() == [0, 2]
    assert backend.rows_that_count(mask.to("meta")) is None
    seen = []
    torch.func.vmap(lambda m: seen.append(backend.rows_that_count(m)) or m)(mask[None])
    assert seen == [None]


@on_torch
def test_a_compiled_loss_is_one_graph_that_leaves_nothing_out():
    import torch

    graphs = []

    def keep(graph, _):
        graphs.append(graph)
        return graph.forward

    loss = lm.Loss("mse", "b t f, b t f", mask=lm.masks.Field("y:mask", "b t"))
    y, mask, p = (torch.tensor(x) for x in (TRUE, MASKS["b t"], PRED))
    value = torch.compile(lambda p: loss({"y": y, "mask": mask}, p), backend=keep)(p)
    expected, _ = by_numpy(full("b t", MASKS["b t"]), np.ones(B), "mean")
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    assert len(graphs) == 1
    assert "nonzero" not in graphs[0].code
