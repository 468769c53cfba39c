"""`docs/faults.md` runs, and its numbers are those of the tests."""

import ast
import math
import re

import numpy as np
import pytest

from tests.faults import test_table as table
from tests.faults.measured import FAULTS
from tests.support import source

PAGE = (source.ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
SECTIONS = {
    part.splitlines()[0].strip(): part for part in re.split(r"^###? ", PAGE, flags=re.MULTILINE)[1:]
}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
NUMBERS = re.compile(r"^\| ([\d.]+) \| \*\*([\d.]+|nan|inf)\*\* \|", re.MULTILINE)
WITH_CODE = [title for title, text in SECTIONS.items() if BLOCK.search(text)]


def _heading(name):
    title = FAULTS[name].title
    return f"{name} {title}" if name.startswith("F") else title


def _close(number, written):
    """Whether a number is the one written, to the places written."""
    places = len(written.partition(".")[2])
    wanted = float(written)
    if not math.isfinite(wanted):
        return np.isclose(number, wanted, equal_nan=True)
    return abs(number - wanted) <= 0.5 * 10.0**-places + 1e-6


@pytest.mark.parametrize("name", FAULTS)
def test_every_measured_fault_has_its_section(name):
    assert _heading(name) in SECTIONS


@pytest.mark.parametrize("name", [name for name in FAULTS if FAULTS[name].wrong is not None])
def test_the_numbers_of_a_section_are_the_measured_ones(name):
    found = NUMBERS.findall(SECTIONS[_heading(name)])
    assert len(found) == 1
    right, wrong = found[0]
    assert _close(FAULTS[name].right, right)
    assert _close(FAULTS[name].wrong, wrong)


def _run(code, names):
    """Run code; hold a line that is an expression to the number or exception behind it."""
    lines = code.splitlines()
    held = 0
    for statement in ast.parse(code).body:
        text = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        comment = lines[statement.end_lineno - 1][statement.end_col_offset :].partition("# ")[2]
        compiled = compile(ast.Module([statement], []), "docs/faults.md", "exec")
        if not isinstance(statement, ast.Expr) or not comment:
            exec(compiled, names)  # noqa: S102 - the page's own code
        elif comment.endswith("Error"):
            held += 1
            with pytest.raises(ValueError, match=r"fix") as caught:
                exec(compiled, names)  # noqa: S102
            assert type(caught.value).__name__ == comment, text
        else:
            held += 1
            value = float(eval(ast.unparse(statement.value), names))  # noqa: S307
            assert _close(value, comment), f"{text}\ngives {value}"
    return held


@pytest.mark.parametrize("title", WITH_CODE)
def test_the_code_of_a_section_gives_what_it_says(title):
    names = {"__name__": "docs"}
    shared, *earlier = BLOCK.findall(PAGE)
    _run(shared, names)
    for block in earlier[: earlier.index(BLOCK.findall(SECTIONS[title])[0])]:
        _define(block, names)
    assert sum(_run(block, names) for block in BLOCK.findall(SECTIONS[title])) > 0


def _define(code, names):
    """Run the classes of an earlier section, which a later one may use."""
    body = [part for part in ast.parse(code).body if isinstance(part, ast.ClassDef)]
    exec(compile(ast.Module(body, []), "docs/faults.md", "exec"), names)  # noqa: S102


def test_the_table_is_the_measured_one():
    rows = re.findall(r"^\| (no|yes) \| (\S+) \| (\w{4}) \| (\w{4}) \|", PAGE, re.MULTILINE)
    assert {(mask, weight): (a, b) for mask, weight, a, b in rows} == {
        (word, weight): tuple(table.KERAS[size, mask][weight] for size in table.SIZES)
        for word, mask in (("no", False), ("yes", True))
        for weight in table.WEIGHTS
    }


@pytest.mark.parametrize(
    ("number", "written", "same"),
    [
        (1.55556, "1.5556", True),
        (1.5557, "1.5556", False),
        (float("nan"), "nan", True),
        (0.0, "nan", False),
    ],
)
def test_numbers_are_compared_to_the_places_written(number, written, same):
    assert _close(number, written) == same
