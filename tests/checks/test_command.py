"""`lossmith check`: what it finds in a file, what it prints, and how it ends."""

import importlib.util
import json
from xml.etree import ElementTree as ET

import keras
import pytest
from click.testing import CliRunner
from keras import ops

from lossmith import cli
from lossmith.checks.runner import prepare
from lossmith.checks.unit import chosen
from lossmith.cli import check_output
from lossmith.cli.check import BACKENDS
from lossmith.cli.check_output import Outcome
from lossmith.cli.check_reading import Reading

BACKEND = keras.config.backend()
INSTALLED = [name for name in BACKENDS if importlib.util.find_spec(name)]

FILE = """
import keras
import lossmith as lm
from keras import ops
from keras.losses import Huber


def right(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def of_batch(y_true, y_pred):
    print("a line that is no JSON")
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


def made(power):
    def inner(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred) ** power, axis=-1)
    return inner


class Right(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return right(y_true, y_pred)


class Needs(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * right(y_true, y_pred)


@lm.loss("b [f], b [f] -> b")
def decorated(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


cubed = made(3)
needs = Needs(2.0)
steps = lm.Loss("mse", "b t, b t")


def helper(values):
    return values


def accuracy(y_true, y_pred):
    return ops.mean(y_true == y_pred)
"""


def run(*args):
    return CliRunner().invoke(cli.main, ["check", *map(str, args)])


# ── a file ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("command") / "losses.py"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def checked(file):
    """One run over the whole file, on the backend that runs."""
    return run(
        file, "--only=sample-independence", f"--backend={BACKEND}", "--format=json", "--seed=3"
    )


def entries(result):
    return {
        entry["subject"].partition(":")[2]: entry for entry in json.loads(result.stdout)["losses"]
    }


def test_all_losses_of_a_file_are_found_and_nothing_else(checked):
    assert set(entries(checked)) == {"right", "of_batch", "Right", "decorated", "needs", "steps"}


def test_a_class_that_needs_arguments_is_named_on_stderr(checked):
    assert "losses.py:Needs is not checked: its constructor needs factor" in checked.stderr


def test_one_broken_loss_is_exit_code_one(checked):
    assert checked.exit_code == 1
    broken = {name for name, entry in entries(checked).items() if not entry["ok"]}
    assert broken == {"of_batch"}


def test_a_result_says_how_to_repeat_it_with_all_options(checked, file):
    (result,) = entries(checked)["of_batch"]["results"]
    assert result["repeat"] == (
        f"lossmith check {file}:of_batch --seed 3 --backend {BACKEND} --only sample-independence"
    )


def test_what_lint_reads_is_confirmed_by_what_breaks(checked):
    (finding,) = [f for f in entries(checked)["of_batch"]["lint"] if f["code"] == "LSM102"]
    assert finding["confirmed"] == ["sample-independence"]
    assert not any(f["confirmed"] for f in entries(checked)["right"]["lint"])


def test_each_report_names_its_backend(checked):
    assert {entry["backend"] for entry in entries(checked).values()} == {BACKEND}


@pytest.mark.skipif(
    BACKEND != "torch" or len(INSTALLED) < 2,
    reason="it starts every backend that is installed, from the tests of one, and compares two",
)
def test_backends_that_disagree_are_told_of(tmp_path):
    file = tmp_path / "losses.py"
    file.write_text(
        "import keras\nfrom keras import ops\n"
        "POWER = {'jax': 1.5, 'tensorflow': 3.0, 'torch': 4.0}[keras.config.backend()]\n"
        "def same(y_true, y_pred):\n"
        "    return ops.mean(ops.square(y_true - y_pred), axis=-1)\n"
        "def other(y_true, y_pred):\n"
        "    return ops.mean(ops.abs(y_true - y_pred) ** POWER, axis=-1)\n"
    )
    result = run(
        file, "--backend=all", "--only=backends-agree", "--axes=b [c], b [c]", "--y-true=real",
        "--y-pred=real", "--format=json",
    )  # fmt: skip
    found = {
        (entry["subject"].partition(":")[2], entry["backend"]): entry["results"][0]["status"]
        for entry in json.loads(result.stdout)["losses"]
    }
    first, *others = INSTALLED
    assert found == {
        ("same", first): "skipped",
        ("other", first): "skipped",
        **{("same", backend): "kept" for backend in others},
        **{("other", backend): "broken" for backend in others},
    }
    assert result.exit_code == 1


# ── what is refused, before any process is started ───────────────────────────────────────────

