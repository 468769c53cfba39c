"""What a check says of itself, for a terminal and for the site: made from the check alone."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import dataclass
from typing import Any, Self

from lossmith.checks.unit import NEEDS, Case, Check


@dataclass(frozen=True)
class Page:
    """The documentation of one check.

    Attributes:
        name: Its name.
        family: What it is about.
        law: The property, in one sentence.
        details: How it is tested, and why it matters; may be empty.
        mend: The likely mend.
        promise: The promise that allows a loss not to have it; empty: none does.
        rules: The lint rules that see the same fault in code.
        needs: What a loss must have for it to apply.
        accepts: Losses that have the property: a title and their code.
        rejects: Losses that lack it.
    """

    name: str
    family: str
    law: str
    details: str
    mend: str
    promise: str
    rules: tuple[str, ...]
    needs: tuple[str, ...]
    accepts: tuple[tuple[str, str], ...]
    rejects: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, check: Check) -> Self:
        """Read a check."""
        text = inspect.cleandoc(check.run.__doc__ or "")
        return cls(
            check.name,
            check.family,
            check.law,
            text.partition("\n\n")[2],
            check.mend,
            check.promise,
            check.rules,
            check.needs,
            tuple(_case(case) for case in check.accepts),
            tuple(_case(case) for case in check.rejects),
        )

    def text(self) -> str:
        """Write it for a terminal."""
        blocks = [f"{self.name}  ({self.family})", self.law]
        blocks += [self.details] if self.details else []
        blocks += ["\n".join(f"{label:<9} {text}" for label, text in self._facts())]
        for head, cases in (("A loss that keeps it", self.accepts), *self._broken()):
            for title, code in cases:
                blocks.append(f"{head}: {title}\n\n{textwrap.indent(code, '    ')}")
        return "\n\n".join(blocks) + "\n"

    def markdown(self) -> str:
        """Write it for the site."""
        blocks = [f"# {self.name}", f"**{self.law}**"]
        blocks += [self.details] if self.details else []
        blocks += ["\n".join(f"- **{label}**: {text}" for label, text in self._facts("`"))]
        for head, cases in (("A loss that keeps it", self.accepts), *self._broken()):
            for title, code in cases:
                blocks.append(f"{head}, on {title}:\n\n```python\n{code}\n```")
        return "\n\n".join(blocks) + "\n"

    def _broken(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        return (("A loss that breaks it", self.rejects),)

    def _facts(self, quote: str = "") -> list[tuple[str, str]]:
        allowed = f'{quote}promises={{"{self.promise}": ...}}{quote}' if self.promise else ""
        needs = "; ".join(f"skipped where {NEEDS[need]}" for need in self.needs)
        rows = [
            ("mend", self.mend),
            ("allow", allowed),
            ("needs", needs),
            ("lint", ", ".join(self.rules)),
            ("run", f"{quote}lossmith check losses.py --only {self.name}{quote}"),
        ]
        return [(label, text) for label, text in rows if text]


def _case(case: Case) -> tuple[str, str]:
    """Return what the inputs of a case are, and its code."""
    given = {"y_true": case.y_true, "y_pred": case.y_pred}
    domains = [f"{name} {domain}" for name, domain in given.items() if domain != "real"]
    promised = [f"promised {name}={value!r}" for name, value in case.promises.items()]
    return ", ".join([f'"{case.axes}"', *domains, *promised]), _code(case.loss)


def _code(loss: Any) -> str:
    """Return the source of a loss; of an instance, that of its class and how it was made."""
    if not (inspect.isfunction(loss) or inspect.isclass(loss)):
        if type(loss).__module__.startswith("keras."):
            return _made(loss)
        loss = type(loss)
    return textwrap.dedent(inspect.getsource(loss)).strip()


def _made(loss: Any) -> str:
    """Return how a loss of Keras was made, with the arguments that are not the usual ones."""
    usual = type(loss)().get_config()
    given = {key: value for key, value in loss.get_config().items() if value != usual[key]}
    arguments = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return f"keras.losses.{type(loss).__name__}({arguments})"
