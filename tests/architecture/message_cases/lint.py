"""The linter: its configuration, its rules by name, and a rule without evidence."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from lossmith.lint import config
from lossmith.lint.rule import Rule


def configured(table: str, **options: list[str]) -> None:
    """Load a configuration; the file is named from where it is, so that its path is always one."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(table, encoding="utf-8")
        with contextlib.chdir(folder), named_alike():
            config.load([Path("a.py")], **options)


@contextlib.contextmanager
def named_alike():
    """Name the file in messages without the folder, which is another one each time."""
    try:
        yield
    except config.ArgumentError as error:
        error.at = tuple(os.path.basename(place) for place in error.at)  # noqa: PTH119
        raise


def rule_without_evidence() -> None:
    class Bare(Rule):
        code = "LSM999"
        name = "bare"


CASES: dict[str, Callable[[], object]] = {
    "lint-config-not-toml": lambda: configured("[tool.lossmith.lint"),
    "lint-config-not-a-table": lambda: configured("tool.lossmith.lint = 3"),
    "lint-config-unknown-key": lambda: configured("[tool.lossmith.lint]\nselct = []"),
    "lint-config-not-strings": lambda: configured("[tool.lossmith.lint]\nselect = 'LSM2'"),
    "lint-config-per-file": lambda: configured("[tool.lossmith.lint]\nper-file-ignores = []"),
    "lint-config-unknown-rule": lambda: configured(
        "[tool.lossmith.lint]\nignore = ['mask-by-multiplications']"
    ),
    "lint-select-unknown-rule": lambda: configured(
        "[tool.lossmith.lint]\nselect = ['ALL']", select=["batch-reductions"]
    ),
    "lint-rule-unknown": lambda: config.rule_of("batch-reductions"),
    "lint-rule-without-evidence": rule_without_evidence,
}

ONE_BACKEND: dict[str, tuple[str, str]] = {}

NOT_RAISED: dict[str, str] = {}
