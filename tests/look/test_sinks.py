"""Sinks: TensorBoard's own reader gets what was written, and a terminal shows it."""

import io
import math
import sys
import types

import keras
import numpy as np
import pytest
from rich.console import Console

import lossmith as lm
from lossmith.look.grids import MASKED, NOT_FINITE, VIRIDIS, picture
from lossmith.messages import ArgumentError

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="no framework has a part in it: on PyTorch"
)


@pytest.fixture
def read_events(monkeypatch):
    """TensorBoard's reader, kept from importing TensorFlow where that is installed."""
    name = "tensorboard.compat.notf"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(path):
        events = accumulator.EventAccumulator(str(path), {"tensors": 0, "images": 0})
        return events.Reload()

    return read


@pytest.fixture
def board(tmp_path):
    return lm.sinks.TensorBoard(tmp_path)


def rgb(colour):
    return list(bytes.fromhex(colour[1:]))


# ── TensorBoard ──────────────────────────────────────────────────────────────────────────────


def test_scalars_come_back_beside_those_of_validation(board, read_events):
    for epoch, loss in enumerate((0.5, 0.25)):
        board.epoch(epoch, {"loss": loss, "tap/x/mean": -loss, "val_loss": 2 * loss})
    board.close()
    train, validation = (read_events(board.path / run) for run in ("train", "validation"))
    assert train.Tags()["scalars"] == ["loss", "tap/x/mean"]
    assert [(each.step, each.value) for each in train.Scalars("loss")] == [(0, 0.5), (1, 0.25)]
    assert [(each.step, each.value) for each in validation.Scalars("loss")] == [(0, 1.0), (1, 0.5)]


def test_a_scalar_that_is_no_number_comes_back_as_that(board, read_events):
    board.epoch(0, {"loss": math.nan})
    board.close()
    assert math.isnan(read_events(board.path / "train").Scalars("loss")[0].value)


def test_a_histogram_comes_back(board, read_events):
    board.histogram(4, "tap/x", [1, 5, 2], [-1.0, 0.0, 1.0, 2.0])
    board.close()
    (found,) = read_events(board.path / "train").Histograms("tap/x")
    value = found.histogram_value
    assert found.step == 4
    assert (value.min, value.max, value.num) == (-1.0, 2.0, 8)
    assert list(value.bucket_limit) == [0.0, 1.0, 2.0]
    assert list(value.bucket) == [1.0, 5.0, 2.0]


def test_a_map_comes_back_as_the_image_of_it(board, read_events):
    from PIL import Image

    loss, mask = np.array([[0.0, 1.0], [np.nan, 9.0]]), np.array([[True, True], [True, False]])
    board.maps(2, "data", loss, mask, "b t")
    board.close()
    (found,) = read_events(board.path / "train").Images("data")
    pixels = np.asarray(Image.open(io.BytesIO(found.encoded_image_string)))
    assert found.step == 2
    assert np.array_equal(pixels, picture(loss, mask))


def test_a_board_that_was_closed_goes_on(board, read_events):
    board.epoch(0, {"loss": 1.0})
    board.close()
    board.epoch(1, {"loss": 2.0})
    board.close()
    assert [each.step for each in read_events(board.path / "train").Scalars("loss")] == [0, 1]


def test_two_boards_of_one_directory_keep_both(tmp_path, read_events):
    for epoch in (0, 1):
        board = lm.sinks.TensorBoard(tmp_path)
        board.epoch(epoch, {"loss": 1.0})
        board.close()
    assert [each.step for each in read_events(tmp_path / "train").Scalars("loss")] == [0, 1]


def test_a_board_without_its_package_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("lossmith.look.sinks._tensorboard.find_spec", lambda _: None)
    with pytest.raises(ArgumentError, match=r"lossmith\[tensorboard\]"):
        lm.sinks.TensorBoard(tmp_path)


# ── images ───────────────────────────────────────────────────────────────────────────────────


def test_an_image_has_the_colour_of_each_position():
    loss = np.array([[0.0, 1.0, 2.0], [np.nan, np.inf, 99.0]])
    mask = np.array([[True, True, True], [True, True, False]])
    image = picture(loss, mask, least=1)
    low, middle, high = rgb(VIRIDIS[0]), rgb(VIRIDIS[2]), rgb(VIRIDIS[-1])
    assert image.tolist() == [[low, middle, high], [rgb(NOT_FINITE)] * 2 + [rgb(MASKED)]]


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4), (0, 3), (2, 0)])
def test_a_map_of_any_rank_is_an_image(shape):
    image = picture(np.ones(shape), np.ones(shape, bool), least=1)
    assert image.dtype == np.uint8
    assert image.shape == (math.prod(shape[:-1]), shape[-1] if shape else 1, 3)


def test_a_small_map_is_drawn_large():
    assert picture(np.ones((2, 4)), np.ones((2, 4), bool), least=64).shape == (32, 64, 3)


# ── the terminal ─────────────────────────────────────────────────────────────────────────────


def test_a_table_shows_values_and_how_they_changed():
    text = io.StringIO()
    table = lm.sinks.Table(Console(file=text, width=60))
    table.epoch(0, {"loss": 0.5, "[red]a[/red]": math.nan})
    table.epoch(1, {"loss": 0.25, "[red]a[/red]": 1.0})
    rows = [line.split() for line in text.getvalue().splitlines()]
    assert rows == [
        ["epoch", "1"],
        ["loss", "0.5"],
        ["[red]a[/red]", "nan"],
        ["epoch", "2"],
        ["loss", "0.25", "-0.25"],
        ["[red]a[/red]", "1", "+nan"],
    ]


def test_a_sink_of_ones_own_needs_only_what_it_shows():
    class Losses(lm.sinks.Sink):
        def __init__(self):
            self.seen = []

        def epoch(self, epoch, logs):
            self.seen.append((epoch, logs["loss"]))

    sink = Losses()
    sink.epoch(0, {"loss": 1.0})
    sink.maps(0, "data", np.ones(1), None, "b")
    sink.samples(0, [], [])
    sink.histogram(0, "x", [1], [0, 1])
    sink.close()
    assert sink.seen == [(0, 1.0)]
