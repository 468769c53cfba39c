"""The page of recipes: its code is what ran, and its numbers are what came out."""

import ast
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from lossmith import LossmithError
from tests.recipes import handwritten
from tests.recipes.loading import FOLDER, NAMES, each_recipe, load
from tests.recipes.measured import MEASURES, compiled, measure
from tests.recipes.measured_model import MODEL_MEASURES
from tests.support.source import ROOT

PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
SECTIONS = {
    re.search(r"`examples/recipes/(\w+)\.py`", text)[1]: text for text in PAGE.split("\n## ")[1:]
}
HANDWRITTEN = Path(handwritten.__file__).read_text("utf-8")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
BOLD = re.compile(r"\*\*(.+?)\*\*")


def test_the_page_has_all_recipes_in_their_order():
    assert list(SECTIONS) == NAMES == sorted([*MEASURES, *MODEL_MEASURES])
    assert [int(text.split(".")[0]) for text in SECTIONS.values()] == list(range(1, 22))


@each_recipe
def test_the_list_of_examples_has_the_first_line_of_the_recipe(name):
    line = ast.get_docstring(ast.parse(_source(name))).splitlines()[0]
    readme = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert f"| [{name}](recipes/{name}.py) | {line} |\n" in readme


@each_recipe
def test_the_numbers_on_the_page_are_measured(name):
    measured = measure(name) if name in MEASURES else list(MODEL_MEASURES[name](load(name)))
    for row in measured:
        assert row.ours == pytest.approx(row.right, rel=1e-5)
        assert row.hand != pytest.approx(row.right, rel=1e-2)
    found = [number for row in measured for number in (row.hand, row.ours)]
    written = BOLD.findall(SECTIONS[name].split("Measured")[1])
    assert [_rounded(number, text) for number, text in zip(found, written, strict=True)] == written


@each_recipe
def test_the_code_on_the_page_is_the_code_that_ran(name):
    by_hand, ours = BLOCK.findall(SECTIONS[name])
    assert by_hand in HANDWRITTEN
    source = re.sub(r"  # noqa.*", "", _source(name))
    for paragraph in ours.strip().split("\n\n"):
        body = paragraph.replace("loss = ", "return ", 1).replace("\n", "\n    ")
        assert f"{paragraph}\n" in source or f"\n    {body}\n" in source


def test_the_numbers_in_the_text_are_measured():
    for name in "02_missing_targets", "19_forecast_horizons":
        _, y = load(name).make_data()
        assert f"{np.isnan(y).sum()} missing" in SECTIONS[name]
    _, labels = load("17_two_heads_that_agree").make_data()
    assert f"{np.sum(labels != -1)} have a label" in SECTIONS["17_two_heads_that_agree"]


def test_the_handwritten_penalty_does_not_load_again():
    saved = keras.saving.serialize_keras_object(handwritten.data_and_penalty(np.ones(2)))
    with pytest.raises(TypeError, match="Could not locate"):
        keras.saving.deserialize_keras_object(saved)


def test_the_handwritten_recurrent_model_answers_once_and_our_loss_says_so():
    recipe = load("07_error_a_step_then_over_time")
    x, y = recipe.make_data()
    prediction = handwritten.recurrent_model()(x)
    assert prediction.shape == (8, 2)
    assert compiled(handwritten.step_then_time, y, prediction) > 0
    with pytest.raises(LossmithError, match="b t f"):
        recipe.make_loss()(y, prediction)


def test_the_handwritten_factor_stays_what_it_was_where_steps_are_compiled(backend):
    layer, x = handwritten.KLDivergence(), keras.Input((1,))
    code = keras.layers.Dense(4, kernel_initializer="zeros", bias_initializer="ones")(x)
    model = keras.Model(x, layer(code, code))
    model.compile(keras.optimizers.SGD(0.0))
    set_factor = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(layer, "factor", float(epoch))  # noqa: ARG005
    )
    history = model.fit(np.ones((8, 1)), epochs=2, callbacks=[set_factor], verbose=0).history
    moved = (np.e - 1) / 2 if backend == "torch" else 0.0
    assert history["loss"] == pytest.approx([0.0, moved])


def _source(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text("utf-8")


def _rounded(number: float, text: str) -> str:
    """Write a number as the page does, with as many digits; its own text if it is as near."""
    if text == "NaN":
        return "NaN" if np.isnan(number) else str(number)
    digits = len(text.partition(".")[2])
    near = abs(number - float(text)) < 0.6 * 10**-digits
    return text if near else f"{number:.{digits}f}"