REFUSED = {
    "no file": (["nowhere.py"], "nowhere.py is no file"),
    "no file with a name": (["nowhere.py:focal"], "nowhere.py is no file"),
    "a promise without a value": ([__file__, "--promise", "couples"], "is not KEY=VALUE"),
    "no such backend": ([__file__, "--backend", "pytorch"], "there is no backend pytorch"),
    "no time at all": ([__file__, "--limit", "0"], "--limit"),
    "no such format": ([__file__, "--format", "yaml"], "--format"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_exit_code_two_with_a_reason(name):
    args, said = REFUSED[name]
    result = run(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not result.stdout


def test_a_file_that_is_no_python_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("def loss(y_true, y_pred:\n")
    result = run(tmp_path / "a.py")
    assert result.exit_code == 2
    assert "a.py could not be run" in result.stderr


def test_reading_finds_functions_of_the_module_alone(file):
    reading = Reading.of(file)
    assert reading.functions == ["right", "of_batch", "decorated"]
    assert {f["code"] for f in reading.findings["of_batch"]} >= {"LSM102"}


# ── what is printed ──────────────────────────────────────────────────────────────────────────


def of_batch(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


@pytest.fixture(scope="module")
def outcomes():
    """A broken loss, one that could not be checked, and one that ended its process."""
    ready = prepare(of_batch, "b [c], b [c]")
    units = chosen(["sample-independence", "permutation", "padding-invariance"]).values()
    results = [ready.result(unit) for unit in units]
    broken = Outcome(
        "losses.py:of_batch", BACKEND, dict(ready.facts), "losses.py:of_batch",
        [{**result.to_dict(), "text": str(result)} for result in results],
        findings=[
            {"code": "LSM102", "name": "batch-reduction", "line": 3, "message": "mean over all",
             "confirmed": ["sample-independence"]}
        ],
    )  # fmt: skip
    stopped = check_output.stopped(
        "gradient",
        "the loss \x1b[31mended\x00 the process",
        where="",
        mend="mend it",
        repeat="again",
    )
    return [
        broken,
        Outcome("losses.py:in_jax", BACKEND, refused="in_jax is written in jax\n  fix  this"),
        Outcome("losses.py:gone", BACKEND, results=[stopped]),
    ]


def test_the_text_has_each_result_once_and_counts_them(outcomes):
    text = check_output.text(outcomes)
    for line in (
        "BROKEN    sample-independence",
        "KEPT      permutation",
        "READ      LSM102 batch-reduction, confirmed by sample-independence",
        "1 broken, 1 kept, 1 skipped in",
        "NOT CHECKED\nin_jax is written in jax",
        "3 reports: 0 kept all, 2 broken, 1 not checked",
    ):
        assert text.count(line) == 1, line


def test_junit_is_a_suite_for_each_loss_and_a_case_for_each_check(outcomes):
    root = ET.fromstring(check_output.junit(outcomes))  # noqa: S314 - our own
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "1")
    assert [suite.get("name") for suite in root] == [
        f"{outcome.loss} [{BACKEND}]" for outcome in outcomes
    ]
    for suite in root:
        cases = suite.findall("testcase")
        assert len(cases) == len(suite) == int(suite.get("tests"))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped",) * 2):
            assert int(suite.get(attribute)) == len(suite.findall(f"testcase/{tag}"))
        assert {case.get("classname") for case in cases} == {suite.get("name")}
        assert all(float(case.get("time")) >= 0 for case in cases)
    failure = root.find("testsuite/testcase/failure")
    assert failure.text.startswith("BROKEN    sample-independence")
    assert failure.get("message")


def test_characters_that_xml_lacks_are_left_out(outcomes):
    root = ET.fromstring(check_output.junit(outcomes))  # noqa: S314
    *_, last = root.iter("failure")
    assert last.get("message") == "the loss [31mended the process"


def test_json_has_all_of_a_result_but_its_text(outcomes):
    entry = json.loads(check_output.as_json(outcomes))["losses"][0]
    assert entry["facts"]["axes"] == "b [c], b [c]"
    assert [set(result) for result in entry["results"]] == [
        {*result} - {"text"} for result in outcomes[0].results
    ]
    assert entry["lint"] == outcomes[0].findings


# ── what there is ────────────────────────────────────────────────────────────────────────────


def test_every_check_is_listed_with_its_law():
    result = CliRunner().invoke(cli.main, ["list", "checks"])
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(chosen(None))
    assert all(
        line.endswith(unit.law) for line, unit in zip(lines, chosen(None).values(), strict=True)
    )


def test_a_check_is_explained_and_an_unknown_one_refused():
    result = CliRunner().invoke(cli.main, ["explain-check", "masked-nan"])
    assert result.exit_code == 0
    assert "A loss that breaks it" in result.stdout
    result = CliRunner().invoke(cli.main, ["explain-check", "masked-nana"])
    assert result.exit_code == 2
    assert "masked-nan" in result.stderr
