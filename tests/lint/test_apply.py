"""Fixes: what they change, what they never change, and when they stop."""

import pytest

from lossmith.lint import apply, run
from lossmith.lint.finding import Edit, Finding, Fix, Span
from lossmith.lint.source import PythonFile

ALL = ["LSM203", "LSM204", "LSM601", "LSM506"]


def replacing(old, new, text, *, safe=True, more=()):
    """Findings that replace every `old`, each with the edits in `more` too."""
    found = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if old in line:
            at = line.index(old)
            span = Span(number, at, number, at + len(old))
            fix = Fix((Edit(span, new), *more), safe, "Replace it")
            found.append(Finding("LSM204", "unguarded-count", "m", span, fix=fix))
    return found


@pytest.mark.usefixtures("fakes")
def test_safe_fixes_are_made_and_others_only_when_asked_for():
    module = PythonFile("a.py", "count(  1 ) # keep\nbad_mean()\nhopeless()\n")
    safe = run.lint(module, ALL, fix=True)
    assert safe.source.text == "guarded(  1 ) # keep\nbad_mean()\nhopeless()\n"
    assert [finding.code for finding in safe.findings] == ["LSM203", "LSM601"]
    both = run.lint(module, ALL, fix=True, unsafe=True)
    assert both.source.text == "guarded(  1 ) # keep\ngood_mean()\nhopeless()\n"
    assert both.applied == 2


@pytest.mark.usefixtures("fakes")
def test_mending_twice_is_mending_once():
    once = run.lint(PythonFile("a.py", "count(count())\n"), ALL, fix=True)
    again = run.lint(once.source, ALL, fix=True)
    assert once.source.text == again.source.text == "guarded(guarded())\n"
    assert again.applied == 0


@pytest.mark.parametrize(
    "text", ["é = '語', count()\r\ny = 1\r\n", "count()\ry = 1", "\fcount()\n"]
)
@pytest.mark.usefixtures("fakes")
def test_newlines_and_columns_after_wide_characters_are_kept(text):
    fixed = run.lint(PythonFile("a.py", text), ALL, fix=True)
    assert fixed.source.text == text.replace("count", "guarded")


def test_newlines_of_an_edit_are_those_of_the_text_and_mixed_ones_stay():
    edits = [Edit(Span(1, 0, 1, 0), "import keras\n"), Edit(Span(3, 0, 3, 1), "z")]
    assert apply.edited("x = 1\r\ny = 2\nq = 3\r\n", edits) == (
        "import keras\r\nx = 1\r\ny = 2\nz = 3\r\n"
    )


def test_of_overlapping_fixes_one_is_made_in_a_pass_and_the_other_after_linting_again():
    passes = []

    def find(text):
        passes.append(text)
        whole = replacing("log(softmax(x))", "log_softmax(x)", text)
        return [*whole, *replacing("softmax(x)", "stable(x)", text)]

    mended = apply.mend("y = log(softmax(x))\n", find, unsafe=False)
    assert passes == [
        "y = log(softmax(x))\n",
        "y = log_softmax(x)\n",
        "y = log_stable(x)\n",
    ]
    assert mended == apply.Mended("y = log_stable(x)\n", 2)


def test_an_edit_that_two_fixes_share_is_made_once():
    imported = Edit(Span(1, 0, 1, 0), "import keras\n")
    text = "count()\nx = count()\n"
    mended = apply.mend(
        text, lambda text: replacing("count", "guarded", text, more=[imported]), unsafe=False
    )
    assert mended == apply.Mended("import keras\nguarded()\nx = guarded()\n", 2)


def test_a_fix_that_would_not_parse_is_not_made_and_said():
    mended = apply.mend(
        "x = count()\n", lambda text: replacing("count()", "count(", text), unsafe=False
    )
    assert mended.text == "x = count()\n"
    assert mended.applied == 0
    assert mended.fault == (
        "the fixes of LSM204 would leave code that does not parse; they are not made"
    )


def test_what_was_mended_before_a_fix_that_would_not_parse_is_kept():
    def find(text):
        return replacing("a", "bb", text) or replacing("bb", "b(", text)

    mended = apply.mend("a\n", find, unsafe=False)
    assert (mended.text, mended.applied) == ("bb\n", 1)
    assert "does not parse" in mended.fault


def test_fixes_that_never_end_leave_the_text_as_it_was():
    mended = apply.mend("a\n", lambda text: replacing("a", "aa", text), unsafe=False)
    assert (mended.text, mended.applied) == ("a\n", 0)
    assert "passes" in mended.fault
