"""Which files are linted, how they are decoded, and how they are written."""

import codecs
import os
import stat
from pathlib import Path

import pytest

from lossmith.lint import files
from lossmith.lint.source import PythonFile, Unreadable


def nothing(_):
    return False


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a.py",
        "b/c.py",
        "b/notes.txt",
        "b/n.ipynb",
        "b/d/e.py",
        ".venv/lib/site.py",
        "node_modules/x.py",
        "build/lib/a.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def found(paths, excludes=nothing, root=None):
    return [file.relative_to(root).as_posix() for file in files.find(paths, excludes)]


def test_a_directory_is_searched_for_python_and_notebooks_but_not_in_what_is_installed(tree):
    assert found([tree], root=tree) == ["a.py", "b/c.py", "b/n.ipynb", "b/d/e.py"]


def test_what_is_given_by_name_is_read_though_a_search_would_leave_it_out(tree):
    given = [tree / ".venv", tree / "b/notes.txt", tree / "a.py"]
    assert found(given, lambda _: True, root=tree) == ["b/notes.txt", "a.py"]
    assert found([tree / ".venv"], root=tree) == [".venv/lib/site.py"]


def test_a_file_given_twice_is_read_once(tree):
    assert found([tree / "a.py", tree / "b/../a.py", tree / "b/d", tree / "b"], root=tree) == [
        "a.py",
        "b/d/e.py",
        "b/c.py",
        "b/n.ipynb",
    ]


def test_a_loop_of_links_ends(tree):
    (tree / "b/loop").symlink_to(tree, target_is_directory=True)
    (tree / "b/self.py").symlink_to(tree / "b/self.py")
    assert found([tree], root=tree) == ["a.py", "b/c.py", "b/n.ipynb", "b/self.py", "b/d/e.py"]
    with pytest.raises(Unreadable):
        files.read(tree / "b/self.py")


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("b", ["b/c.py", "b/d/e.py"]),
        ("b/", ["b/c.py", "b/d/e.py"]),
        ("b/d", ["b/d/e.py"]),
        ("b/*.py", ["b/c.py", "b/d/e.py"]),
        ("**/e.py", ["b/d/e.py"]),
        ("[ac].py", ["a.py", "b/c.py"]),
        ("d/e.py", []),
        ("B", []),
    ],
)
def test_a_pattern_means_a_name_a_folder_or_a_path_from_the_root(tree, pattern, meant):
    every = ["a.py", "b/c.py", "b/d/e.py"]
    assert [name for name in every if files.matches(tree / name, pattern, tree)] == meant


def test_excluded_directories_are_not_gone_into(tree):
    assert found([tree], lambda path: files.matches(path, "b/d", tree), root=tree) == [
        "a.py",
        "b/c.py",
        "b/n.ipynb",
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("é = 'ß'\n".encode(), "é = 'ß'\n"),
        (codecs.BOM_UTF8 + b"x = 1\r\n", "x = 1\r\n"),
        ("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "# coding: latin-1\nx = 'é'\n"),
        (
            "# -*- coding: cp1251 -*-\nx = 'я'\r".encode("cp1251"),
            "# -*- coding: cp1251 -*-\nx = 'я'\r",
        ),
    ],
)
def test_a_file_is_decoded_as_python_does_and_encoded_back_to_the_same_bytes(content, text):
    module = PythonFile.from_bytes("a.py", content)
    assert module.text == text
    assert module.to_bytes() == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"x = 1\0\n", "NUL"),
        (b"x = '\xff'\n", "decode"),
        (b"# coding: no-such-codec\n", "no-such-codec"),
        (codecs.BOM_UTF8 + b"# coding: latin-1\n", "latin-1|utf-8"),
        ("x = 1".encode("utf-16"), "NUL"),
    ],
)
def test_what_is_no_text_says_so_in_one_line(content, why):
    with pytest.raises(Unreadable, match=why) as raised:
        PythonFile.from_bytes("a.py", content)
    assert "\n" not in str(raised.value)


def test_what_is_not_there_or_is_no_file_says_so(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        files.read(tmp_path / "none.py")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(Unreadable, match="not a regular file"):
        files.read(tmp_path / "pipe.py")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_without_permission_says_so(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    path.chmod(0)
    with pytest.raises(Unreadable, match="Permission denied"):
        files.read(path)
    path.chmod(0o400)
    with pytest.raises(PermissionError):
        files.write(path, b"")


def test_writing_keeps_the_mode_and_follows_a_link_and_leaves_nothing_else(tmp_path):
    path, link = tmp_path / "a.py", tmp_path / "link.py"
    path.write_text("x = 1\n")
    path.chmod(0o754)
    link.symlink_to(path)
    files.write(link, b"x = 2\n")
    assert path.read_bytes() == b"x = 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o754
    assert link.is_symlink()
    assert sorted(child.name for child in tmp_path.iterdir()) == ["a.py", "link.py"]


def test_a_failed_write_leaves_the_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        files.write(path, b"x = 2\n")
    assert [child.read_text() for child in tmp_path.iterdir()] == ["x = 1\n"]
