"""A run directory: what is written is read again, and what cannot be read is said."""

import json
import math
import threading

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.look.run_dir import Sample, read
from lossmith.messages import ArgumentError

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="no framework has a part in it: on PyTorch"
)

NAMES = ["data", "Data", "data ", "a/b", "../../up", "con", "é" * 300, '<script>"x"</script>', ""]


@pytest.fixture
def sink(tmp_path):
    return lm.sinks.JsonLines(tmp_path / "runs" / "1")


# ── what is written is read again ────────────────────────────────────────────────────────────


def test_logs_come_back_with_nan_and_infinities(sink):
    logs = {"loss": np.float32(0.5), "a/b": math.nan, "c": math.inf, "d": -math.inf}
    sink.epoch(3, logs)
    (found,) = read(sink.path).epochs
    assert found.epoch == 3
    np.testing.assert_equal(found.logs, {name: float(value) for name, value in logs.items()})


def test_every_line_is_json_that_any_reader_takes(sink):
    sink.epoch(0, {"loss": math.nan, "up": math.inf})
    line = (sink.path / "epochs.jsonl").read_text()
    never = pytest.fail
    assert json.loads(line, parse_constant=never) == {
        "epoch": 0,
        "logs": {"loss": "NaN", "up": "Infinity"},
    }


def test_maps_come_back_whatever_they_are_called(sink, rng):
    arrays = {name: rng.normal(size=(2, 3)).astype("float32") for name in NAMES}
    for name, loss in arrays.items():
        sink.maps(1, name, loss, loss > 0, "b t")
    found = read(sink.path).maps
    assert [each.name for each in found] == NAMES
    for each in found:
        loss, mask = each.load()
        assert each.axes == ("b", "t")
        assert np.array_equal(loss, arrays[each.name])
        assert np.array_equal(mask, arrays[each.name] > 0)


def test_names_make_no_files_elsewhere(sink):
    for name in NAMES:
        sink.maps(0, name, np.zeros(2), None, "b")
    files = [path for path in sink.path.parent.rglob("*") if path.suffix in {".npz", ".part"}]
    assert len(files) == len(NAMES)
    assert {path.parent for path in files} == {sink.path / "maps"}
    assert {path.suffix for path in files} == {".npz"}
    assert all(len(path.name) < 100 and path.name.isascii() for path in files)


def test_without_a_mask_all_positions_count(sink):
    sink.maps(0, "data", np.zeros((2, 3)), None, "b t")
    assert read(sink.path).maps[0].load()[1].all()


def test_samples_and_histograms_come_back(sink):
    sink.samples(2, [{"index": np.int64(7), "loss": np.float32(1.5)}], [{"index": 0, "loss": 0.0}])
    sink.histogram(2, "tap/x", np.array([1, 2]), np.array([0.0, 0.5, 1.0]))
    run = read(sink.path)
    assert (run.samples[0].hardest, run.samples[0].easiest) == ([Sample(7, 1.5)], [Sample(0, 0.0)])
    assert (run.histograms[0].counts, run.histograms[0].edges) == ([1.0, 2.0], [0.0, 0.5, 1.0])


def test_a_training_that_goes_back_replaces_what_came_after(sink):
    for epoch in (0, 1, 2):
        sink.epoch(epoch, {"loss": 1.0})
        for name in ("a", "b"):
            sink.maps(epoch, name, np.ones(1), None, "b")
    sink.epoch(1, {"loss": 5.0})
    sink.maps(1, "a", np.full(1, 5.0), None, "b")
    run = read(sink.path)
    assert [(each.epoch, each.logs["loss"]) for each in run.epochs] == [(0, 1.0), (1, 5.0)]
    maps = [(each.epoch, each.name, each.load()[0].item()) for each in run.maps]
    assert maps == [(0, "a", 1.0), (0, "b", 1.0), (1, "a", 5.0), (1, "b", 1.0)]


def test_lines_of_several_writers_are_never_mixed(sink):
    def write(start):
        other = lm.sinks.JsonLines(sink.path)
        for i in range(50):
            other.histogram(0, f"{start} {i}", list(range(500)), list(range(501)))

    writers = [threading.Thread(target=write, args=(start,)) for start in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read(sink.path).histograms) == 200


def test_a_line_that_is_still_being_written_is_left_out(sink):
    sink.epoch(0, {"loss": 1.0})
    with (sink.path / "epochs.jsonl").open("a") as file:
        file.write('{"epoch": 1, "lo')
    assert [each.epoch for each in read(sink.path).epochs] == [0]


def test_what_check_printed_is_read_and_what_is_broken_comes_first(sink):
    results = [
        {"check": "gradient", "status": "kept", "reason": ""},
        {"check": "masked-nan", "status": "broken", "reason": "NaN"},
    ]
    entry = {"subject": "a.py:mse", "backend": "jax", "refused": None, "lint": []}
    text = json.dumps({"losses": [{**entry, "results": results}]})
    (sink.path / "checks.json").write_text(text)
    (found,) = read(sink.path).checks
    assert found.rows == [("masked-nan", "broken", "NaN"), ("gradient", "kept", "")]


# ── what cannot be read or written ───────────────────────────────────────────────────────────


def test_a_missing_directory_is_said(tmp_path):
    with pytest.raises(ArgumentError, match="no such run directory"):
        read(tmp_path / "none")


def test_an_empty_directory_is_said(sink):
    with pytest.raises(ArgumentError, match="empty"):
        read(sink.path)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        "{}",
        '{"epoch": 1}',
        '{"epoch": 1, "logs": 3}',
        '{"epoch":1,"logs":{"a":{}}}',
    ],
)
def test_a_broken_line_is_named_with_its_number(sink, line):
    sink.epoch(0, {"loss": 1.0})
    path = sink.path / "epochs.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ArgumentError) as caught:
        read(sink.path)
    assert caught.value.at == (f"{path}, line 2",)


def test_a_histogram_with_a_wrong_number_of_edges_is_a_broken_line(sink):
    path = sink.path / "histograms.jsonl"
    path.write_text('{"epoch": 0, "name": "x", "counts": [1], "edges": [0]}\n')
    with pytest.raises(ArgumentError, match="1 counts with 1 edges"):
        read(sink.path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", None])
def test_a_map_that_cannot_be_read_is_named(sink, content):
    sink.maps(0, "data", np.ones((2, 2)), None, "b t")
    path = sink.path / "maps" / "0-data.npz"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(ArgumentError) as caught:
        read(sink.path).maps[0].load()
    assert caught.value.at == (str(path),)


def test_a_map_of_other_axes_than_its_line_is_said(sink):
    sink.maps(0, "data", np.ones((2, 2)), None, "b t")
    np.savez(sink.path / "maps" / "0-data.npz", loss=np.ones(3), mask=np.ones(3))
    with pytest.raises(ArgumentError, match="axes 'b t'"):
        read(sink.path).maps[0].load()


@pytest.mark.parametrize(("mask", "axes"), [(np.ones(3), "b t"), (None, "b"), (None, "b t k")])
def test_maps_that_do_not_fit_together_are_refused(sink, mask, axes):
    with pytest.raises(ArgumentError, match="one shape"):
        sink.maps(0, "data", np.ones((2, 3)), mask, axes)


def test_checks_that_are_none_are_said(sink):
    (sink.path / "checks.json").write_text('{"losses": [3]}')
    with pytest.raises(ArgumentError, match=r"lossmith check --format json"):
        read(sink.path)


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="cannot be written to"):
        lm.sinks.JsonLines(tmp_path / "file" / "run")
