"""The page of the rules is what the rules say."""

import runpy

from tests.support import source


def test_the_page_of_the_rules_is_fresh():
    script = runpy.run_path(str(source.ROOT / "scripts" / "rules_page.py"))
    fresh = script["PAGE"].read_text(encoding="utf-8") == script["page"]()
    assert fresh, "write it anew: python scripts/rules_page.py"
