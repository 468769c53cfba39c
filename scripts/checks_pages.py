"""Write docs/checks/, a page for each check and one that lists them, from the checks themselves.

python scripts/checks_pages.py
"""

from pathlib import Path

from lossmith.checks.pages import Page
from lossmith.checks.unit import FAMILIES, load

PAGES = Path(__file__).resolve().parents[1] / "docs" / "checks"

MADE = "<!-- Made by scripts/checks_pages.py from the check itself; edit that. -->\n\n"

HEAD = """\
# The checks

What `lossmith check` and `lm.check` hold a loss to. How to run them, and what promises are, is
[on its own page](../check.md). *Promise* is what allows a loss not to have the property; *seen by*
are the [lint rules](../rules.md) that see the same fault in code.

| check | the property | promise | seen by |
|---|---|---|---|
"""


def pages() -> dict[str, str]:
    """Return all pages as they should be now, by file name."""
    found = {name: Page.of(check) for name, check in load().items()}
    rows = [
        f"| [{page.name}]({page.name}.md) | {page.law} | {_code(page.promise)}"
        f" | {', '.join(page.rules) or '-'} |\n"
        for family in FAMILIES
        for page in found.values()
        if page.family == family
    ]
    texts = {f"{name}.md": MADE + page.markdown() for name, page in found.items()}
    return {"README.md": MADE + HEAD + "".join(rows), **texts}


def _code(promise: str) -> str:
    return f"`{promise}`" if promise else "-"


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    now = pages()
    for old in PAGES.glob("*.md"):
        if old.name not in now:
            old.unlink()
    for file, text in now.items():
        (PAGES / file).write_text(text, encoding="utf-8")
