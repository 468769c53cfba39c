"""Shape of the errors x shape of the sample weights x Keras' mask: every cell, by number.

Right is the sum over elements of weight x error / the number of elements, where an element
counts if the mask says so. The first size has no two axes alike, so that plain Keras mostly
raises; in the second all are alike, and what raised becomes a wrong number.
"""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.faults.usual import Elementwise, PerSample, PerStep, Scalar, masked
from tests.support.grads import value_and_grad

SIZES = {"4x3x2": (4, 3, 2), "3x3x3": (3, 3, 3)}
WEIGHTS = {"none": None, "(B,)": "b", "(B,1)": "b1", "(B,T)": "bt", "(B,T,1)": "bt1"}

# What plain Keras gives in a cell: R right, W wrong without a word, E an exception; for errors of
# shape (), (B,), (B,T), (B,T,F). `docs/faults.md` shows the same table.
KERAS = {
    ("4x3x2", False): {
        "none": "RRRR",
        "(B,)": "WREE",
        "(B,1)": "WRRE",
        "(B,T)": "WERE",
        "(B,T,1)": "WWRR",
    },
    ("4x3x2", True): {
        "none": "WERE",
        "(B,)": "EEEE",
        "(B,1)": "WERE",
        "(B,T)": "WERE",
        "(B,T,1)": "WERE",
    },
    ("3x3x3", False): {
        "none": "RRRR",
        "(B,)": "WRWW",
        "(B,1)": "WRRW",
        "(B,T)": "WWRW",
        "(B,T,1)": "WWRR",
    },
    ("3x3x3", True): {
        "none": "WWRW",
        "(B,)": "WWWW",
        "(B,1)": "WWRW",
        "(B,T)": "WWRW",
        "(B,T,1)": "WWRW",
    },
}
# PyTorch multiplies the mask in place, which cannot give the weights an axis that they lack.
TORCH = {(size, True, weight): "EEEE" for size in SIZES for weight in ("(B,)", "(B,1)")}


@lm.loss("b [t f], b [t f]")
def table_per_sample(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true), axis=(1, 2))


@lm.loss("b t [f], b t [f]")
def table_per_step(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


@lm.loss("b t f, b t f")
def table_per_number(y_true, y_pred):
    return ops.square(y_pred - y_true)


@lm.loss("b t f, b t f")
def table_scalar(y_true, y_pred):
    return ops.mean(ops.square(y_pred - y_true))


FORMS = {
    "()": (table_scalar, Scalar(), ""),
    "(B,)": (table_per_sample, PerSample(), "b"),
    "(B,T)": (table_per_step, PerStep(), "bt"),
    "(B,T,F)": (table_per_number, Elementwise(), "btf"),
}


class Cell:
    """One case, with its right answer in float64."""

    def __init__(self, size, mask, weight, form):
        rng = np.random.default_rng(7)
        self.shape = dict(zip("btf", SIZES[size], strict=True))
        self.ours, self.keras, self.axes = FORMS[form]
        self.y, self.prediction = rng.normal(size=(2, *SIZES[size])).astype("float32")
        self.mask = None
        if mask:
            self.mask = np.arange(self.shape["t"]) < np.arange(1, self.shape["b"] + 1)[:, None]
        self.letters = WEIGHTS[weight]
        self.weight = None
        if self.letters:
            sizes = [self.shape.get(letter, 1) for letter in self.letters]
            self.weight = rng.uniform(0.5, 2.0, sizes).astype("float32")

    @property
    def named(self):
        """The axes of the weight, without those of length one at the end."""
        return (self.letters or "").rstrip("1")

    def fits(self, axes):
        """Whether mask and weight have no axis besides those of the errors."""
        return set(self.named) <= set(axes) and (self.mask is None or "t" in axes)

    def right(self):
        """Return the value and the gradient, by NumPy."""
        difference = self.prediction.astype("float64") - self.y
        full = np.ones_like(difference)
        scale = full if self.weight is None else full * self._spread(self.weight, self.named)
        counted = full if self.mask is None else full * self._spread(self.mask, "bt")
        share = scale * counted / counted.sum()
        return np.sum(share * difference**2), 2 * share * difference

    def _spread(self, x, axes):
        shape = [self.shape[name] if name in axes else 1 for name in "btf"]
        return x.astype("float64").reshape(shape)

    def run(self, loss):
        """Return value and gradient of a loss of the masked prediction."""
        value, (gradient,) = value_and_grad(
            lambda p: loss(self.y, masked(p, self.mask), self.weight), self.prediction
        )
        return value, gradient


def _cells(forms):
    return [
        pytest.param(
            size, mask, weight, form, id=f"{size}-{'mask' if mask else 'no mask'}-{weight}-{form}"
        )
        for size in SIZES
        for mask in (False, True)
        for weight in WEIGHTS
        for form in forms
    ]


@pytest.mark.parametrize(("size", "mask", "weight", "form"), _cells(FORMS))
def test_ours_is_right_or_says_why_not(size, mask, weight, form):
    cell = Cell(size, mask, weight, form)
    if form == "()" or not cell.fits(cell.axes):
        with pytest.raises(lm.LossmithError) as caught:
            cell.run(cell.ours)
        assert caught.value.fix
        return
    value, gradient = cell.run(cell.ours)
    right, right_gradient = cell.right()
    np.testing.assert_allclose(value, right, rtol=1e-5)
    np.testing.assert_allclose(gradient, right_gradient, rtol=1e-5, atol=1e-7)


def _keras(cell):
    try:
        value = cell.keras(cell.y, masked(cell.prediction, cell.mask), cell.weight)
    except Exception:  # noqa: BLE001 - whatever the framework raises for shapes
        return "E"
    right, _ = cell.right()
    return "R" if np.isclose(float(keras.ops.convert_to_numpy(value)), right, rtol=1e-4) else "W"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("weight", WEIGHTS)
def test_keras_is_wrong_in_the_cells_of_the_page(backend, size, mask, weight):
    found = "".join(_keras(Cell(size, mask, weight, form)) for form in FORMS)
    wanted = KERAS[size, mask][weight]
    if backend == "torch":
        wanted = TORCH.get((size, mask, weight), wanted)
    assert found == wanted, (
        f"Keras {keras.__version__} has changed for errors of shape {', '.join(FORMS)}: "
        "write the new row here and in docs/faults.md"
    )
