"""Every rule is held to the evidence it carries."""

import ast
import dataclasses
import textwrap
from pathlib import Path

import pytest

from lossmith.lint import rules as rules_folder
from lossmith.lint.apply import edited
from lossmith.lint.engine import lint_source
from lossmith.lint.rule import RULES, SECTIONS, Flagged, Rule, documentation
from lossmith.messages import ArgumentError


def dedented(code):
    return textwrap.dedent(code).lstrip("\n")


def found(rule, code):
    return lint_source(dedented(code), rules=[rule.code])


FLAGS = [
    pytest.param(rule, case, id=f"{rule.code}-{i}")
    for rule in RULES.values()
    for i, case in enumerate(rule.flags)
]
PASSES = [
    pytest.param(rule, code, id=f"{rule.code}-{i}")
    for rule in RULES.values()
    for i, code in enumerate(rule.passes)
]
FIXES = [case for case in FLAGS if case.values[1].fixed is not None]


@pytest.mark.parametrize(("rule", "case"), FLAGS)
def test_every_rule_finds_its_fault_once_at_its_place(rule, case):
    (finding,) = found(rule, case.code)
    assert (finding.message, finding.span.line, finding.span.column) == (
        case.message,
        case.line,
        case.column,
    )
    assert finding.code == rule.code
    assert finding.name == rule.name


@pytest.mark.parametrize(("rule", "code"), PASSES)
def test_every_rule_is_silent_on_what_is_right(rule, code):
    assert found(rule, code) == []
    ast.parse(dedented(code))


@pytest.mark.parametrize(("rule", "case"), FLAGS)
def test_a_finding_has_the_fix_that_its_case_shows(rule, case):
    (finding,) = found(rule, case.code)
    assert (finding.fix is None) == (case.fixed is None)
    assert finding.fix is None or rule.fix is not None


@pytest.mark.parametrize(("rule", "case"), FIXES)
def test_a_fix_mends_the_text_and_leaves_nothing_to_find(rule, case):
    text = dedented(case.code)
    (finding,) = lint_source(text, rules=[rule.code])
    fixed = edited(text, finding.fix.edits)
    assert fixed == dedented(case.fixed)
    assert lint_source(fixed, rules=[rule.code]) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_documentation_of_a_rule_is_complete(rule):
    sections = documentation(rule)
    assert list(sections) == ["What it does", *SECTIONS]
    assert all(sections.values())
    ast.parse(_as_body(sections["Use instead"]))
    assert rule.confirmed_by or rule.fix is not None or sections["Fix safety"]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("text", ["", "\n", "x = 1"])
def test_a_rule_is_silent_where_there_is_no_loss(rule, text):
    assert found(rule, text) == []


def _as_body(code):
    return "class _:\n def f():\n" + textwrap.indent(code, "  ")


def test_every_file_of_the_folder_registers_one_rule_of_its_name():
    files = {path.stem for path in Path(rules_folder.__file__).parent.glob("lsm*.py")}
    assert files == {
        f"{rule.code.lower()}_{rule.name.replace('-', '_')}" for rule in RULES.values()
    }
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


GOOD = {
    "code": "LSM999",
    "name": "made-up",
    "flags": (Flagged("x", "m", 1, 0),),
    "passes": ("y",),
    "__doc__": "It is found.\n\nWhy it is bad:\n    a\n\nExample:\n    b\n\n"
    "Use instead:\n    c\n\nFix safety:\n    d\n",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"flags": ()}, "0 flags"),
        ({"passes": ()}, "0 passes"),
        ({"__doc__": "It is found."}, "no section 'Why it is bad'"),
        ({"code": "X1"}, "code 'X1'"),
        ({"code": "LSM102"}, "code LSM102, which BatchReduction has"),
        ({"name": "batch-reduction"}, "name 'batch-reduction' twice"),
        ({"name": "Made_Up"}, "name 'Made_Up'"),
    ],
)
def test_a_rule_without_evidence_is_refused(change, said):
    before = dict(RULES)
    with pytest.raises(ArgumentError, match="does not carry its evidence") as caught:
        type("MadeUp", (Rule,), GOOD | change)
    assert caught.value.got == said
    assert before == RULES


def test_findings_are_frozen_data():
    (finding,) = found(RULES["LSM102"], RULES["LSM102"].flags[0].code)
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.code = "LSM000"
