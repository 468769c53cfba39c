"""Reports: for people, programs, GitHub and code-scanning services."""

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from lossmith.lint import output, run
from lossmith.lint.finding import Edit, Fix, Span
from lossmith.lint.notebook import Notebook
from lossmith.lint.source import PythonFile

pytestmark = pytest.mark.usefixtures("fakes")

SCHEMA = Path(__file__).parent / "data" / "sarif-2.1.0-rtm.5.json"
ALL = ["LSM203", "LSM204", "LSM601", "LSM506"]


def report(text, path="a.py", **how):
    return run.Report((run.lint(PythonFile(path, text), ALL, **how),))


def notebook_report():
    cell = {"cell_type": "code", "source": ["x = 1\n", "y = count()"]}
    raw = json.dumps({"cells": [cell]}).encode()
    return run.Report((run.lint(Notebook.from_bytes("n.ipynb", raw), ALL),))


def blocks(text, **how):
    return output.text.render(report(text), **how).rstrip("\n").split("\n\n")


def test_a_finding_shows_its_line_and_a_caret_under_each_character():
    assert blocks("x = 1\ny = count() + 1\n")[0] == (
        "a.py:2:5: LSM204 unguarded-count: `count` is called\n"
        "   |\n"
        " 2 | y = count() + 1\n"
        "   |     ^^^^^\n"
        "   = fix (--fix): Call `guarded`"
    )


def test_a_finding_of_a_notebook_names_its_cell():
    text = output.text.render(notebook_report())
    assert text.startswith("n.ipynb:cell 1:2:5: LSM204")
    assert " 2 | y = count()\n   |     ^^^^^\n" in text


@pytest.mark.parametrize(
    ("line", "under"),
    [
        ("if 1:\tcount()", "     \t^^^^^"),
        ("'語', count()", "      ^^^^^"),
        ("'e\u0301', count()", "     ^^^^^"),
        ("'\U0001f600', count()", "      ^^^^^"),
    ],
)
def test_the_caret_is_under_the_place_after_tabs_wide_and_combining_characters(line, under):
    rows = blocks(line + "\n")[0].split("\n")
    assert rows[3] == f"   | {under}"


def test_a_finding_of_many_lines_has_carets_to_the_end_of_its_first(finding):
    source = PythonFile("a.py", "y = max(a,  \n  b)\n")
    found = finding(span=Span(1, 4, 2, 4))
    text = output.text.render(run.Report((run.Result(source, source, (found,)),)))
    assert "   |     ^^^^^^\n" in text


def test_what_would_steer_the_terminal_is_not_printed():
    text = output.text.render(report("'\x1b[2J', count()\n", path="\x1b[31m.py"))
    assert "\x1b" not in text


def test_colours_are_there_only_when_asked_for():
    assert "\x1b" not in "".join(blocks("count()\n"))
    assert "\x1b[1;31mLSM204\x1b[0m" in "".join(blocks("count()\n", color=True))


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        ("x = 1\n", {}, "No faults found in 1 file."),
        ("hopeless()\n", {}, "Found 1 fault."),
        ("count()\ncount()\nhopeless()\n", {}, "Found 3 faults (2 fixable with --fix)."),
        (
            "count()\nbad_mean()\n",
            {},
            "Found 2 faults (1 fixable with --fix, 1 fixable with --unsafe-fixes).",
        ),
        ("count()\n", {"fix": True}, "Fixed 1 fault, none left in 1 file."),
        (
            "count()\nbad_mean()\n",
            {"fix": True},
            "Fixed 1 fault, 1 left (1 fixable with --unsafe-fixes).",
        ),
    ],
)
def test_the_last_line_counts(text, how, said):
    assert output.text.render(report(text, **how)).rstrip().split("\n")[-1] == said


def test_json_has_all_there_is():
    document = json.loads(output.FORMATS["json"](report("y = count()\n")))
    place = {"line": 1, "column": 5, "end_line": 1, "end_column": 10}
    assert document == {
        "files": 1,
        "fixed": 0,
        "findings": [
            {
                "path": "a.py",
                "cell": None,
                **place,
                "code": "LSM204",
                "name": "unguarded-count",
                "message": "`count` is called",
                "function": None,
                "fix": {
                    "title": "Call `guarded`",
                    "safe": True,
                    "edits": [{**place, "text": "guarded"}],
                },
            }
        ],
        "notes": [],
    }


