"""Notebooks: the code of their cells, and what a fix leaves as it is."""

import codecs
import json

import pytest

from lossmith.lint import apply, run
from lossmith.lint.finding import Edit, Span
from lossmith.lint.notebook import Notebook
from lossmith.lint.source import Unreadable

MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": ["count()\n"]}


def code(source, **more):
    lines = source if isinstance(source, str) else list(source)
    return {"cell_type": "code", "execution_count": 1, "outputs": [], "source": lines, **more}


def notebook(*cells, indent=1, **how):
    document = {"cells": list(cells), "metadata": {"name": "é"}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(document, indent=indent, **how).encode()


def read(content):
    return Notebook.from_bytes("n.ipynb", content)


def linted(content, **how):
    return run.lint(read(content), ["LSM203", "LSM204", "LSM601"], **how)


@pytest.mark.usefixtures("fakes")
def test_a_finding_names_its_cell_and_the_line_in_it():
    content = notebook(code(["x = 1\n"]), MARKDOWN, code(["\n", "y = count()"]), code(""))
    result = linted(content)
    (found,) = result.findings
    assert (found.cell, found.span.line, found.span.column) == (2, 2, 4)
    assert result.lines[found.cell][found.span.line - 1] == "y = count()"
    assert found.fix.edits[0].span == found.span


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\ncount()",
        "!pip install keras \\\n   numpy\ncount()",
        "files = !ls\ncount()",
        "x, y = %timeit -o f()\ncount()",
        "keras.losses?\n?keras\nkeras??\ncount()",
        "for x in y:\n    %time f(x)\n    !ls\ncount()",
        "%%time\ncount()",
        "%%capture out\n\ncount()\n",
        'x = """\n%s\n!\n"""\ncount()',
        "await f()\ncount()",
    ],
)
@pytest.mark.usefixtures("fakes")
def test_lines_of_ipython_are_put_aside_and_come_back_as_they_were(source):
    content = notebook(code(source.splitlines(keepends=True)))
    result = linted(content, fix=True)
    assert result.applied == 1
    assert not result.notes
    assert result.source.to_bytes() == content.replace(b"count()", b"guarded()")


def test_cells_in_other_languages_are_left_out():
    document = read(notebook(code("%%bash\ncount()"), code("%%html\n<b>"), code("x = 1")))
    assert [cell.number for cell in document.cells] == [3]
    assert document.skipped == ()


@pytest.mark.usefixtures("fakes")
def test_a_cell_that_is_no_python_is_named_and_the_others_are_linted():
    result = linted(notebook(code("print 1"), code("count()"), code("x = '\0'")))
    assert [finding.cell for finding in result.findings] == [2]
    assert [note.message.split(":")[0] for note in result.notes] == [
        "cell 1 is not Python",
        "cell 3 is not Python",
    ]


@pytest.mark.parametrize("indent", [None, 0, 1, 2, "\t"])
@pytest.mark.parametrize("as_string", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.usefixtures("fakes")
def test_a_fix_changes_nothing_of_the_json_but_the_code(indent, as_string, ascii_only, ending):
    lines = ["# Größe\n", "count()\n", "z = 'ü'"]
    output = {"data": {"text/plain": ["1e-05 ü"]}, "z": 1.0e-05, "a": 10000000000000000000000}
    cell = code("".join(lines) if as_string else lines, outputs=[output])
    how = {"indent": indent, "ensure_ascii": ascii_only}
    content = notebook(MARKDOWN, cell, code("x = 1"), cell, **how) + ending
    result = linted(content, fix=True)
    fixed = result.source.to_bytes()
    assert result.applied == 2
    markdown, rest = content.split(b'"code"', 1)
    assert fixed == markdown + b'"code"' + rest.replace(b"count()", b"guarded()")


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (1, ["import keras\nx = 1", "y = 2\n"]),
        (3, ["x = 1\nimport keras", "y = 2\n"]),
        (5, ["x = 1", "y = 2\nimport keras\n"]),
        (6, ["x = 1", "y = 2\n\nimport keras"]),
    ],
)
def test_a_line_that_a_fix_adds_lands_in_the_cell_that_ends_there(line, cells):
    before = read(notebook(code("x = 1"), code("y = 2\n")))
    edits = [Edit(Span(line, 0, line, 0), "import keras\n")]
    after = before.with_text(apply.edited(before.text, edits))
    assert [text for _, text in after.pieces()] == cells


def test_a_line_before_all_stands_after_a_cell_magic():
    before = read(notebook(code("%%time\nx = 1")))
    after = before.with_text("import keras\n" + before.text)
    assert [text for _, text in after.pieces()] == ["%%time\nimport keras\nx = 1"]


@pytest.mark.usefixtures("fakes")
def test_a_byte_order_mark_stays():
    content = codecs.BOM_UTF8 + notebook(code("count()"))
    fixed = linted(content, fix=True).source.to_bytes()
    assert fixed == content.replace(b"count()", b"guarded()")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "list of cells"),
        (b'{"worksheets": []}', "list of cells"),
    ],
)
def test_what_is_no_notebook_says_so(content, why):
    with pytest.raises(Unreadable, match=why) as raised:
        read(content)
    assert "\n" not in str(raised.value)


def test_odd_cells_do_no_harm():
    cells = [1, {}, {"cell_type": "code"}, {"cell_type": "code", "source": [1]}, code("")]
    assert [cell.number for cell in read(notebook(*cells)).cells] == [3]


def test_a_notebook_without_cells_has_no_code():
    assert read(notebook()).text == ""


def test_a_cell_with_the_marks_of_the_linter_is_left_out():
    source = "# %% lossmith cell 1\n"
    assert read(notebook(code(source))).cells == ()
