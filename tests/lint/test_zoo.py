"""What the linter finds of the zoo, and what it says of the right twins."""

import pytest

from lossmith.lint.rule import RULES
from tests.lint.zoo_recall import recall, table, zoo
from tests.support import source

# Sins that their rule does not find, and why not.
MISSED = {
    "unregistered-function": "a plain function loads where its name is given",
    "factor-held-fixed": "to hold a factor fixed is often meant: nothing says that it is not",
}
NAMED = [twins for twins in zoo() if twins.rule]


def over(pairs):
    return pytest.mark.parametrize("twins", pairs, ids=[twins.sin for twins in pairs])


def test_the_zoo_is_read_whole():
    assert len(zoo()) >= 80
    assert {twins.framework for twins in zoo()} == {None, "jax", "tensorflow", "torch"}
    assert set(MISSED) <= {twins.sin for twins in NAMED}


@over(NAMED)
def test_a_rule_finds_the_sin_that_names_it(twins):
    assert twins.is_found == (twins.sin not in MISSED)


@over(zoo())
def test_no_rule_accuses_a_right_twin(twins):
    assert twins.accusations == []


def test_four_sins_of_five_are_found_and_at_most_one_right_twin_of_fifty_is_accused():
    found = [twins for twins in NAMED if twins.is_found]
    accused = [twins for twins in zoo() if twins.accusations]
    assert len(found) >= 0.8 * len(NAMED)
    assert len(accused) <= 0.02 * len(zoo())


def test_the_table_has_a_row_for_each_rule_that_the_zoo_names():
    assert len(table().splitlines()) == 2 + len(recall())
    assert set(recall()) <= set(RULES)


def test_the_page_shows_this_table():
    page = (source.ROOT / "docs" / "lint.md").read_text(encoding="utf-8")
    found = [twins for twins in NAMED if twins.is_found]
    assert table() in page
    assert f"for {len(NAMED)} of its sins" in page
    assert f"{len(found)} are found by that rule" in page