def test_github_commands_are_escaped(finding):
    source = PythonFile("a,b:c%.py", "y = count()\n")
    found = finding(message="100%\r\nof: a, b")
    noted = (run.Note("x.py", "skipped: why", 3),)
    text = output.FORMATS["github"](run.Report((run.Result(source, source, (found,), noted),)))
    assert text == (
        "::error title=lossmith LSM204 unguarded-count,file=a%2Cb%3Ac%25.py,line=1,endLine=1,col=5,"
        "endColumn=10::100%25%0D%0Aof: a, b\n"
        "::warning title=lossmith,file=x.py,line=3::skipped: why\n"
    )


def test_github_is_given_no_columns_of_many_lines_and_no_lines_of_cells(finding):
    source = PythonFile("a.py", "y = max(a,\n  b)\n")
    found = run.Result(source, source, (finding(span=Span(1, 4, 2, 4)),))
    assert "col" not in output.FORMATS["github"](run.Report((found,)))
    assert output.FORMATS["github"](notebook_report()) == (
        "::error title=lossmith LSM204 unguarded-count,file=n.ipynb::"
        "cell 1, line 2: `count` is called\n"
    )


# ── SARIF ────────────────────────────────────────────────────────────────────────────────────


def sarif(made):
    """Write a report as SARIF, hold it to the published schema, and return the one run."""
    document = json.loads(output.FORMATS["sarif"](made))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)
    return document["runs"][0]


def test_the_schema_bites():
    document = json.loads(output.FORMATS["sarif"](report("count()\n")))
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate(document)


def test_sarif_has_regions_fixes_and_the_rule_of_each_result():
    made = sarif(report("y = count()\n", path="my code/a.py"))
    (result,) = made["results"]
    region = {"startLine": 1, "startColumn": 5, "endLine": 1, "endColumn": 10}
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "my%20code/a.py"}, "region": region}
    rule = made["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "LSM204"
    (change,) = result["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [
        {"deletedRegion": region, "insertedContent": {"text": "guarded"}}
    ]


def test_sarif_describes_every_rule():
    rules = sarif(run.Report())["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["LSM203", "LSM204", "LSM506", "LSM601"]
    assert "counts padding" in rules[0]["help"]["text"]
    assert [rule["defaultConfiguration"]["enabled"] for rule in rules] == [True, True, False, True]


def test_sarif_of_a_notebook_has_the_cell_and_no_line_of_the_file():
    (result,) = sarif(notebook_report())["results"]
    (location,) = result["locations"]
    assert "region" not in location["physicalLocation"]
    assert location["logicalLocations"] == [{"fullyQualifiedName": "cell 1, line 2"}]


def test_sarif_says_what_was_skipped_and_whether_anything_could_be_read(tmp_path):
    noted = run.Note(str(tmp_path / "ü.py"), "skipped: why", 3)
    (invocation,) = sarif(run.Report((), (noted,)))["invocations"]
    assert invocation["executionSuccessful"] is False
    (said,) = invocation["toolExecutionNotifications"]
    place = said["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == (tmp_path / "ü.py").as_uri()
    assert place["region"] == {"startLine": 3}


def test_sarif_of_a_fix_of_many_edits_and_lines_is_valid(finding):
    edits = (Edit(Span(1, 0, 1, 0), "import keras\n"), Edit(Span(1, 4, 2, 3), "f()"))
    found = finding(function="Focal.call", fix=Fix(edits, safe=False, title="Guard it"))
    source = PythonFile("a.py", "y = max(a,\n  b)\n")
    (result,) = sarif(run.Report((run.Result(source, source, (found,)),)))["results"]
    assert len(result["fixes"][0]["artifactChanges"][0]["replacements"]) == 2
    assert result["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "Focal.call"}]


@pytest.mark.parametrize("form", output.FORMATS)
def test_every_form_writes_a_report_of_everything(form):
    made = report("count()\nhopeless()\nbad_mean()  # lossmith: allow x\n")
    made = dataclasses.replace(made, skipped=(run.Note("b.py", "skipped: it has NUL bytes"),))
    text = output.FORMATS[form](made)
    assert all(word in text for word in ("LSM204", "LSM601", "a.py"))
    assert text.endswith("\n")
