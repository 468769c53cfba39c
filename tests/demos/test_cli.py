"""The command line: quick to answer, and clear about what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import pytest
from click.testing import CliRunner

from lossmith import cli
from lossmith.demos import co2, environment
from lossmith.demos.output import Output
from lossmith.messages import ArgumentError

HEAVY = ("keras", "numpy", "rich", "jax", "tensorflow", "torch", "matplotlib")
BACKEND = keras.config.backend()


def _run(*args):
    return CliRunner().invoke(cli.main, args)


@pytest.mark.parametrize("args", [["--help"], ["demo", "--help"], ["demo", "g2p", "--help"]])
def test_help_imports_nothing_heavy(args):
    code = (
        "import sys\n"
        "from lossmith.cli import main\n"
        f"main({args!r}, standalone_mode=False)\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Usage:" in run.stdout
    assert run.stdout.splitlines()[-1].strip() == "heavy:"


def test_version():
    result = _run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("lossmith, version ")


REFUSED = {
    "no epochs": (["g2p", "--epochs", "0"], "--epochs is below 1"),
    "negative words": (["g2p", "--words", "-5"], "--words is below 1"),
    "no epochs of co2": (["co2", "--epochs", "0"], "--epochs is below 1"),
    "negative seed": (["co2", "--seed", "-1"], "--seed is below 0"),
    "too many words": (["g2p", "--words", "999999"], "the dictionary has not so many words"),
    "unknown backend": (["co2", "--backend", "jaxx"], "fix       --backend jax"),
    "out is a file": (["co2", "--out", __file__], "is not a directory"),
    "out is below a file": (["g2p", "--out", f"{__file__}/a/b"], "is not a directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_the_style_of_the_library(name, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: pytest.fail("something was trained"))
    args, text = REFUSED[name]
    result = _run("demo", *args)
    assert result.exit_code == cli.UNABLE
    assert text in result.stderr
    assert "  expected  " in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout


def test_a_result_that_cannot_be_written_over_is_refused_at_the_start(tmp_path):
    (tmp_path / "results.json").mkdir()
    with pytest.raises(ArgumentError, match="cannot be written over"):
        Output(tmp_path)


def test_nothing_is_made_before_there_is_something_to_write(tmp_path):
    assert Output(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


def test_a_missing_framework_names_its_extra(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda _: None)
    result = _run("demo", "co2", "--backend", "torch")
    assert result.exit_code == cli.UNABLE
    assert 'pip install "lossmith[demos]"' in result.stderr
    with pytest.raises(ArgumentError, match=r'pip install "lossmith\[torch\]"'):
        environment.choose_backend("torch")


def test_the_backend_cannot_change_once_keras_runs(monkeypatch):
    other = next(name for name in environment.BACKENDS if name != BACKEND)
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    with pytest.raises(ArgumentError, match="cannot change its backend"):
        environment.choose_backend(other)
    assert os.environ["KERAS_BACKEND"] == BACKEND


@pytest.mark.parametrize("names", [[], ["results.json"], ["results.json", "curves.png"]])
def test_interrupted_says_what_was_written(names, monkeypatch, tmp_path, capfd):
    def interrupted(_, output):
        output.written += [tmp_path / name for name in names]
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(co2, "run", interrupted)
    monkeypatch.setattr(cli.demo.os, "_exit", sys.exit)
    result = _run("demo", "co2", "--out", str(tmp_path))
    written = ", ".join(str(tmp_path / name) for name in names) or "nothing"
    assert result.exit_code == cli.demo.INTERRUPTED
    assert capfd.readouterr().err == f"stopped; {written} was written\n"
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for another process")
def test_a_real_interrupt_of_a_training_ends_in_one_line():
    args = ["demo", "co2", "--epochs", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-c", f"from lossmith.cli import main; main({args!r})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("Weekly CO2")
    time.sleep(0.5)  # the first step is being compiled
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == cli.demo.INTERRUPTED
    assert errors.splitlines()[-1] == "stopped; nothing was written"
    assert "Traceback" not in errors


def test_what_is_no_number_is_null_in_the_results(tmp_path):
    from matplotlib.figure import Figure

    output = Output(tmp_path / "new")
    output.write({"a": [1.0, float("nan")], "b": {"c": float("inf")}}, Figure())
    assert json.loads(output.written[0].read_text()) == {"a": [1.0, None], "b": {"c": None}}
    assert [path.name for path in output.written] == ["results.json", "curves.png"]
