"""Which rules run on which file: `[tool.lossmith.lint]` of pyproject.toml, and the command line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import lossmith.lint.rules  # noqa: F401 # pyright: ignore[reportUnusedImport] - registers them
from lossmith.lint import files
from lossmith.lint.rule import RULES, Rule
from lossmith.messages import ArgumentError, closest, listed

TABLE = "tool.lossmith.lint"
KEYS = ("select", "ignore", "per-file-ignores", "exclude")

Codes = frozenset[str]


@dataclass(frozen=True)
class Config:
    """What to lint for, and where.

    Attributes:
        root: The directory that patterns are relative to.
        rules: The codes of the rules that run.
        per_file: Pattern to the codes of rules that do not run on the files it means.
        exclude: Patterns of files and directories that are left out when directories are searched.
    """

    root: Path
    rules: Codes
    per_file: Mapping[str, Codes] = field(default_factory=dict[str, Codes])
    exclude: tuple[str, ...] = ()

    def rules_for(self, path: Path) -> Codes:
        """Return the codes of the rules that run on a file."""
        ignored = [
            codes
            for pattern, codes in self.per_file.items()
            if files.matches(path, pattern, self.root)
        ]
        return self.rules.difference(*ignored)

    def excludes(self, path: Path) -> bool:
        """Whether a file or directory is left out of a search."""
        return any(files.matches(path, pattern, self.root) for pattern in self.exclude)


def load(
    paths: Sequence[Path],
    *,
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
) -> Config:
    """Read the nearest configuration above all of `paths`; what is given here comes before it.

    Args:
        paths: What is linted.
        select: Rules to run in place of those of the file: names, codes, beginnings of codes,
            `ALL`, or `DEFAULT` for the rules that run when nothing is selected.
        ignore: Rules not to run, in place of those of the file.
    """
    file, table = _nearest(paths)
    where = str(file) if file else "the command line"
    selected = select if select is not None else _strings(table, "select", where, ["DEFAULT"])
    ignored = ignore if ignore is not None else _strings(table, "ignore", where, [])
    per_file = _per_file(table.get("per-file-ignores", {}), where)
    return Config(
        root=file.parent if file else Path.cwd(),
        rules=_codes(selected, "select", where) - _codes(ignored, "ignore", where),
        per_file=per_file,
        exclude=tuple(_strings(table, "exclude", where, [])),
    )


def codes_of(selector: str) -> Codes:
    """Return the codes that a selector means; none if there is no such rule."""
    if selector == "ALL":
        return frozenset(RULES)
    if selector == "DEFAULT":
        return frozenset(code for code, rule in RULES.items() if rule.default)
    return frozenset(
        code for code, rule in RULES.items() if code.startswith(selector) or rule.name == selector
    )


def rule_of(selector: str) -> type[Rule]:
    """Return the rule of a code or name."""
    for rule in RULES.values():
        if selector in {rule.code, rule.name}:
            return rule
    raise ArgumentError(
        "there is no such rule",
        got=repr(selector),
        expected="a name or a code of a rule",
        fix=f"write {_alike(selector)!r}; `lossmith list rules` has them all",
    )


def _nearest(paths: Sequence[Path]) -> tuple[Path | None, dict[str, Any]]:
    """Find the first pyproject.toml with our table, from the folder that holds all paths upward."""
    common = Path(os.path.commonpath([path.resolve() for path in paths])) if paths else Path.cwd()
    for folder in [common, *common.parents]:
        file = folder / "pyproject.toml"
        if file.is_file() and (table := _table(file)) is not None:
            return file, table
    return None, {}


def _table(file: Path) -> dict[str, Any] | None:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArgumentError(
            "a configuration that cannot be read",
            got=str(error),
            expected="TOML",
            fix="correct the file",
            at=(str(file),),
        ) from error
    table: Any = document
    for name in TABLE.split("."):
        table = table.get(name) if isinstance(table, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise _wrong_kind(str(file), TABLE, table, "a table", f"write [{TABLE}]")
    table = cast("dict[str, Any]", table)
    for key in table:
        if key not in KEYS:
            raise ArgumentError(
                f"[{TABLE}] has a key that means nothing",
                got=repr(key),
                expected=listed(KEYS),
                fix=f"write {closest(key, KEYS)[0]!r}, or take the key away",
                at=(str(file),),
            )
    return table


def _strings(table: Mapping[str, Any], key: str, where: str, default: list[str]) -> list[str]:
    value = table.get(key, default)
    if not isinstance(value, list) or not all(isinstance(x, str) for x in cast("list[Any]", value)):
        raise _wrong_kind(where, key, value, "a list of strings", f'{key} = ["LSM203"]')
    return cast("list[str]", value)


def _per_file(value: Any, where: str) -> dict[str, Codes]:
    key = "per-file-ignores"
    if not isinstance(value, dict):
        fix = f'{key} = {{ "tests/**" = ["LSM203"] }}'
        raise _wrong_kind(where, key, value, "a table of pattern to rules", fix)
    table = cast("dict[str, Any]", value)
    return {pattern: _codes(_strings(table, pattern, where, []), key, where) for pattern in table}


def _codes(selectors: Iterable[str], key: str, where: str) -> Codes:
    """Return the codes that the selectors mean together; each must mean at least one."""
    found: set[str] = set()
    for selector in selectors:
        codes = codes_of(selector)
        if not codes:
            raise ArgumentError(
                "there is no such rule",
                got=f"{key}: {selector!r}",
                expected="a name, a code, the beginning of codes such as 'LSM2', ALL or DEFAULT",
                fix=f"write {_alike(selector)!r}; `lossmith list rules` has them all",
                at=(where,),
            )
        found |= codes
    return frozenset(found)


def _alike(selector: str) -> str:
    """Return the code or name most alike to what was written."""
    return closest(selector, [*RULES, *(rule.name for rule in RULES.values())])[0]


def _wrong_kind(where: str, key: str, got: object, expected: str, fix: str) -> ArgumentError:
    return ArgumentError(
        f"{key!r} is of the wrong kind", got=repr(got), expected=expected, fix=fix, at=(where,)
    )
