"""`lossmith lint`, `lossmith rule` and `lossmith list rules` as they are called."""

import json
import os
import subprocess

import pytest
from click.testing import CliRunner

from lossmith.cli import main

pytestmark = pytest.mark.usefixtures("fakes")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call the command in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *args, stdin=None: CliRunner().invoke(main, [str(a) for a in args], input=stdin)


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_bytes(text.encode())


def state(folder):
    """Everything of the files that a program could change, but for the times of reading."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino, path.is_file() and path.read_bytes())
        for path in sorted([folder, *folder.rglob("*")])
    }


# ── exit codes ───────────────────────────────────────────────────────────────────────────────


def test_exit_0_without_findings_1_with_2_when_nothing_could_be_read(call, tmp_path):
    write(tmp_path, good="x = 1\n", bad="count()\n", broken="print 1\n")
    assert call("lint", "good.py").exit_code == 0
    assert call("lint", "good.py", "bad.py").exit_code == 1
    assert call("lint", "good.py", "broken.py").exit_code == 0
    assert call("lint", "broken.py", "none.py").exit_code == 2
    assert call("lint").exit_code == 1
    assert call("lint", "--select", "nonsense").exit_code == 2
    assert call("lint", "--no-such-option").exit_code == 2


def test_a_directory_without_python_is_no_fault(call):
    assert call("lint", ".").exit_code == 0


def test_a_file_that_cannot_be_read_is_one_line_on_stderr_and_the_others_go_on(call, tmp_path):
    write(tmp_path, a="def f(:\n", b="count()\n")
    found = call("lint")
    assert "b.py:1:1: LSM204" in found.stdout
    assert found.stderr.splitlines() == [
        "a.py: skipped: it is not Python 3: invalid syntax (line 1)"
    ]


# ── what is run ──────────────────────────────────────────────────────────────────────────────


def test_select_and_ignore_take_lists_with_commas_and_repeat(call, tmp_path):
    write(tmp_path, a="count()\nbad_mean()\nhopeless()\nprint()\n")
    assert codes(call("lint", "--format=json")) == ["LSM204", "LSM203", "LSM601"]
    chosen = ["--select=LSM2,print-in-loss", "--select", "LSM6", "--ignore", "LSM203"]
    assert codes(call("lint", "--format=json", *chosen)) == ["LSM204", "LSM601", "LSM506"]


def codes(found):
    return [finding["code"] for finding in json.loads(found.stdout)["findings"]]


def test_pyproject_is_read(call, tmp_path):
    write(tmp_path, a="count()\n", old="count()\n")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.lossmith.lint]\nexclude = ["old.py"]\nper-file-ignores = { "a.py" = ["LSM204"] }\n'
    )
    assert call("lint").stdout == "No faults found in 1 file.\n"
    assert call("lint", "old.py").exit_code == 1


def test_a_fault_of_pyproject_is_a_message(call, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.lossmith.lint]\nselct = []\n")
    found = call("lint")
    assert found.exit_code == 2
    assert "write 'select'" in found.stderr


# ── fixes ────────────────────────────────────────────────────────────────────────────────────


def test_fix_writes_what_is_safe_and_reports_what_is_left(call, tmp_path):
    write(tmp_path, a="count()\r\nbad_mean()\r\n", b="x = 1\n")
    before = state(tmp_path)
    found = call("lint", "--fix")
    assert found.exit_code == 1
    assert found.stdout.endswith("Fixed 1 fault, 1 left (1 fixable with --unsafe-fixes).\n")
    assert (tmp_path / "a.py").read_bytes() == b"guarded()\r\nbad_mean()\r\n"
    assert state(tmp_path)[tmp_path / "b.py"] == before[tmp_path / "b.py"]
    found = call("lint", "--unsafe-fixes")
    assert found.exit_code == 0
    assert (tmp_path / "a.py").read_bytes() == b"guarded()\r\ngood_mean()\r\n"


def test_diff_shows_the_change_and_writes_nothing(call, tmp_path):
    write(tmp_path, a="x = 1\ncount()", b="hopeless()\n")
    before = state(tmp_path)
    found = call("lint", "--diff")
    assert found.exit_code == 1
    assert found.stdout == (
        "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n x = 1\n-count()\n\\ No newline at end of file\n"
        "+guarded()\n\\ No newline at end of file\n"
    )
    assert found.stderr == "Would fix 1 fault.\n"
    assert state(tmp_path) == before
    assert call("lint", "--diff", "b.py").exit_code == 0


def test_a_diff_can_be_applied_by_patch(call, tmp_path):
    write(tmp_path, a="x = 1\ncount()\n" + "y = 2\n" * 20 + "count()\n")
    diff = call("lint", "--diff").stdout
    subprocess.run(["patch", "-p0", "-s"], input=diff, text=True, check=True, cwd=tmp_path)  # noqa: S607
    assert (tmp_path / "a.py").read_text().count("guarded()") == 2


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_nothing_is_written_without_fix(call, tmp_path, form):
    write(tmp_path, a="count()\n", b="bad_mean()\n", broken="def\n")
    before = state(tmp_path)
    call("lint", "--format", form)
    assert state(tmp_path) == before


def test_a_fix_that_cannot_be_written_is_said(call, tmp_path, monkeypatch):
    write(tmp_path, a="count()\n")
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = call("lint", "--fix")
    assert found.exit_code == 2
    assert "a.py: not mended" in found.stderr
    assert (tmp_path / "a.py").read_text() == "count()\n"


def test_a_notebook_is_mended_and_its_diff_is_of_cells(call, tmp_path):
    cells = [{"cell_type": "code", "source": ["count()"]} for _ in range(2)]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    assert "--- n.ipynb:cell 2" in call("lint", "--diff").stdout
    assert call("lint", "--fix").exit_code == 0
    cells = json.loads((tmp_path / "n.ipynb").read_text())["cells"]
    assert [cell["source"] for cell in cells] == [["guarded()"], ["guarded()"]]


# ── stdin ────────────────────────────────────────────────────────────────────────────────────


def test_stdin_is_read_by_a_dash_and_named_as_asked(call):
    found = call("lint", "-", "--stdin-filename", "src/a.py", stdin="count()\n")
    assert found.exit_code == 1
    assert found.stdout.startswith("src/a.py:1:1: LSM204")
    assert call("lint", "-", stdin="count()\n").stdout.startswith("<stdin>:1:1")


def test_stdin_takes_the_configuration_of_its_name(call, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.lossmith.lint]\nper-file-ignores = { "t/*" = ["LSM2"] }\n'
    )
    assert call("lint", "-", "--stdin-filename", "t/a.py", stdin="count()\n").exit_code == 0
    assert call("lint", "-", "--stdin-filename", "a.py", stdin="count()\n").exit_code == 1


def test_fix_makes_a_filter_of_stdin(call):
    found = call("lint", "-", "--fix", stdin=b"x = '\xc3\xa9'; count()\r\nhopeless()\r\n")
    assert found.stdout_bytes == b"x = '\xc3\xa9'; guarded()\r\nhopeless()\r\n"
    assert found.exit_code == 1
    assert "LSM601" in found.stderr


def test_a_filter_of_what_cannot_be_read_gives_it_back(call):
    found = call("lint", "-", "--fix", stdin="def f(:\n")
    assert found.stdout == "def f(:\n"
    assert found.exit_code == 2


def test_a_dash_stands_alone(call):
    assert call("lint", "-", "a.py", stdin="").exit_code == 2


# ── colours ──────────────────────────────────────────────────────────────────────────────────


def test_colours_are_for_terminals_that_want_them(call, tmp_path, monkeypatch):
    import click.testing

    write(tmp_path, a="count()\n")
    assert "\x1b[" not in call("lint").stdout
    terminal = type("Terminal", (click.testing._NamedTextIOWrapper,), {"isatty": lambda _: True})
    monkeypatch.setattr(click.testing, "_NamedTextIOWrapper", terminal)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in call("lint").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in call("lint").stdout


# ── rule and list ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["LSM203", "mean-over-padding"])
def test_rule_prints_the_page_of_a_rule(call, name):
    page = call("rule", name).stdout
    assert page.startswith("LSM203 mean-over-padding\n")
    assert all(word in page for word in ("Why it is bad\n  It only", "  good_mean(x)", "CHK106"))


def test_rule_prints_all_and_as_json(call):
    assert call("rule", "--all").stdout.count("Confirmed by") == 1
    document = json.loads(call("rule", "--all", "--format", "json").stdout)
    assert [page["code"] for page in document] == ["LSM203", "LSM204", "LSM506", "LSM601"]
    assert json.loads(call("rule", "LSM506", "--format=json").stdout)["default"] is False


def test_rule_of_an_unknown_name_says_the_closest(call):
    found = call("rule", "mean-over-paddin")
    assert found.exit_code == 2
    assert "mean-over-padding" in found.stderr
    assert call("rule").exit_code == call("rule", "LSM203", "--all").exit_code == 2


def test_list_rules_has_one_line_each(call):
    lines = call("list", "rules").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["LSM203", "LSM204", "LSM506*", "LSM601"]
    assert lines[0].split(maxsplit=2)[2] == "`bad_mean` stands for a mean that counts padding."
