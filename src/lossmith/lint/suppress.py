"""Findings that the code says are meant: `# lossmith: allow NAME (reason)` and `# noqa: CODE`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lossmith.lint.finding import Finding
from lossmith.messages import closest

_OURS = re.compile(r"#\s*lossmith:\s*(?P<rest>.*?)\s*(?=#\s*lossmith:|#\s*noqa|$)")
_ALLOW = re.compile(
    r"allow\s+(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*)\s*(?:\((?P<reason>.*)\))?\s*(?:#.*)?"
)
_NOQA = re.compile(
    r"#\s*noqa(?![\w-])(?P<colon>\s*:)?\s*(?P<codes>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?",
    re.IGNORECASE,
)


@dataclass
class Directives:
    """What the comments of one text say.

    Attributes:
        everything: Lines with a bare `# noqa`.
        codes: Line to the codes, or beginnings of codes, that are meant there.
        faults: Line and text of what is wrong with a comment that is for the linter.
    """

    everything: set[int] = field(default_factory=set[int])
    codes: dict[int, set[str]] = field(default_factory=lambda: defaultdict[int, set[str]](set))
    faults: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def suppress(self, line: int, code: str) -> bool:
        """Whether a finding of this code is meant on this line."""
        return line in self.everything or code.startswith(tuple(self.codes.get(line, ())))


def directives(text: str, names: Mapping[str, str]) -> Directives:
    """Read the comments of a text.

    Args:
        text: Code, with line feeds for newlines.
        names: The names of all rules, each with its code.
    """
    found = Directives()
    if re.search(r"lossmith:|noqa", text, re.IGNORECASE):
        for line, comment in _comments(text):
            _read_noqa(comment, line, found)
            for ours in _OURS.finditer(comment):
                _read_allow(ours["rest"], line, names, found)
    return found


def unsuppressed(text: str, findings: Sequence[Finding], known: Directives) -> list[Finding]:
    """Leave out the findings that the comments of the text mean."""
    if not findings or not (known.everything or known.codes):
        return list(findings)
    statements = list(_statements(text))
    return [
        finding
        for finding in findings
        if not any(known.suppress(line, finding.code) for line in _lines(finding, statements))
    ]


def _read_noqa(comment: str, line: int, found: Directives) -> None:
    for match in _NOQA.finditer(comment):
        if match["colon"] is None:
            found.everything.add(line)
        elif match["codes"]:
            found.codes[line].update(re.split(r"[,\s]+", match["codes"].upper()))


def _read_allow(rest: str, line: int, names: Mapping[str, str], found: Directives) -> None:
    match = _ALLOW.fullmatch(rest)
    if match is None:
        said = rest.strip()
        found.faults.append((line, f"cannot read `{said}`; write `allow NAME (reason)`"))
        return
    given = re.split(r"\s*,\s*", match["names"])
    if not (match["reason"] or "").strip():
        wanted = f"allow {', '.join(given)} (reason)"
        found.faults.append((line, f"nothing is allowed without a reason; write `{wanted}`"))
        return
    for name in given:
        if code := names.get(name, name if name in names.values() else None):
            found.codes[line].add(code)
        else:
            alike = closest(name, names)[0] if names else "none"
            found.faults.append((line, f"there is no rule `{name}`; the closest is `{alike}`"))


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment, up to where the tokens end."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):
        return  # the parser says what is wrong with such a text, if anything is


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Yield first and last line of each statement; of one with a body, those of its head."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = _first_line(body[0]) - 1 if body else node.end_lineno
            yield _first_line(node), max(_first_line(node), node.lineno, last or 0)


def _first_line(node: ast.stmt) -> int:
    return min(x.lineno for x in (node, *getattr(node, "decorator_list", ())))


def _lines(finding: Finding, statements: Sequence[tuple[int, int]]) -> set[int]:
    """The lines whose comments speak of a finding: its own, and the ends of its statement."""
    line = finding.span.line
    around = [(last - first, first, last) for first, last in statements if first <= line <= last]
    return {line, *min(around)[1:]} if around else {line}
