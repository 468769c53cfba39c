"""Weekly CO2 with missing weeks: its windows, and a run with tiny settings."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lossmith.cli import main
from lossmith.demos.co2 import data
from lossmith.demos.co2.ways import WAYS
from lossmith.demos.training import Batches

NAN = float("nan")


@pytest.fixture
def series():
    values = 300.0 + np.arange(200.0)
    values[[110, 111, 150]] = NAN
    return values


def test_the_series_has_its_gaps():
    series = data.read_series()
    assert np.isnan(series).sum() == 59
    assert 310 < np.nanmin(series) < np.nanmax(series) < 380


def test_gaps_are_carried_over():
    carried = data.carried(np.array([1.0, NAN, NAN, 4.0, NAN]))
    assert carried.tolist() == [1, 1, 1, 4, 4]


def test_windows_are_relative_to_the_last_known_week(series):
    samples = data.windows(series, series)
    assert len(samples) == 200 - data.PAST - data.FUTURE + 1
    assert samples.past.shape == (71, data.PAST, 2)
    assert samples.past[0, -2:, 0] == pytest.approx([-1 / data.SCALE, 0])
    assert samples.future[0, 0] == pytest.approx(1 / data.SCALE)
    assert np.isnan(samples.future[0, [6, 7]]).all()
    assert np.isfinite(samples.past).all()
    assert samples.past[8, -3:, 1].tolist() == [0, 1, 1]
    assert samples.past[8, -3:, 0].tolist() == [0, 0, 0]


def test_no_week_of_the_test_targets_was_trained_on():
    weeks = np.arange(200.0)
    samples = data.windows(np.zeros(200), weeks)
    train, test = data.split(samples)
    assert train.future.max() < test.future.min()
    assert len(test) == 15


def test_the_error_is_that_of_measured_weeks():
    future = np.array([[1.0, NAN], [2.0, 3.0]])
    forecast = np.array([[1.0, 9.0], [2.0, 1.0]])
    assert data.rmse(forecast, future) == pytest.approx(data.SCALE * np.sqrt(4 / 3))


def test_each_way_leaves_what_was_measured_alone(series):
    known = np.isfinite(series)
    for way in WAYS:
        assert np.array_equal(way.fill(series)[known], series[known]), way.name


def test_batches_come_in_the_order_of_their_seed():
    def epochs(seed):
        batches = Batches((np.arange(10), np.arange(10) * 2), 4, seed)
        for _ in range(2):
            yield [tuple(array.tolist() for array in batches[i]) for i in range(len(batches))]
            batches.on_epoch_end()

    first, second = epochs(0)
    assert [first, second] == list(epochs(0))
    assert first != second
    assert first != next(epochs(1))
    assert all(len(x) == 4 and y == [2 * v for v in x] for x, y in first)


def test_the_demo_end_to_end(tmp_path):
    args = ["demo", "co2", "--epochs", "1", "--out", str(tmp_path)]
    run = CliRunner().invoke(main, args, catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert "NaN at step 1" in run.output
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    results = json.loads((tmp_path / "results.json").read_text())
    ways = results["ways"]
    assert list(ways) == [way.name for way in WAYS]
    assert ways["NaN left in"]["rmse_ppm"] is None
    assert ways["NaN left in"]["failed_at_step"] == 1
    assert ways["lossmith, masked"]["rmse_ppm"] < 2
    assert ways["filled with 0"]["rmse_ppm"] > 2 * ways["lossmith, masked"]["rmse_ppm"]
    assert results["missing"]["weeks"] == 59
