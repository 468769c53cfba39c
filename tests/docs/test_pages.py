"""The pages say what the code does: every example on them runs, on every backend."""

import doctest
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.architecture.test_doctests import Numbers

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(pycon|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(path: Path, language: str) -> str:
    found = BLOCK.findall(path.read_text(encoding="utf-8"))
    return "\n".join(text for kind, text in found if kind == language)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_examples_of_a_page_give_what_it_shows(path):
    text = blocks(path, "pycon")
    if not text:
        pytest.skip("a page without examples")
    flags = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(Numbers(), optionflags=flags)
    runner.run(doctest.DocTestParser().get_doctest(text, {}, path.name, str(path), 0))
    assert runner.tries > 0
    assert runner.failures == 0


def test_the_code_of_the_readme_trains():
    import lossmith as lm

    inputs = keras.Input((4, 3))
    hidden = keras.layers.Dense(2, name="hidden")(inputs)
    signal = keras.layers.Reshape((4,))(keras.layers.Dense(1)(hidden))
    names = {
        "keras": keras,
        "lm": lm,
        "inputs": inputs,
        "hidden": hidden,
        "signal": signal,
        "x": np.ones((4, 4, 3)),
        "y": np.ones((4, 4)),
        "lengths": np.array([1, 2, 3, 4]),
    }
    exec(blocks(ROOT / "README.md", "python"), names)  # noqa: S102 - our own page
    assert set(names["model"].history.history) == {"loss", "mse", "l1"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(path):
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
