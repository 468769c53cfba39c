"""Forms of a report: each module has `render(report, options) -> str`."""

from collections.abc import Callable

from lossmith.lint.output import github, json, sarif, text
from lossmith.lint.run import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json.render,
    "github": github.render,
    "sarif": sarif.render,
}
