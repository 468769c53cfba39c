"""Whatever a loss does, `lossmith check` ends in its time and says what it was."""

import json

import keras
import pytest
from click.testing import CliRunner

from lossmith import cli

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch",
    reason="each process imports Keras anew; this is the same on all, and torch is fastest",
)

LIMIT = 10

FILE = """
import ctypes
import os
import sys
import time

import numpy as np
from keras import ops

print("printed on import")


def right(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def raises(y_true, y_pred):
    if y_true is not None:
        raise KeyError("no such thing")
    return right(y_true, y_pred)


def returns_none(y_true, y_pred):
    return None


def returns_ints(y_true, y_pred):
    return ops.cast(right(y_true, y_pred), "int32")


def returns_text(y_true, y_pred):
    return "0.5"


def prints(y_true, y_pred):
    print("loss" * 100_000)
    os.write(1, b'{"event": "end"}\\n')
    return right(y_true, y_pred)


def sleeps(y_true, y_pred):
    time.sleep(1e6)
    return right(y_true, y_pred)


def calls_exit(y_true, y_pred):
    sys.exit(3)
    return right(y_true, y_pred)


def ends_process(y_true, y_pred):
    os._exit(0)
    return right(y_true, y_pred)


def follows_null(y_true, y_pred):
    ctypes.string_at(0)
    return right(y_true, y_pred)


def writes_nan(y_true, y_pred):
    return right(y_true, y_pred) * float("nan")


def changes_inputs(y_true, y_pred):
    y_true[...] = 0.0
    return right(y_true, y_pred)


def takes_memory(y_true, y_pred):
    kept = []
    while True:
        kept.append(np.zeros(2**27))
    return right(y_true, y_pred)


def recurses(y_true, y_pred):
    return recurses(y_true, y_pred) + right(y_true, y_pred)


def last(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)
"""

SAID = {
    "raises": "raised KeyError: 'no such thing'",
    "returns_none": "raised ValueError",
    "returns_ints": "the dtype of the errors before reduction",
    "returns_text": "raised ValueError",
    "prints": "what a call prints",
    "sleeps": f"the loss did not end within {LIMIT} s",
    "calls_exit": "raised SystemExit: 3",
    "ends_process": "the loss ended the process with exit code 0",
    "follows_null": "the loss ended the process: SIGSEGV",
    "writes_nan": "the loss",
    "changes_inputs": "which inputs a call changes",
    "takes_memory": "raised MemoryError",
    "recurses": "raised RecursionError",
}
"""Name -> how the reason of its broken result begins."""

KEPT = ("right", "last")
LINES = {"sleeps": "time.sleep(1e6)", "follows_null": "ctypes.string_at(0)"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    file = tmp_path_factory.mktemp("untrusted") / "losses.py"
    file.write_text(FILE)
    only = ("--only=output-contract", "--only=pure")
    return CliRunner().invoke(
        cli.main, ["check", str(file), *only, f"--limit={LIMIT}", "--format=json"]
    )


@pytest.fixture(scope="module")
def losses(run):
    """The entries of the JSON, by the name of the loss."""
    entries = json.loads(run.stdout)["losses"]
    return {entry["subject"].removeprefix("losses.py:"): entry for entry in entries}


def broken(entry):
    return [result for result in entry["results"] if result["status"] == "broken"]


def test_every_loss_of_the_file_is_in_the_report(losses):
    assert set(losses) == {*SAID, *KEPT}


def test_a_broken_loss_is_exit_code_one(run):
    assert run.exit_code == 1


@pytest.mark.parametrize("name", KEPT)
def test_a_loss_beside_bad_ones_is_checked_and_kept(name, losses):
    assert losses[name]["ok"], losses[name]
    assert {result["status"] for result in losses[name]["results"]} == {"kept"}


@pytest.mark.parametrize("name", SAID)
def test_what_a_bad_loss_did_is_a_broken_result_that_says_so(name, losses):
    assert not losses[name]["ok"]
    assert not losses[name]["refused"]
    results = broken(losses[name])
    assert results, losses[name]["results"]
    assert results[0]["reason"].startswith(SAID[name])
    assert not any(result["status"] == "crashed" for result in losses[name]["results"])


@pytest.mark.parametrize("name", LINES)
def test_the_line_is_named_at_which_a_process_had_to_be_stopped(name, losses):
    assert broken(losses[name])[0]["place"].endswith(LINES[name])


@pytest.mark.parametrize("name", SAID)
def test_a_broken_result_says_how_to_repeat_it(name, losses):
    command = broken(losses[name])[0]["repeat"]
    assert f"losses.py:{name} " in command
    assert "--only" in command
