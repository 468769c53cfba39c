"""`lossmith list`: what there is, by name."""

from __future__ import annotations

import click


@click.group("list")
def listing() -> None:
    """List what there is, one line each."""


@listing.command()
def rules() -> None:
    """The faults that `lossmith lint` finds; `*` marks rules that are off by default."""
    from lossmith.lint import pages
    from lossmith.lint.rule import RULES

    width = max((len(rule.name) for rule in RULES.values()), default=0)
    for code in sorted(RULES):
        page = pages.Page.of(RULES[code])
        mark = " " if page.default else "*"
        click.echo(f"{code}{mark} {RULES[code].name:<{width}}  {page.summary}")
