"""Four rules made up for these tests: what stands around the rules is tested without them."""

import ast
import dataclasses
from pathlib import Path

import keras
import pytest

from lossmith.lint import engine, rule
from lossmith.lint.finding import Edit, Finding, Fix, Span


class MeanOverPadding:
    """`bad_mean` stands for a mean that counts padding.

    It is made up.

    Why it is bad:
        It only stands for something.

    Example:
        bad_mean(x)

    Use instead:
        good_mean(x)

    Fix safety:
        Unsafe, and so it tests that.
    """

    code, name, default, confirmed_by = "LSM203", "mean-over-padding", True, ("CHK106",)
    called, fix, text = "bad_mean", "unsafe", "good_mean"


class UnguardedCount:
    """`count` stands for a count that may be 0."""

    code, name, default, confirmed_by = "LSM204", "unguarded-count", True, ()
    called, fix, text = "count", "safe", "guarded"


class WithoutFix:
    """`hopeless` stands for what only a person can mend."""

    code, name, default, confirmed_by = "LSM601", "dead-gradient-path", True, ()
    called, fix, text = "hopeless", None, None


class PrintInLoss:
    """`print` is off by default."""

    code, name, default, confirmed_by = "LSM506", "print-in-loss", False, ()
    called, fix, text = "print", "safe", "tap"


FAKES = {fake.code: fake for fake in (MeanOverPadding, UnguardedCount, WithoutFix, PrintInLoss)}


def fake_lint(text, path="<stdin>", *, rules=None):
    del path
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = {fake.called: fake for fake in FAKES.values()}
    asked = {fake.code for fake in FAKES.values() if fake.default} if rules is None else rules
    found = []
    for node in calls:
        fake = names.get(getattr(node.func, "id", None))
        if fake and fake.code in asked:
            found.append(_finding(fake, node, text))
    return sorted(found, key=lambda finding: finding.span)


def _finding(fake, node, text):
    line = text.split("\n")[node.func.lineno - 1].encode()
    column = len(line[: node.func.col_offset].decode())
    span = Span(node.lineno, column, node.lineno, column + len(fake.called))
    fix = fake.text and Fix((Edit(span, fake.text),), fake.fix == "safe", f"Call `{fake.text}`")
    return Finding(fake.code, fake.name, f"`{fake.called}` is called", span, fix=fix)


@pytest.fixture
def fakes(monkeypatch):
    """The made-up rules in place of the real ones."""
    before = dict(rule.RULES)
    rule.RULES.clear()
    rule.RULES.update(FAKES)
    monkeypatch.setattr(engine, "lint_source", fake_lint)
    yield FAKES
    rule.RULES.clear()
    rule.RULES.update(before)


@pytest.fixture
def finding():
    """A finding, with changes."""
    plain = Finding("LSM204", "unguarded-count", "`count` is called", Span(1, 4, 1, 9))
    return lambda **changes: dataclasses.replace(plain, **changes)


RUN_CODE = ("test_fix_values.py", "test_porting.py")
"""The tests that run what they lint. The others read text, which no backend changes."""


def pytest_collection_modifyitems(config, items):
    """Run what only reads text once, in the process of the backend that starts fastest."""
    del config
    once = pytest.mark.skip(reason="reads text alone: run in the process of torch")
    for item in items:
        here = item.path.is_relative_to(Path(__file__).parent)
        if here and item.path.name not in RUN_CODE and keras.config.backend() != "torch":
            item.add_marker(once)
