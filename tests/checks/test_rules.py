"""A check and the lint rule that sees the same fault name each other."""

from lossmith.checks.unit import load
from lossmith.lint import engine  # noqa: F401 - registers the rules
from lossmith.lint.rule import RULES


def test_checks_and_rules_name_each_other():
    by_checks = {(code, name) for name, unit in load().items() for code in unit.rules}
    by_rules = {(code, name) for code, rule in RULES.items() for name in rule.confirmed_by}
    assert by_checks == by_rules
