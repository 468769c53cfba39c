"""Losses as tests of pytest: the decorator, and the files that `pytest --lossmith` collects."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import keras
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks import CheckFailed

pytest_plugins = ["pytester"]
INSTALLED = any(entry_points(group="pytest11", name="lossmith"))
PLUGIN = () if INSTALLED else ("-p", "lossmith.pytest_plugin")
IN_PROCESS = ("-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore")

LOSSES = """
import keras
import lossmith as lm
from keras import ops


@keras.saving.register_keras_serializable("plugin")
def right(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def of_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


class Right(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return right(y_true, y_pred)


class Needs(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()

    def call(self, y_true, y_pred):
        return right(y_true, y_pred)


steps = lm.Loss("mse", "b t, b t")


def helper(x):
    return x
"""


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@lm.promises(fails={"sample-independence": "it is a root over the batch"})
def of_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


@lm.promises(fails={"sample-independence": "nobody knows"})
def said_to_fail(y_true, y_pred):
    return squared(y_true, y_pred)


# ── the decorator ────────────────────────────────────────────────────────────────────────────

ONLY = ["sample-independence", "weight-equivalence", "padding-invariance"]


@lm.testing.parametrize_with_checks([squared, "mae"], "b [c], b [c]", only=ONLY)
def test_a_right_loss_passes(loss, check):
    check(loss)


def outcome(loss, name):
    """How one check of one loss ends a test."""
    mark = lm.testing.parametrize_with_checks([loss], only=name)
    (given,) = mark.args[1]
    try:
        given.values[1](loss)
    except (CheckFailed, pytest.skip.Exception, pytest.xfail.Exception) as end:
        return end
    return None


def test_the_ids_are_loss_and_check():
    mark = lm.testing.parametrize_with_checks([squared, keras.losses.Huber()], only=ONLY)
    assert [each.id for each in mark.args[1]] == [
        f"{loss}-{name}" for loss in ("squared", "huber_loss") for name in ONLY
    ]


def test_a_broken_check_fails_with_the_report():
    end = outcome(of_batch, "weight-equivalence")
    assert isinstance(end, CheckFailed)
    assert "BROKEN    weight-equivalence" in str(end)
    assert "axes      b [c], b [c]" in str(end)


def test_a_check_that_does_not_apply_is_skipped_with_its_reason():
    end = outcome(squared, "padding-invariance")
    assert isinstance(end, pytest.skip.Exception)
    assert "no mask is known" in str(end)


def test_a_failure_that_is_promised_is_expected():
    end = outcome(of_batch, "sample-independence")
    assert isinstance(end, pytest.xfail.Exception)
    assert "it is a root over the batch" in str(end)


def test_a_failure_that_is_promised_and_does_not_come_fails():
    end = outcome(said_to_fail, "sample-independence")
    assert isinstance(end, CheckFailed)
    assert "promised to fail" in str(end)


# ── the plug-in ──────────────────────────────────────────────────────────────────────────────


def test_a_file_becomes_a_test_for_each_loss_and_check(pytester):
    file = pytester.makepyfile(losses_here=LOSSES)
    items, _ = pytester.inline_genitems(*PLUGIN, *IN_PROCESS, "--lossmith", str(file))
    names = {item.name for item in items}
    assert len(names) == len(items)
    assert {"right-sample-independence", "steps-padding-invariance"} <= names
    assert {name.partition("-")[0] for name in names} == {"right", "of_batch", "Right", "steps"}


def test_the_tests_of_a_file_pass_fail_and_skip(pytester):
    file = pytester.makepyfile(losses_there=LOSSES)
    chosen = [f"{file}::{loss}-sample-independence" for loss in ("right", "of_batch")]
    run = pytester.inline_run(
        *PLUGIN, *IN_PROCESS, "--lossmith", *chosen, f"{file}::right-padding-invariance"
    )
    passed, skipped, failed = run.listoutcomes()
    assert [report.nodeid.rpartition("::")[2] for report in passed] == ["right-sample-independence"]
    assert [report.nodeid.rpartition("::")[2] for report in failed] == [
        "of_batch-sample-independence"
    ]
    assert len(skipped) == 1
    assert "BROKEN    sample-independence" in str(failed[0].longrepr)
    assert "Traceback" not in str(failed[0].longrepr)


def test_below_a_directory_tests_and_files_without_losses_are_left_alone(pytester):
    pytester.makepyfile(
        test_losses_of="def of_test(y_true, y_pred):\n    return y_true\n",
        plain="raise RuntimeError('this file was imported')\n",
    )
    items, _ = pytester.inline_genitems(*PLUGIN, *IN_PROCESS, "--lossmith", str(pytester.path))
    assert items == []


def test_without_the_switch_no_file_is_collected(pytester):
    file = pytester.makepyfile(losses_unseen=LOSSES)
    items, _ = pytester.inline_genitems(*PLUGIN, *IN_PROCESS, str(file))
    assert items == []


def test_pytest_starts_without_keras(tmp_path):
    given = [*PLUGIN, "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path)]
    code = (
        f"import sys, pytest\npytest.main({given!r})\n"
        "print('imported:', *[x for x in ('keras', 'numpy', 'rich') if x in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "no tests ran" in run.stdout
    assert run.stdout.splitlines()[-1].strip() == "imported:"
