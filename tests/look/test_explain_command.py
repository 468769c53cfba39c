"""`lossmith explain`: the same from the command line, on arrays of a file or on drawn ones."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from lossmith.cli import main

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="the command reads files alike on every backend"
)
SOURCE = """
import lossmith as lm
from keras import ops

def unlike(y_true, y_pred):
    gap = y_true - y_pred
    return ops.mean(gap, axis=-1)

def flat(y_true, y_pred):
    gap = ops.round(y_pred) < y_true
    return ops.mean(ops.cast(gap, "float32"), axis=-1)

def broken(y_true, y_pred):
    gap = y_true - y_pred
    return gap + "[bold]"

ragged = lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"))
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "losses_of_a_test.py"
    path.write_text(SOURCE)
    return path


def run(*given):
    return CliRunner().invoke(main, ["explain", *map(str, given)])


def test_inputs_are_drawn_where_none_are_given(file):
    found = run(f"{file}:unlike", "--axes", "b t, b t")
    assert found.exit_code == 0
    assert "gap  b t  (5, 7) float32" in found.output


def test_a_batch_of_a_file_is_what_is_shown(file, tmp_path):
    path = tmp_path / "batch.npz"
    ones = np.ones((2, 3), "float32")
    np.savez(path, **{"y_true": ones, "output": 3 * ones, "y:lengths": np.array([1, 2])})
    found = run(f"{file}:ragged", "--data", path)
    assert found.exit_code == 0
    assert "counts 50%" in found.output
    np.savez(path, y=ones, output=3 * ones)
    assert "-2 .. -2 .. -2" in run(f"{file}:unlike", "--data", path).output


def test_a_page_holds_the_source_with_what_its_lines_made(file, tmp_path, monkeypatch):
    monkeypatch.setattr("lossmith.look.page.document.find_spec", lambda _: None)  # no plotly
    path = tmp_path / "page.html"
    found = run(f"{file}:flat", "--axes", "b t, b t", "--html", path)
    assert found.exit_code == 0
    assert f"written to {path}" in found.output
    page = path.read_text(encoding="utf-8")
    assert "gap = ops.round(y_pred) &lt; y_true" in page
    assert "gap  b t  (5, 7) bool" in page
    assert "dead gradient: 100% of the prediction has no gradient" in page


def test_a_page_that_cannot_be_written_is_an_error(file, tmp_path):
    found = run(f"{file}:unlike", "--html", tmp_path / "nowhere" / "page.html")
    assert found.exit_code == 2
    assert "the page cannot be written there" in found.stderr


def test_a_loss_that_raises_is_shown_and_told_by_the_exit_code(file):
    found = run(f"{file}:broken")
    assert found.exit_code == 1
    assert 'return gap + "[bold]"' in found.output


@pytest.mark.parametrize("content", ["", "PK", json.dumps({"y": 1})])
def test_a_file_that_is_no_batch_is_refused(file, tmp_path, content):
    path = tmp_path / "batch.npz"
    path.write_text(content)
    found = run(f"{file}:unlike", "--data", path)
    assert (found.exit_code, found.exception.__class__) == (2, SystemExit)
    assert "is not a file of arrays" in found.stderr
