"""Comments that say a finding is meant."""

import pytest

from lossmith.lint import run
from lossmith.lint.source import PythonFile

ALL = ["LSM203", "LSM204", "LSM601", "LSM506"]


def lines(text):
    return [finding.span.line for finding in run.lint(PythonFile("a.py", text), ALL).findings]


def faults(text):
    return [(note.line, note.message) for note in run.lint(PythonFile("a.py", text), ALL).notes]


@pytest.mark.parametrize(
    "comment",
    [
        "# lossmith: allow unguarded-count (never empty)",
        "#lossmith:allow unguarded-count (never empty)",
        "# lossmith: allow LSM204 (never empty)",
        "# lossmith: allow mean-over-padding, unguarded-count (see f(x) and #12)",
        "# noqa",
        "# NOQA",
        "# noqa: LSM204",
        "# noqa:E501,LSM204",
        "# noqa: E501 LSM204 never empty",
        "# noqa: LSM2",
        "# noqa: E501  # lossmith: allow unguarded-count (never empty)",
        "# type: ignore  # lossmith: allow unguarded-count (never empty)  # later",
        "# lossmith: allow mean-over-padding (a)  # lossmith: allow unguarded-count (b)",
    ],
)
@pytest.mark.usefixtures("fakes")
def test_a_comment_silences_its_rule_on_its_line(comment):
    assert lines(f"x = count()  {comment}\ncount()\n") == [2]
    assert faults(f"x = count()  {comment}\ncount()\n") == []


@pytest.mark.parametrize(
    "comment",
    [
        "# lossmith: allow mean-over-padding (another rule)",
        "# noqa: E501",
        "# noqa: LSM203",
        "# noqa: because I say so",
        "# noqa-like",
        "'# noqa'",
        "'# lossmith: allow unguarded-count (in a string)'",
    ],
)
@pytest.mark.usefixtures("fakes")
def test_what_speaks_of_something_else_silences_nothing(comment):
    assert lines(f"x = count(), {comment}\n" if "'" in comment else f"count()  {comment}\n") == [1]


@pytest.mark.parametrize("at", ["first", "own", "last"])
@pytest.mark.usefixtures("fakes")
def test_a_statement_of_many_lines_may_say_so_at_either_end(at):
    said = {at: "  # noqa"}
    text = (
        f"y = max({said.get('first', '')}\n    1,\n    count(),{said.get('own', '')}\n"
        f"    2,\n){said.get('last', '')}\ncount()\n"
    )
    assert lines(text) == [6]


@pytest.mark.usefixtures("fakes")
def test_a_comment_in_the_middle_of_a_statement_does_not_speak_for_another_line():
    assert lines("y = max(\n    1,  # noqa\n    count(),\n)\n") == [3]


@pytest.mark.usefixtures("fakes")
def test_the_head_of_a_block_speaks_for_the_head_and_not_for_its_body():
    text = "@count()\ndef f(\n    x=count(),\n):  # noqa\n    return count()\n"
    assert lines(text) == [5]
    assert lines("if count():  # noqa\n    count()\nelse:\n    count()\n") == [2, 4]


@pytest.mark.usefixtures("fakes")
def test_an_allow_without_a_reason_allows_nothing_and_says_so():
    text = "count()\ncount()  # lossmith: allow unguarded-count\ncount()  # lossmith: allow x ( )\n"
    assert lines(text) == [1, 2, 3]
    assert faults(text) == [
        (
            2,
            "nothing is allowed without a reason; write `allow unguarded-count (reason)`",
        ),
        (3, "nothing is allowed without a reason; write `allow x (reason)`"),
    ]


@pytest.mark.usefixtures("fakes")
def test_an_unknown_name_is_reported_with_the_closest():
    text = "count()  # lossmith: allow unguarded-counts, mean-over-padding (why)\n"
    assert lines(text) == [1]
    assert faults(text) == [
        (1, "there is no rule `unguarded-counts`; the closest is `unguarded-count`")
    ]


@pytest.mark.usefixtures("fakes")
def test_a_comment_that_cannot_be_read_is_reported():
    assert faults("x = 1  # lossmith: ignore unguarded-count (why)\n") == [
        (1, "cannot read `ignore unguarded-count (why)`; write `allow NAME (reason)`")
    ]


@pytest.mark.usefixtures("fakes")
def test_a_fix_is_not_made_where_the_finding_is_meant():
    text = "count()  # lossmith: allow unguarded-count (never empty)\ncount()\n"
    fixed = run.lint(PythonFile("a.py", text), ALL, fix=True)
    assert fixed.source.text == text[:-8] + "guarded()\n"
