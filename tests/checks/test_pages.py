"""The pages of the checks are what the checks say."""

import runpy

import pytest

from lossmith.checks.pages import Page
from lossmith.checks.unit import load
from tests.support import source

SCRIPT = runpy.run_path(str(source.ROOT / "scripts" / "checks_pages.py"))
CHECKS = load()


def test_the_pages_of_the_checks_are_fresh():
    there = {path.name: path.read_text(encoding="utf-8") for path in SCRIPT["PAGES"].glob("*.md")}
    assert there == SCRIPT["pages"](), "write them anew: python scripts/checks_pages.py"


@pytest.mark.parametrize("name", CHECKS)
def test_a_page_has_what_a_reader_needs(name):
    page = Page.of(CHECKS[name])
    for text in (page.text(), page.markdown()):
        assert page.law in text
        assert page.mend in text
        assert f"--only {name}" in text
        for _, code in (*page.accepts, *page.rejects):
            assert code.splitlines()[0] in text


def test_the_code_of_a_case_is_that_of_its_loss():
    rejected = dict(enumerate(Page.of(CHECKS["sample-independence"]).rejects))
    assert rejected[0][1].startswith("def _root_of_batch(y_true, y_pred):")
