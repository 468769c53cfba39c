"""Which files there are to lint, and how they are read and written."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lossmith.lint.notebook import Notebook
from lossmith.lint.source import PythonFile, Source, Unreadable

SUFFIXES = (".py", ".ipynb")

EXCLUDED = frozenset(
    {
        *(".bzr", ".git", ".hg", ".svn"),
        *(
            ".direnv",
            ".nox",
            ".tox",
            ".venv",
            "venv",
            "__pypackages__",
            "node_modules",
            "site-packages",
        ),
        *(".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__"),
        *(".eggs", ".vscode", "build", "dist"),
    }
)
"""Directories that are not gone into, unless they are given by name."""

Excludes = Callable[[Path], bool]


def find(paths: Sequence[Path], excludes: Excludes) -> Iterator[Path]:
    """Yield the files of `paths` in order, each once.

    Directories are searched, but links to directories are not followed, so that there are no
    loops. A file or directory that is given by name is read whatever the patterns say, and
    whatever its suffix.
    """
    seen: set[str] = set()
    for path in paths:
        for file in _below(path, excludes) if path.is_dir() else [path]:
            real = os.path.realpath(file)
            if real not in seen:
                seen.add(real)
                yield file


def _below(directory: Path, excludes: Excludes) -> Iterator[Path]:
    for root, folders, names in os.walk(directory):
        here = Path(root)
        folders[:] = sorted(
            name for name in folders if name not in EXCLUDED and not excludes(here / name)
        )
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not excludes(here / name):
                yield here / name


def matches(path: Path, pattern: str, root: Path) -> bool:
    """Whether a pattern means a path: its name, that of a folder above it, or it from `root`."""
    try:
        # Not resolved: a link is where it stands, not where it leads.
        inside = Path(os.path.abspath(path)).relative_to(root)  # noqa: PTH100
    except ValueError:
        inside = path
    names = [*inside.parts, *(folder.as_posix() for folder in [inside, *inside.parents][:-1])]
    return any(fnmatch.fnmatchcase(name, pattern.rstrip("/")) for name in names)


def read(path: Path) -> Source:
    """Read a file as Python, or as a notebook; raises Unreadable."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unreadable("it is not a regular file")
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error
    return parse(str(path), content)


def parse(path: str, content: bytes) -> Source:
    """Make the source of what was read; the suffix of `path` says which kind; raises Unreadable."""
    kind = Notebook if path.endswith(".ipynb") else PythonFile
    return kind.from_bytes(path, content)


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step, or not at all. Its mode stays, and links stay links."""
    path = path.resolve()
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} may not be written")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(stat.S_IMODE(path.stat().st_mode))
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
