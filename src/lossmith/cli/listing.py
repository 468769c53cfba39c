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


@listing.command()
def checks() -> None:
    """The properties that `lossmith check` holds losses to; Keras is imported for it."""
    from lossmith.cli.check import prepare_keras

    prepare_keras()
    from lossmith.checks.unit import load

    found = load()
    width = max((len(name) for name in found), default=0)
    for name, unit in found.items():
        click.echo(f"{name:<{width}}  {unit.law}")
