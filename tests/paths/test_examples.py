"""The examples of losses over paths, run small."""

import importlib.util

import keras
import numpy as np
import pytest

from tests.support.source import ROOT

pytest.importorskip("statsmodels", reason="the real series come with it")
pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="every backend holds the losses elsewhere"
)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_cycle_is_aligned_from_its_first_year_to_its_last(tmp_path):
    pytest.importorskip("matplotlib", reason="it draws")
    example = load("align_sunspot_cycles")
    picture = tmp_path / "alignment.png"
    alignment, path = example.main(picture=str(picture))
    slow, fast = (example.cycle(*years) for years in (example.SLOW, example.FAST))
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [len(slow) - 1, len(fast) - 1]
    assert [slow.argmax(), fast.argmax()] in path.tolist()
    np.testing.assert_allclose(alignment[[0, -1], [0, -1]], 1.0, rtol=1e-5)
    assert picture.stat().st_size > 1000


def test_forecasts_are_measured_on_weeks_that_were_not_seen():
    found = load("forecast_shape_and_time").main(epochs=1, most=64)
    assert set(found) == {"squared error", "DILATE"}
    for row in found.values():
        assert np.isfinite(list(row.values())).all()
        assert 0 < row["DTW"] <= row["MSE"] * 26  # the diagonal is one of the alignments
