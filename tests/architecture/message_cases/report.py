"""The places that raise in run directories, sinks and pages."""

import tempfile
from contextlib import chdir
from pathlib import Path
from unittest import mock

import numpy as np

import lossmith as lm
from lossmith.look import page
from lossmith.look.run_dir import read


def in_a_run(do):
    """Do something where "run" is a run directory of one epoch; paths in messages stay short."""

    def case():
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            sink = lm.sinks.JsonLines("run")
            sink.epoch(0, {"loss": 1.0})
            do(sink)

    return case


def broken_line(_):
    with Path("run", "epochs.jsonl").open("a") as file:
        file.write('{"epoch": 1, "logs"}\n')
    read("run")


def lost_map(sink):
    sink.maps(0, "data", np.ones((2, 3)), None, "b t")
    Path("run", "maps", "0-data.npz").unlink()
    read("run").maps[0].load()


def other_map(sink):
    sink.maps(0, "data", np.ones((2, 3)), None, "b t")
    np.savez("run/maps/0-data.npz", loss=np.ones(3), mask=np.ones(2))
    read("run").maps[0].load()


def no_checks(_):
    Path("run", "checks.json").write_text("[]")
    read("run")


def blocked(_):
    lm.sinks.JsonLines("run/epochs.jsonl/1")


def empty(_):
    Path("other").mkdir()
    read("other")


def without(place):
    """Return what makes packages seem not to be installed."""
    return mock.patch(f"lossmith.look.{place}.find_spec", return_value=None)


def no_tensorboard(_):
    with without("sinks._tensorboard"):
        lm.sinks.TensorBoard("run")


def no_plotly(_):
    with without("page.document"):
        page.write("page.html", "run", page.of_run(read("run")))


CASES = {
    name: in_a_run(do)
    for name, do in {
        "run-line-that-is-no-json": broken_line,
        "run-map-that-is-gone": lost_map,
        "run-map-of-two-shapes": other_map,
        "run-checks-of-another-form": no_checks,
        "run-below-a-file": blocked,
        "run-that-is-not-there": lambda _: read("runs/7"),
        "run-without-a-line": empty,
        "sink-map-of-two-shapes": lambda sink: sink.maps(
            0, "data", np.ones((2, 3)), np.ones(3), "b t"
        ),
        "sink-without-tensorboardx": no_tensorboard,
        "page-without-plotly": no_plotly,
        "page-that-cannot-be-written": lambda _: page.write("none/page.html", "", []),
    }.items()
}

ONE_BACKEND = {}

NOT_RAISED = {}
