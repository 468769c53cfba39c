"""Write docs/rules.md, the page of the lint rules, from their docstrings.

python scripts/rules_page.py
"""

from pathlib import Path

from lossmith.lint.pages import Page
from lossmith.lint.rule import RULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rules.md"

HEAD = """\
<!-- Made by scripts/rules_page.py from the docstrings of the rules; edit those. -->

# Lint rules

What `lossmith lint` finds by reading. How to run it is [on its own page](lint.md). A fix that is
*safe* leaves the value on valid inputs as it is and is made by `--fix`; an *unsafe* one changes it,
often because that is the point, and is made by `--unsafe-fixes`. Under *seen by* stand the checks
that see the same fault when the loss runs.

| code | name | fix | on by default | seen by |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page as it should be now."""
    pages = [Page.of(RULES[code]) for code in sorted(RULES)]
    rows = [
        f"| {each.code} | [{each.name}](#{each.code.lower()}-{each.name}) | {each.fix or '-'}"
        f" | {'yes' if each.default else 'no'} | {', '.join(each.confirmed_by) or '-'} |\n"
        for each in pages
    ]
    return HEAD + "".join(rows) + "".join("\n" + each.markdown() for each in pages)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
