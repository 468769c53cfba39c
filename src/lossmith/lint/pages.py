"""The page of a rule, made from its docstring: for the terminal, the site and SARIF alike."""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import lossmith.lint.rules  # noqa: F401 # pyright: ignore[reportUnusedImport] - registers them
from lossmith.lint.rule import Rule, documentation

CODE = frozenset({"Example", "Use instead"})
"""Sections that are code, and shown as such."""


@dataclass(frozen=True)
class Page:
    """What there is to say of a rule.

    Attributes:
        code: Its code.
        name: Its name.
        sections: Heading to text, in the order of the docstring.
        default: Whether it runs when nothing is selected.
        fix: What `--fix` can do: `"safe"`, `"unsafe"`, or None.
        confirmed_by: The codes of the checks that see the same fault when the loss runs.
    """

    code: str
    name: str
    sections: dict[str, str]
    default: bool
    fix: Literal["safe", "unsafe"] | None
    confirmed_by: tuple[str, ...]

    @classmethod
    def of(cls, rule: type[Rule]) -> Self:
        """Read the docstring of a rule."""
        sections = documentation(rule)
        return cls(rule.code, rule.name, sections, rule.default, rule.fix, rule.confirmed_by)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.sections["What it does"].partition("\n")[0]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as data."""
        return asdict(self)

    def text(self) -> str:
        """Write the page for a terminal."""
        blocks = [f"{self.code} {self.name}"]
        blocks += [f"{head}\n{textwrap.indent(body, '  ')}" for head, body in self.sections.items()]
        return "\n\n".join([*blocks, *self._facts()]) + "\n"

    def markdown(self, level: int = 2) -> str:
        """Write the page for the site; `level` is that of its heading."""
        blocks = [f"{'#' * level} {self.code} {self.name}"]
        for head, body in self.sections.items():
            fenced = f"```python\n{body}\n```" if head in CODE else body
            blocks += [fenced] if head == "What it does" else [f"**{head}**", fenced]
        return "\n\n".join([*blocks, *self._facts()]) + "\n"

    def _facts(self) -> list[str]:
        facts = [] if self.default else ["Off by default; select it by its name or code."]
        if self.confirmed_by:
            facts.append(f"Confirmed by {', '.join(self.confirmed_by)} when the loss runs.")
        return facts
