"""What the linter finds of the zoo, read as text: run as a module, it prints the table.

Nothing of the zoo is imported, so that losses of all frameworks are read on any machine. Each twin
is linted as it would be used: with a line after it that compiles a model with it.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lossmith.lint.engine import lint_source
from lossmith.lint.rule import RULES

ZOO = Path(__file__).parents[1] / "zoo"


@dataclass(frozen=True)
class Twin:
    """A loss of the zoo.

    Attributes:
        text: The file, and after it a call of `compile` with the loss.
        first: The first line of its function or class.
        last: The last one.
    """

    text: str
    first: int
    last: int


@cache
def codes(twin: Twin, *rules: str) -> list[str]:
    """What these rules, or those on by default, find in a twin and where it is compiled."""
    compiled = twin.text.count("\n")
    return [
        finding.code
        for finding in lint_source(twin.text, rules=rules or None)
        if twin.first <= finding.span.line <= twin.last or finding.span.line == compiled
    ]


@dataclass(frozen=True)
class Twins:
    """A pair of the zoo.

    Attributes:
        sin: What is wrong with one of them.
        rule: The rule that should find it.
        wrong: The wrong one.
        right: The right one.
        framework: The framework that both are written for, if they are.
    """

    sin: str
    rule: str | None
    wrong: Twin
    right: Twin
    framework: str | None

    @property
    def is_found(self) -> bool:
        """Whether the rule finds the sin."""
        return self.rule in RULES and self.rule in codes(self.wrong, self.rule)

    @property
    def accusations(self) -> list[str]:
        """What the rules say of the right one; to name a framework is promised, and no sin."""
        promised = {"LSM501"} if self.framework else set()
        return [code for code in codes(self.right) if code not in promised]


@cache
def zoo() -> list[Twins]:
    """All pairs of all files of the zoo."""
    return [twins for path in sorted(ZOO.glob("*.py")) for twins in _pairs(path)]


def recall() -> dict[str, list[Twins]]:
    """The pairs by the rule that should find them."""
    found: dict[str, list[Twins]] = defaultdict(list)
    for twins in zoo():
        if twins.rule:
            found[twins.rule].append(twins)
    return dict(sorted(found.items()))


def table() -> str:
    """Recall by rule, in Markdown."""
    rows = ["| rule | sins | found | missed |", "|---|---|---|---|"]
    for code, pairs in recall().items():
        missed = [twins.sin for twins in pairs if not twins.is_found]
        name = RULES[code].name if code in RULES else "not built"
        found = len(pairs) - len(missed)
        rows.append(f"| {code} {name} | {len(pairs)} | {found} | {', '.join(missed)} |")
    return "\n".join(rows)


def _pairs(path: Path) -> Iterator[Twins]:
    text = path.read_text()
    tree = ast.parse(text)
    framework = path.stem.removeprefix("in_") if path.stem.startswith("in_") else None
    places = {
        node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    for node in tree.body:
        match node:
            case ast.Expr(
                value=ast.Call(args=[ast.Constant(value=str(sin)), wrong, right], keywords=keywords)
            ):
                said = {keyword.arg: keyword.value for keyword in keywords}
                twins = [_twin(text, places, expression) for expression in (wrong, right)]
                yield Twins(sin, ast.literal_eval(said["rule"]), *twins, framework)
            case _:
                pass


def _twin(text: str, places: dict[str, ast.stmt], expression: ast.expr) -> Twin:
    names = [node.id for node in ast.walk(expression) if isinstance(node, ast.Name)]
    node = next(places[name] for name in names if name in places)
    decorators = [decorator.lineno for decorator in node.decorator_list]
    first = min([node.lineno, *decorators])
    compiled = f'{text}model.compile("adam", {ast.unparse(expression)})\n'
    return Twin(compiled, first, node.end_lineno)


if __name__ == "__main__":
    print(table())  # noqa: T201
