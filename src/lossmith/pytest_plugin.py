"""`pytest --lossmith`: losses of ordinary files become tests.

This file is imported whenever pytest starts, so it imports nothing but pytest: Keras
comes in with the first file that is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lossmith.checks.unit import Check
    from lossmith.testing import Held


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch."""
    parser.getgroup("lossmith").addoption(
        "--lossmith",
        action="store_true",
        help="check the losses of Python files that are given, and of those below directories "
        "that are given and are no tests",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file in whose code there is a loss."""
    if not parent.config.getoption("--lossmith") or file_path.suffix != ".py":
        return None
    is_given = parent.session.isinitpath(file_path)
    patterns = [*parent.config.getini("python_files"), "conftest.py"]
    if not is_given and any(fnmatch(file_path.name, pattern) for pattern in patterns):
        return None
    if not is_given and not _mentions_loss(file_path):
        return None
    return LossFile.from_parent(parent, path=file_path)


def _mentions_loss(path: Path) -> bool:
    """Whether reading the code finds a loss, or an object of ours."""
    from lossmith.lint import files
    from lossmith.lint.losses import loss_classes, losses
    from lossmith.lint.module import Module
    from lossmith.lint.source import Unreadable

    try:
        module = Module(files.read(path).text, str(path))
    except (Unreadable, SyntaxError):
        return False
    ours = "lossmith" in module.names.modules
    return ours or bool(loss_classes(module)) or any(losses(module))


class LossFile(pytest.File):
    """A file with losses in it."""

    def collect(self) -> Iterator[pytest.Item]:
        """Run the file, and yield an item for each loss and check."""
        from lossmith.checks.loading import load, losses_in
        from lossmith.checks.unit import chosen
        from lossmith.lint import files
        from lossmith.lint.losses import loss_functions
        from lossmith.lint.module import Module
        from lossmith.testing import Held

        module = Module(files.read(self.path).text, str(self.path))
        found, _ = losses_in(load(self.path), loss_functions(module))
        for name, loss in found.items():
            held = Held(loss, file=self.path, named=name)
            for check, unit in chosen(None).items():
                yield LossItem.from_parent(self, name=f"{name}-{check}", held=held, check=unit)


class LossItem(pytest.Item):
    """One check of one loss."""

    def __init__(self, *, held: Held, check: Check, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._held, self._check = held, check

    def runtest(self) -> None:
        """Run it."""
        from lossmith.testing import Test

        Test(self._held, self._check)(self._held.loss)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show the report of a broken check alone, and anything else as pytest does."""
        from lossmith.checks.report import CheckFailed

        if isinstance(excinfo.value, CheckFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where it is."""
        return self.path, None, self.name
