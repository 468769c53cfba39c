"""`lm.explain`: each line with its tensors, on values that NumPy computes too."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.look.lines import _MOST
from lossmith.look.summary import summary

RNG = np.random.default_rng(0)
TRUE = RNG.normal(size=(5, 7)).astype("float32")
PRED = RNG.normal(size=(5, 7)).astype("float32")
TRUE[0, 5:] = -1.0


def halved(x):
    return x / 2.0


def masked(y_true, y_pred):
    """Say nothing of this."""
    mask = ops.cast(ops.not_equal(y_true, -1.0), "float32")
    gap = mask * (y_true - y_pred); twice = 2.0 * gap  # fmt: skip  # noqa: E702
    for _ in range(3):
        twice = halved(
            twice,
        )
    parts = [x * x for x in (gap, twice)]
    return ops.mean(parts[0] + 0.0 * parts[1], axis=-1)


def found_of(explanation):
    return {
        (line.source.strip(), tensor.name): tensor
        for section in explanation.sections
        for line in section.lines
        for tensor in line.tensors
    }


@pytest.fixture(scope="module")
def explained():
    return lm.explain(masked, TRUE, PRED, "b t, b t")


def test_tensors_stand_at_the_lines_that_make_them(explained):
    found = found_of(explained)
    gap = (TRUE != -1) * (TRUE - PRED)
    tensor = next(tensor for (_, name), tensor in found.items() if name == "gap")
    assert (tensor.axes, tensor.shape, tensor.dtype) == ("b t", (5, 7), "float32")
    np.testing.assert_allclose(
        [tensor.low, tensor.mean, tensor.high], [gap.min(), gap.mean(), gap.max()], rtol=1e-5
    )
    assert tensor.no_gradient == pytest.approx(np.mean(TRUE == -1))
    both = [name for (line, name) in found if line.startswith("gap = mask")]
    assert both == ["gap", "twice"]
    returned = found["return ops.mean(parts[0] + 0.0 * parts[1], axis=-1)", "return"]
    assert (returned.axes, returned.shape) == ("b", (5,))
    np.testing.assert_allclose(returned.mean, np.mean(gap**2), rtol=1e-5)


def test_a_mask_says_how_much_counts(explained):
    mask = next(t for (_, name), t in found_of(explained).items() if name == "mask")
    assert mask.counted == pytest.approx(np.mean(TRUE != -1))
    assert mask.no_gradient is None


def test_what_a_line_makes_again_and_again_is_one_row(explained):
    found = found_of(explained)
    assert found["twice = halved(", "twice"].times == 3
    assert found["return x / 2.0", "return"].times == 3
    assert [t.times for (_, name), t in found.items() if name == "parts"] == [2]


def test_functions_of_the_user_are_shown_and_docstrings_are_not(explained):
    texts = [line.source for section in explained.sections for line in section.lines]
    assert "def halved(x):" in texts
    assert not any("Say nothing" in text for text in texts)


def test_the_value_is_the_loss(explained):
    value = float(dict(explained.facts)["value"])
    np.testing.assert_allclose(value, np.mean(((TRUE != -1) * (TRUE - PRED)) ** 2), rtol=1e-4)


def test_it_is_plain_data_and_plain_text(explained):
    assert json.loads(json.dumps(explained.to_dict()))["title"] == "test_explain.py:masked"
    assert "counts 94%" in str(explained)


def broken(y_true, y_pred):
    gap = y_true - y_pred
    table = ops.reshape(gap, (-1, 4))
    return ops.mean(table, axis=-1)


def test_a_loss_that_raises_is_shown_up_to_there():
    explained = lm.explain(broken, TRUE, PRED)
    assert ("gap = y_true - y_pred", "gap") in found_of(explained)
    assert explained.marked["raised"][1].source.strip().startswith("table = ")
    assert explained.error.startswith("raised ")
    assert explained.error in str(explained)


def meeting(y_true, y_pred):
    return ops.mean(ops.square(ops.reshape(y_true, (-1,)) - y_pred), axis=-1)


def test_a_loss_whose_gradient_alone_raises_is_shown_whole():
    @ops.custom_gradient
    def held(x):
        def grad(*_, upstream=None):
            message = f"no way back for {upstream}"
            raise ValueError(message)

        return ops.square(x), grad

    def loss(y_true, y_pred):
        gap = held(y_true - y_pred)
        return ops.mean(gap, axis=-1)

    explanation = lm.explain(loss, np.ones((2, 3), "float32"), np.zeros((2, 3), "float32"))
    assert "its gradient raised" in explanation.error
    assert "no way back" in explanation.error
    shown = {
        t.name for section in explanation.sections for line in section.lines for t in line.tensors
    }
    assert {"gap", "return"} <= shown


def test_shapes_that_meet_by_position_are_marked():
    found = lm.explain(meeting, TRUE[:, 0], PRED[:, :1])
    section = next(s for s in found.sections if s.file)
    notes = [note.text for line in section.lines for note in line.marks if note.kind == "broadcast"]
    assert notes == [
        "(5,) and (5, 1) meet by position, and make (5, 5), in ops.reshape(y_true, (-1,)) - y_pred"
    ]


def test_a_loss_without_a_fault_has_no_mark():
    explained = lm.explain("mean_squared_error", TRUE, PRED)
    assert explained.marked == {}


def test_markup_in_names_is_text():
    class Odd(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return ops.mean(y_true - y_pred, axis=-1)  # [red]<b>&amp;

    assert "# [red]<b>&amp;" in str(lm.explain(Odd(), TRUE, PRED))


def test_the_summary_of_a_large_array_is_that_of_numpy():
    large = np.arange(_MOST + 10, dtype="float32")
    large[3], large[-1] = np.nan, np.inf
    tensor = summary("x", ops.convert_to_tensor(large))
    assert (tensor.nan, tensor.inf, tensor.size) == (1, 1, large.size)
    finite = large[np.isfinite(large)].astype("float64")
    np.testing.assert_allclose(tensor.mean, finite.mean(), rtol=1e-9)
    assert (tensor.low, tensor.high) == (0.0, finite.max())


def test_a_loss_of_ours_is_shown_by_its_stages():
    mask = lm.masks.NotEqual(-1.0)
    loss = lm.Loss("mse", "b t, b t", mask=mask, weights=lm.weights.ByStep(linear=(1.0, 0.5)))
    total = loss + 0.5 * lm.Loss("mae", "b t, b t", name="absolute")
    explained = lm.explain(total, TRUE, PRED)
    found = {name: tensor for (_, name), tensor in found_of(explained).items()}
    assert [section.title for section in explained.sections] == ["mse", "absolute"]
    first = {t.name: t for line in explained.sections[0].lines for t in line.tensors}
    counted = TRUE != -1
    weight = np.linspace(1.0, 0.5, 7)
    errors = np.where(counted, (TRUE - PRED) ** 2, 0.0)
    assert first["counts"].counted == pytest.approx(counted.mean())
    assert first["weight"].axes == "t"
    np.testing.assert_allclose(first["sum"].mean, np.sum(weight * errors), rtol=1e-5)
    assert first["count"].mean == counted.sum()
    value = np.sum(weight * errors) / counted.sum()
    np.testing.assert_allclose(first["value"].mean, value, rtol=1e-5)
    np.testing.assert_allclose(found["adds"].mean, 0.5 * np.mean(np.abs(TRUE - PRED)), rtol=1e-5)
    total_value = value + 0.5 * np.mean(np.abs(TRUE - PRED))
    np.testing.assert_allclose(float(dict(explained.facts)["value"]), total_value, rtol=1e-4)


def test_the_first_stage_that_is_not_finite_is_marked():
    y_pred = PRED.copy()
    y_pred[0, 6] = np.nan  # a masked position: no fault
    y_pred[2, 3] = np.inf
    loss = lm.Loss("mse", "b t, b t", mask=lm.masks.NotEqual(-1.0))
    _, line = lm.explain(loss, TRUE, y_pred).marked["not finite"]
    assert line.number == 1
    assert lm.explain(loss, TRUE, np.where(np.isinf(y_pred), 0.0, y_pred)).marked == {}


def test_a_stage_that_raises_ends_the_explanation():
    loss = lm.Loss("mse", "b t, b t") + lm.Loss("mse", "b, b", name="other")
    explained = lm.explain(loss, TRUE, PRED)
    assert [section.title for section in explained.sections] == ["mse"]
    assert explained.error.startswith("'y' does not have the axes")
