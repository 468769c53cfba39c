"""The `lossmith` command. Whatever is heavy is imported by the command that needs it."""

from __future__ import annotations

from typing import Any

import click

from lossmith import __version__
from lossmith.cli import check, demo, explain, lint, listing, report
from lossmith.cli.exits import UNABLE
from lossmith.messages import LossmithError


class Commands(click.Group):
    """A group whose commands end with a message where a LossmithError left them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print a fault of the user's on stderr instead of a traceback."""
        try:
            return super().invoke(ctx)
        except LossmithError as error:
            click.echo(str(error), err=True)
            ctx.exit(UNABLE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lossmith")
def main() -> None:
    """Build, check, look inside and run training losses for Keras 3."""


main.add_command(check.check)
main.add_command(check.explain_check)
main.add_command(demo.demo)
main.add_command(explain.explain)
main.add_command(lint.lint)
main.add_command(lint.rule)
main.add_command(listing.listing)
main.add_command(report.report)
