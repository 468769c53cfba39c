"""The page of benchmarks says what the files say that they wrote."""

import json

import keras
import pytest

from tests.support.source import ROOT

pytestmark = pytest.mark.skipif(keras.config.backend() != "torch", reason="nothing runs on it")

FOLDER = ROOT / "docs" / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import _page

    return _page


def test_the_page_says_what_the_files_say(writer):
    text = writer.PAGE.read_text(encoding="utf-8")
    assert {*NAMES} <= {found[1] for found in writer.MARKED.finditer(text)}
    assert writer.page(text) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_beside_its_numbers(name, writer):
    measured = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert measured.keys() == {"date", "machine", "found"}
    drawn = (FOLDER / f"{name}.png").exists()
    assert drawn == (f"![{name}]" in writer.part(name, FOLDER))


def test_another_number_gives_another_page(writer, tmp_path):
    file = FOLDER / "language_model_step.json"
    measured = json.loads(file.read_text(encoding="utf-8"))
    measured["found"]["torch"]["memory"] = {"Keras": 100.0, "lm.LinearCrossEntropy": 250.0}
    (tmp_path / file.name).write_text(json.dumps(measured), encoding="utf-8")
    text = writer.part("language_model_step", tmp_path)
    assert "| torch | lm.LinearCrossEntropy | 250 MiB | 2.500 |" in text
    assert "- **missed**: torch: less peak memory than Keras: 2.500 of it" in text
