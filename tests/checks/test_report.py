"""What a report says, as text and as data."""

import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.checks import CheckFailed, Report, Result, Status
from lossmith.checks.blame import Place

GOLDEN = Path(__file__).with_name("report.golden.txt")

REPORT = Report(
    "losses.py:mine",
    (("loss", "function"), ("axes", "b [c], b [c]  (inferred)")),
    (
        Result("output-contract", Status.KEPT, seconds=0.25),
        Result("masked-nan", Status.SKIPPED, reason="no mask is known"),
        Result("gradient", Status.EXPECTED, reason="issue 12"),
        Result(
            "weight-equivalence",
            Status.BROKEN,
            law="A sample of weight 0 counts as if it were not there.",
            reason="the last sample has weight 0",
            got=0.875,
            expected=0.0,
            inputs={"y_true": np.array([[1.0, 0.0], [0.5, 1.0]]), "y_pred": np.zeros((9, 17))},
            place=Place(Path("losses.py"), 12, "return ops.mean(error)"),
            mend="return one number a sample",
            promise="weights",
            rules=("LSM102",),
            repeat="lossmith check losses.py:mine --only weight-equivalence --seed 0",
            seconds=0.5,
        ),
    ),
)


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def no_such_name(y_true, y_pred):
    return undefined_function(y_true - y_pred)  # noqa: F821


def test_a_report_reads_as_in_the_golden_file(update_golden):
    if update_golden:
        GOLDEN.write_text(f"{REPORT}\n", encoding="utf-8")
        pytest.skip(f"wrote {GOLDEN.name}; read its diff")
    assert GOLDEN.read_text(encoding="utf-8") == f"{REPORT}\n"


def test_a_report_is_a_sequence_of_results():
    assert len(REPORT) == 4
    assert REPORT[0].check == "output-contract"
    assert [result.check for result in REPORT.broken] == ["weight-equivalence"]
    assert not REPORT.ok


def test_a_report_fails_a_test_only_if_something_is_broken():
    with pytest.raises(CheckFailed, match="weight-equivalence"):
        REPORT.raise_if_broken()
    Report("fine", (), REPORT.results[:3]).raise_if_broken()


def test_a_report_becomes_json_with_nan_as_text():
    result = Result("masked-nan", Status.BROKEN, got=np.array([np.nan, 1.0]))
    text = json.dumps(Report("mine", (), (result,)).to_dict(), allow_nan=False)
    assert json.loads(text)["results"][0]["got"] == ["nan", 1.0]


def test_a_loss_that_raises_is_a_result_with_its_line():
    report = lm.check(no_such_name)
    result = report.result("output-contract")
    assert result.status is Status.BROKEN
    assert "NameError" in result.reason
    assert "undefined_function" in str(result.place)
    assert {r.status for r in report if r is not result} == {Status.SKIPPED}


def test_a_finding_has_at_most_three_samples():
    def over_batch(y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))

    result = lm.check(over_batch, only="sample-independence")[0]
    assert len(result.inputs["y_pred"]) <= 3


def test_the_same_seed_gives_the_same_report():
    first, second = (lm.check(squared, seed=3).to_dict() for _ in range(2))
    for report in (first, second):
        for result in report["results"]:
            del result["seconds"]
    assert first == second
