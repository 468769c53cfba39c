"""Write what the files in docs/benchmarks/ say into docs/benchmarks.md, and draw their charts anew.

What stands outside the marks of the page is written by hand.

    python benchmarks/_page.py
"""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

from _report import Report, draw

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, FOLDER = DOCS / "benchmarks.md", DOCS / "benchmarks"
BEGIN, END = "<!-- measured: {name} -->\n", "<!-- end -->\n"
MARKED = re.compile(BEGIN.format(name=r"(\w+)") + f".*?{END}", re.DOTALL)


def page(text: str, folder: Path = FOLDER) -> str:
    """Return the page with what the files in the folder say; what has no file stays as it is."""

    def written(found: re.Match[str]) -> str:
        measured = (folder / f"{found[1]}.json").exists()
        return part(found[1], folder) if measured else found[0]

    return MARKED.sub(written, text)


def told_by(name: str, folder: Path) -> tuple[Report, dict[str, Any]]:
    """Return what a benchmark says of the numbers in its file, and the file."""
    measured = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return importlib.import_module(name).report(measured["found"]), measured


def part(name: str, folder: Path) -> str:
    """Return what a benchmark found, marks included."""
    told, measured = told_by(name, folder)
    picture = f"![{name}]({folder.name}/{name}.png)\n\n" if told.charts else ""
    machine = ", ".join(f"{key} {value}" for key, value in measured["machine"].items())
    source = f"*`benchmarks/{name}.py`, {measured['date']}: {machine}.*\n"
    text = f"\n{picture}{told.markdown()}\n{source}\n"
    return f"{BEGIN.format(name=name)}{text}{END}"


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.json")):
        draw(told_by(path.stem, FOLDER)[0].charts, path.with_suffix(".png"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
