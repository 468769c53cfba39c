"""`[tool.lossmith.lint]`: which rules run where."""

from pathlib import Path

import pytest

from lossmith.lint import config
from lossmith.messages import ArgumentError

pytestmark = pytest.mark.usefixtures("fakes")

DEFAULT = {"LSM203", "LSM204", "LSM601"}


def write(folder, table):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f"[tool.lossmith.lint]\n{table}\n")


def test_without_configuration_the_default_rules_run(tmp_path):
    found = config.load([tmp_path])
    assert found.rules == DEFAULT
    assert found.excludes(tmp_path / "a.py") is False


@pytest.mark.parametrize(
    ("table", "rules"),
    [
        ('select = ["LSM2"]', {"LSM203", "LSM204"}),
        ('select = ["mean-over-padding", "LSM601"]', {"LSM203", "LSM601"}),
        ('select = ["ALL"]', DEFAULT | {"LSM506"}),
        ('select = ["DEFAULT", "print-in-loss"]', DEFAULT | {"LSM506"}),
        ('ignore = ["LSM2"]', {"LSM601"}),
        ('select = ["LSM2"]\nignore = ["unguarded-count"]', {"LSM203"}),
        ("select = []", set()),
    ],
)
def test_rules_are_selected_by_name_code_or_beginning(tmp_path, table, rules):
    write(tmp_path, table)
    assert config.load([tmp_path]).rules == rules


def test_the_command_line_comes_before_the_file(tmp_path):
    write(tmp_path, 'select = ["LSM2"]\nignore = ["LSM204"]')
    assert config.load([tmp_path], select=["LSM6", "LSM204"]).rules == {"LSM601"}
    assert config.load([tmp_path], ignore=["LSM203"]).rules == {"LSM204"}
    assert config.load([tmp_path], ignore=[]).rules == {"LSM203", "LSM204"}


def test_the_nearest_file_with_our_table_is_read(tmp_path):
    write(tmp_path, 'select = ["LSM6"]')
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert config.load([inner / "c.py"]).root == tmp_path
    write(inner, 'select = ["LSM2"]')
    assert config.load([inner / "c.py"]).rules == {"LSM203", "LSM204"}
    assert config.load([inner, tmp_path / "a/d.py"]).rules == {"LSM601"}


def test_patterns_are_relative_to_the_file(tmp_path, monkeypatch):
    write(
        tmp_path, 'exclude = ["old"]\nper-file-ignores = { "tests/*" = ["LSM2"], "t*" = ["LSM6"] }'
    )
    (tmp_path / "tests").mkdir()
    found = config.load([tmp_path])
    assert found.rules_for(tmp_path / "a.py") == DEFAULT
    assert found.rules_for(tmp_path / "tests/a.py") == set()
    assert found.rules_for(tmp_path / "train.py") == {"LSM203", "LSM204"}
    assert found.excludes(tmp_path / "old")
    assert found.excludes(tmp_path / "a/old/b.py")
    monkeypatch.chdir(tmp_path / "tests")
    assert found.rules_for(Path("a.py")) == set()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('selct = ["LSM2"]', "write 'select'"),
        ('select = ["LSM9"]', "there is no such rule"),
        ('select = ["mean-over-paddin"]', "write 'mean-over-padding'"),
        ('per-file-ignores = { "a" = ["LSM9"] }', "per-file-ignores: 'LSM9'"),
        ('select = "LSM2"', "a list of strings"),
        ("ignore = [2]", "a list of strings"),
        ("exclude = true", "a list of strings"),
        ("per-file-ignores = []", "a table of pattern to rules"),
        ("select = [", "TOML"),
    ],
)
def test_a_fault_of_the_file_names_the_file_and_the_mend(tmp_path, table, said):
    write(tmp_path, table)
    with pytest.raises(ArgumentError) as raised:
        config.load([tmp_path])
    assert said in str(raised.value)
    assert str(tmp_path / "pyproject.toml") in str(raised.value)


def test_a_fault_of_the_command_line_says_where(tmp_path):
    with pytest.raises(ArgumentError, match="no such rule") as raised:
        config.load([tmp_path], select=["nonsense"])
    assert "the command line" in str(raised.value)
