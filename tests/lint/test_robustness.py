"""Whatever it is given: one clear line for the file, and on. It never runs what it reads."""

import codecs
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from lossmith.cli import main

LOSS = """\
from keras import ops


def loss(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred))
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(main, ["lint", *map(str, args)], catch_exceptions=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"def f(:\n", "it is not Python 3: invalid syntax (line 1)"),
        (b"print 'x'\n", "it is not Python 3: Missing parentheses in call to 'print'"),
        (
            b"try:\n    f()\nexcept A, b:\n    pass\n",
            "it is not Python 3: multiple exception types",
        ),
        (b"x = 0777\n", "it is not Python 3: leading zeros"),
        (b"if x:\n\ty\n        z\n", "it is not Python 3: inconsistent use of tabs"),
        (b"x = 1\0", "NUL"),
        (b"\xff\xfe\x00", "NUL"),
        (b"x = '\xe9'\n", "it cannot be decoded"),
        (b"# coding: rot13\nk = 1\n", "it cannot be decoded"),
        (b"# coding: nonsense\n", "it cannot be decoded: unknown encoding"),
        (b"(" * 1000, "it is not Python 3: too many nested parentheses"),
        (b"-" * 100_000 + b"1", "it is nested too deeply"),
        (b"x = " + b"1" * 5000, "it is not Python 3: Exceeds the limit"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_the_next_file_is_linted(call, tmp_path, content, said):
    (tmp_path / "a.py").write_bytes(content + b"\n# loss\n")
    (tmp_path / "b.py").write_text(LOSS)
    found = call("--select", "LSM102")
    (line,) = found.stderr.splitlines()
    assert line.startswith("a.py: skipped: ")
    assert said in line
    assert "b.py:5:12: LSM102" in found.stdout
    assert found.exit_code == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"# only a comment",
        b"\x0c\n",
        codecs.BOM_UTF8,
        b"'\\d'\n1 is 1\nassert (x, 1)\n",  # the parser warns of these
        "ℼ = 'é'  # ü\n".encode(),
        b"x = " + b"[" * 80 + b"]" * 80,
        b"x = " + b" + ".join([b"y"] * 600),
        b"x" + b".a" * 300 + b"\n",
        b"if a:\n    pass\n" + b"elif a:\n    pass\n" * 200,
    ],
)
def test_odd_but_good_files_are_read(call, tmp_path, content):
    (tmp_path / "a.py").write_bytes(content)
    found = call("--select=ALL")
    assert (found.exit_code, found.stderr) == (0, "")


@pytest.mark.parametrize("number", [2000, 200_000])
def test_a_chain_too_long_for_the_stack_is_read_or_skipped_in_one_line(call, tmp_path, number):
    (tmp_path / "a.py").write_bytes(b"def f(y_true, y_pred):\n    return " + b"y+" * number + b"y")
    found = call("--select=ALL")
    assert found.exit_code in {0, 1} or found.stderr == "a.py: skipped: it is nested too deeply\n"


def test_a_loss_is_found_whatever_the_encoding_and_newlines(call, tmp_path):
    forms = {
        "bom": codecs.BOM_UTF8 + LOSS.encode(),
        "latin": ("# coding: latin-1\n# é\n" + LOSS).encode("latin-1"),
        "dos": LOSS.replace("\n", "\r\n").encode(),
        "mac": LOSS.replace("\n", "\r").encode(),
        "bare": LOSS.rstrip().encode(),
    }
    for name, content in forms.items():
        (tmp_path / f"{name}.py").write_bytes(content)
    found = call("--select", "LSM102")
    assert found.stderr == ""
    assert found.stdout.count("LSM102") == len(forms)
    assert call("--select", "LSM102", "--unsafe-fixes").exit_code == 0
    for name, content in forms.items():
        fixed = (tmp_path / f"{name}.py").read_bytes()
        assert fixed == content.replace(b"y_pred))", b"y_pred), axis=-1)")


def test_fifty_thousand_lines_take_seconds(call, tmp_path):
    plain = "\n\ndef step_{n}(x, y):\n    z = ops.square(x - y)\n    return [z, x, y]\n"
    body = "".join(plain.format(n=n) for n in range(10_000))
    text = LOSS + body + LOSS.replace("def loss", "def last")
    assert text.count("\n") > 50_000
    (tmp_path / "a.py").write_text(text)
    start = time.process_time()
    assert call("--select=ALL").stdout.count("LSM102") == 2
    assert time.process_time() - start < 20


def test_directories_in_directories_and_loops_end(call, tmp_path):
    deep = tmp_path.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "a.py").write_text(LOSS)
    (deep / "up").symlink_to(tmp_path, target_is_directory=True)
    (deep / "nowhere.py").symlink_to(deep / "none.py")
    (deep / "folder.py").mkdir()
    found = call("--select", "LSM102", "--format", "github")
    assert found.stdout.count("::error") == 1
    assert "nowhere.py: skipped: No such file" in found.stderr


def test_a_name_that_is_no_utf_8_is_shown_somehow(call, tmp_path):
    (tmp_path / os.fsdecode(b"\xff.py")).write_text(LOSS)
    for form in ("text", "json", "github", "sarif"):
        assert call("--select", "LSM102", "--format", form).exit_code == 1


def test_what_it_reads_is_neither_run_nor_imported(call, tmp_path):
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n"
    (tmp_path / "trap.py").write_text(trap + LOSS)
    (tmp_path / "conftest.py").write_text(trap)
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text(trap)
    (tmp_path / "package/losses.py").write_text("from . import x\nfrom trap import loss\n" + LOSS)
    (tmp_path / "sitecustomize.py").write_text(trap)
    assert call("--select=ALL", ".").exit_code == 1
    assert call("--select=ALL", "--unsafe-fixes", ".").exit_code in {0, 1}
    assert not (tmp_path / "sprung").exists()


def test_nothing_of_a_tree_changes_without_fix(call, tmp_path):
    (tmp_path / "a.py").write_text(LOSS)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.py").write_text(LOSS.replace("ops.square", "ops.abs"))

    def state() -> dict[Path, tuple[int, int, bytes]]:
        paths = [tmp_path, *tmp_path.rglob("*")]
        return {
            path: (
                path.stat().st_mtime_ns,
                path.stat().st_ino,
                path.read_bytes() if path.is_file() else b"",
            )
            for path in paths
        }

    before = state()
    for extra in ([], ["--format=json"], ["--format=sarif"], ["--diff", "--unsafe-fixes"]):
        assert call("--select=LSM102", *extra).exit_code == 1
    assert state() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_and_a_directory_without_permission_are_skipped(call, tmp_path):
    (tmp_path / "a.py").write_text(LOSS)
    (tmp_path / "a.py").chmod(0)
    assert "a.py: skipped: Permission denied" in call().stderr


def test_a_file_without_a_word_for_a_loss_is_not_parsed(call, tmp_path):
    (tmp_path / "a.py").write_text("def f(:\n")
    found = call()
    assert (found.stderr, found.exit_code) == ("", 0)


def test_columns_count_characters_and_newlines_of_windows_are_kept(call, tmp_path):
    line = '    é = "日本"; return ops.mean(ops.square(y_true - y_pred))'
    text = f"from keras import ops\r\n\r\ndef loss(y_true, y_pred):\r\n{line}\r\n"
    (tmp_path / "a.py").write_bytes(text.encode())
    call("--select", "LSM102", "--fix", "--unsafe-fixes")
    fixed = line.replace("y_pred))", "y_pred), axis=-1)")
    assert (tmp_path / "a.py").read_bytes() == text.replace(line, fixed).encode()


@pytest.mark.parametrize("depth", [10, 60, 90])
def test_a_loss_in_deep_nesting_is_found(call, tmp_path, depth):
    calls = "ops.abs(" * depth + "y_true - y_pred" + ")" * depth
    (tmp_path / "a.py").write_text(
        f"from keras import ops\ndef loss(y_true, y_pred):\n    return ops.mean({calls})\n"
    )
    assert "a.py:3:12: LSM102" in call("--select", "LSM102").stdout
