"""A page as one file."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from string import Template

from lossmith.look.page import html
from lossmith.look.page.sections import Bars, Grid, Lines, Section
from lossmith.messages import ArgumentError

_HERE = Path(__file__).parent


def render(title: str, sections: Sequence[Section]) -> str:
    """Return a page; the library that draws stands in it where there is something to draw.

    The page forbids itself the network, and every script but its own.

    Raises:
        ArgumentError: If the library that draws is not installed.
    """
    parts = [part for part in sections if part.blocks]
    drawn = any(isinstance(block, Lines | Bars | Grid) for part in parts for block in part.blocks)
    scripts = [_plotly(), _template("page.js")] if drawn else []
    return Template(_template("page.html")).substitute(
        title=escape(title),
        policy=_policy(scripts),
        style=_template("page.css"),
        links=html.links(parts),
        body="\n".join(html.section(part, number) for number, part in enumerate(parts)),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def write(path: str | os.PathLike[str], title: str, sections: Sequence[Section]) -> None:
    """Write a page to a file, whole or not at all.

    Raises:
        ArgumentError: If it cannot be written there, or the library that draws is not installed.
    """
    text = render(title, sections)
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink()
        raise ArgumentError(
            "the page cannot be written there",
            got=f"{path}: {error.strerror}",
            expected="a file in a directory that is there and can be written to",
            fix="--out report.html",
        ) from error


def _template(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """Say what a browser may do with the page: draw it, and run the scripts given here."""
    allowed = " ".join(f"'sha256-{_hash(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plotly() -> str:
    if find_spec("plotly") is None:
        raise ArgumentError(
            "charts need a package that is not installed",
            got="missing: plotly",
            expected="the extra with the library that draws, which is put into the page",
            fix='pip install "lossmith[report]"',
        )
    return str(import_module("plotly.offline").get_plotlyjs())
