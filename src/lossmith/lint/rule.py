"""What a rule is, its evidence, and the registry of all."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from lossmith.lint.finding import Edit, Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.module import Module
from lossmith.lint.text import Located
from lossmith.messages import ArgumentError

RULES: dict[str, type[Rule]] = {}
"""Every rule, by code."""

SECTIONS = ("Why it is bad", "Example", "Use instead", "Fix safety")
_MOST_CASES = 6


@dataclass(frozen=True)
class Flagged:
    """Code in which a rule finds one fault.

    Attributes:
        code: The code. It is indented as it is convenient.
        message: What the rule says.
        line: Where: the line, from 1 for the first that is not empty.
        column: Where: the column, from 0.
        fixed: The code after the fix; None if there is no fix here.
    """

    code: str
    message: str
    line: int
    column: int
    fixed: str | None = None


class Rule:
    """One fault that reading can find. One class, one file, and its evidence in it.

    A rule sees one module: `find` is called for each loss in it, `find_in_module` once.

    Attributes:
        code: `"LSM"` and three digits; the first is the group. Never used again.
        name: What the sin is, in kebab-case: "allow mean-over-padding" must read well.
        confirmed_by: The dynamic checks that see the same fault.
        default: Whether it is on where nothing is selected: at most 5% of its findings are wrong.
        fix: What `--fix` can do: `"safe"`, `"unsafe"`, or None. One finding may do without.
        flags: Code in which it finds one fault.
        passes: Code in which it finds none, the nearest to what it flags.
        module: The module being read.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    confirmed_by: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = True
    fix: ClassVar[Literal["safe", "unsafe"] | None] = None
    flags: ClassVar[tuple[Flagged, ...]]
    passes: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        """Register a rule that carries its evidence, and refuse one that does not."""
        super().__init_subclass__()
        missing = _missing_evidence(cls)
        if missing:
            raise ArgumentError(
                f"the rule {cls.__name__} does not carry its evidence",
                got=missing,
                expected="a code of its own, a name, the four sections, 1 to 6 flags and passes",
                fix="complete it as README.md of the room says",
            )
        RULES[cls.code] = cls

    def __init__(self, module: Module) -> None:
        self.module = module

    def find(self, loss: Loss) -> Iterable[Finding]:  # noqa: ARG002
        """Yield the faults in one loss."""
        return ()

    def find_in_module(self, module: Module) -> Iterable[Finding]:  # noqa: ARG002
        """Yield the faults of classes, calls of `compile`, and the like."""
        return ()

    def at(self, node: Located, message: str, fix: Fix | None = None) -> Finding:
        """Return a finding at a node: one sentence, no full stop."""
        return Finding(self.code, self.name, message, self.module.span(node), fix=fix)

    def mend(self, title: str, *edits: Edit | Iterable[Edit], safe: bool | None = None) -> Fix:
        """Return a fix of this rule's safety, made of edits or groups of edits.

        Args:
            title: What it does, in the imperative.
            *edits: From `module.replace`, `module.spell` and `module.insert_line`.
            safe: Where this one differs from the rule's own safety.
        """
        flat = [e for group in edits for e in ([group] if isinstance(group, Edit) else group)]
        return Fix(tuple(flat), safe=self.fix == "safe" if safe is None else safe, title=title)


def documentation(rule: type[Rule]) -> dict[str, str]:
    """Return the sections of a rule's docstring: `"What it does"` and those of `SECTIONS`."""
    text = inspect.cleandoc(rule.__doc__ or "")
    pieces = re.split(rf"^({'|'.join(SECTIONS)}):\n", text, flags=re.MULTILINE)
    titles = ["What it does", *pieces[1::2]]
    return {
        title: inspect.cleandoc("\n" + body).strip()
        for title, body in zip(titles, pieces[::2], strict=True)
    }


def _missing_evidence(rule: type[Rule]) -> str:
    """Return what a rule lacks, or nothing."""
    return next(_lacks(rule), "")


def _lacks(rule: type[Rule]) -> Iterator[str]:
    code, name = getattr(rule, "code", ""), getattr(rule, "name", "")
    if not re.fullmatch(r"LSM\d{3}", code):
        yield f"code {code!r}"
    if code in RULES:
        yield f"code {code}, which {RULES[code].__name__} has"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        yield f"name {name!r}"
    if any(name == other.name for other in RULES.values()):
        yield f"name {name!r} twice"
    for section in SECTIONS:
        if not documentation(rule).get(section):
            yield f"no section {section!r}"
    for cases in ("flags", "passes"):
        if not 0 < len(getattr(rule, cases, ())) <= _MOST_CASES:
            yield f"{len(getattr(rule, cases, ()))} {cases}"
