"""The plug-in of flake8: found by its entry point, and its findings shown."""

import ast
import os
import subprocess
import sys
import tomllib

import pytest

from lossmith.lint.flake8 import Plugin
from tests.support import source

LOSS = """\
from keras import ops


def loss(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))
"""


def found(text):
    return list(Plugin(ast.parse(text), text.splitlines(keepends=True), "a.py").run())


@pytest.mark.usefixtures("fakes")
def test_a_finding_is_line_column_and_text():
    assert found("x = 1\ny = count()\nprint()\n") == [
        (2, 4, "LSM204 unguarded-count: `count` is called", Plugin)
    ]


@pytest.mark.usefixtures("fakes")
def test_what_is_allowed_is_not_shown():
    assert found("count()  # lossmith: allow unguarded-count (never empty)\n") == []


def test_flake8_finds_the_plug_in_and_shows_its_findings(tmp_path):
    project = tomllib.loads((source.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["flake8.extension"]
    info = tmp_path / "path" / "lossmith-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossmith\nVersion: 0\n")
    lines = "".join(f"{name} = {target}\n" for name, target in points.items())
    (info / "entry_points.txt").write_text(f"[flake8.extension]\n{lines}")
    (tmp_path / "a.py").write_text(LOSS)
    run = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--select=LSM,E999", "a.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(info.parent), str(source.SRC)])},
    )
    assert run.stderr == ""
    assert run.stdout.startswith("a.py:5:12: LSM102 batch-reduction: ")
    assert run.returncode == 1
