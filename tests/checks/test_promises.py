"""Promises: how they are given, what comes first, and that they are held to."""

import keras
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks import Status
from lossmith.checks.promise import as_promises, configured, stated_promises
from lossmith.messages import ArgumentError


def batch_rms(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def status(loss, only="sample-independence", **promises):
    return lm.check(loss, "b [c], b [c]", promises=promises, only=only)[0].status


def test_a_promise_skips_its_check_and_says_why():
    assert status(batch_rms) is Status.BROKEN
    assert status(batch_rms, couples="root over the batch") is Status.SKIPPED


def test_an_expected_failure_is_expected_and_gives_its_reason():
    report = lm.check(
        batch_rms,
        promises={"fails": {"sample-independence": "issue 12"}},
        only="sample-independence",
    )
    assert report[0].status is Status.EXPECTED
    assert "issue 12" in str(report[0])
    assert report.ok


def test_an_expected_failure_that_is_kept_is_broken():
    assert status(squared, fails={"sample-independence": "issue 12"}) is Status.BROKEN


def test_the_call_comes_before_the_decorator_and_that_before_the_file():
    call, stated = as_promises({"mask": "keras"}), as_promises({"mask": "x", "min_batch": 2})
    file = as_promises({"min_batch": 3, "direction": "max"})
    merged = call.merged(stated, file)
    assert (merged.mask, merged.min_batch, merged.direction) == ("keras", 2, "max")


def test_the_decorator_leaves_the_function_and_its_registration_alone():
    @keras.saving.register_keras_serializable("test_promises")
    @lm.promises(couples="on purpose")
    def decorated(y_true, y_pred):
        return batch_rms(y_true, y_pred)

    assert keras.saving.get_registered_name(decorated) == "test_promises>decorated"
    assert stated_promises(decorated).couples == "on purpose"
    assert status(decorated) is Status.SKIPPED


def test_the_decorator_works_on_a_class():
    @lm.promises(couples="on purpose")
    class Rms(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return batch_rms(y_true, y_pred)

    assert status(Rms()) is Status.SKIPPED


def test_pyproject_is_read_from_the_nearest_above(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.lossmith.check."src/losses.py:mine"]\n'
        'axes = "b t, b t"\npromises = {couples = "ranking"}\n'
    )
    file = tmp_path / "src" / "losses.py"
    assert configured(file, "mine") == {"axes": "b t, b t", "promises": {"couples": "ranking"}}
    assert configured(file, "other") == {}


def test_an_unknown_promise_names_the_closest():
    with pytest.raises(ArgumentError, match="write couples in place of couple"):
        as_promises({"couple": "x"})


@pytest.mark.parametrize("given", [{"couples": ""}, {"jit": False}, {"fails": {"gradient": " "}}])
def test_a_promise_without_a_reason_is_refused(given):
    with pytest.raises(ArgumentError, match="gives no reason"):
        as_promises(given)
