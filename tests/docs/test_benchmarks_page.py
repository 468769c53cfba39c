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
    file = FOLDER / "same_program.json"
    measured = json.loads(file.read_text(encoding="utf-8"))
    measured["found"]["torch"]["lossmith"]["operations on large arrays"] = 123
    (tmp_path / file.name).write_text(json.dumps(measured), encoding="utf-8")
    text = writer.part("same_program", tmp_path)
    assert "| torch | lossmith | 123 operations on large arrays |" in text
    assert "- **missed**: torch: the same work as by hand" in text
