"""Every message the library can give: seen in the golden file, and complete.

A case in `message_cases.py` raises one error. Its text is compared with `messages.golden.txt`,
and the places that raise are found in the source, so that a new one without a case fails.
"""

import ast
import difflib
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import pytest

from lossmith import messages
from lossmith.messages import LossmithError
from tests.architecture.message_cases import CASES, NOT_RAISED, ONE_BACKEND
from tests.support import source

BACKEND = keras.config.backend()
GOLDEN = Path(__file__).with_name("messages.golden.txt")
HERE = {name for name in CASES if ONE_BACKEND.get(name, (BACKEND,))[0] == BACKEND}

# A placeholder that was never filled in: "{name}", "{x.shape!r}". A dict, {"y": y}, is not one.
PLACEHOLDER = re.compile(r"\{[A-Za-z_(][^{}'\"]*\}|\{[^{}]*\.join\(")

Place = tuple[str, int]


@dataclass(frozen=True)
class Raised:
    """The error of one case, and the lines that were running when it was made or raised."""

    error: LossmithError
    places: frozenset[Place]


@dataclass(frozen=True)
class Site:
    """A place in the source that makes or raises an error."""

    file: str
    function: str
    first: int
    last: int

    @property
    def key(self) -> str:
        """How `NOT_RAISED` names it."""
        return f"{self.file}::{self.function}"

    def hit_by(self, places: frozenset[Place]) -> bool:
        """Whether one of the lines belongs to it."""
        return any(file == self.file and self.first <= line <= self.last for file, line in places)


# ── the golden file ──────────────────────────────────────────────────────────────────────────


def test_messages_read_as_in_the_golden_file(raised, update_golden):
    golden = _read_golden()
    now = {name: str(raised[name].error) for name in CASES if name in raised}
    elsewhere = {name: golden[name] for name in CASES if name in golden and name not in raised}
    text = _written(now | elsewhere)
    if update_golden:
        GOLDEN.write_text(text, encoding="utf-8")
        pytest.skip(f"wrote {GOLDEN.name}; read its diff")
    old = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    diff = difflib.unified_diff(old.splitlines(), text.splitlines(), "golden", BACKEND, lineterm="")
    assert old == text, "\n".join(["messages differ (see --update-golden):", *diff])


def test_each_case_of_one_backend_is_a_case_and_says_why():
    for name, (backend, reason) in ONE_BACKEND.items():
        assert name in CASES
        assert backend in {"jax", "tensorflow", "torch"}, name
        assert reason, name


# ── complete ─────────────────────────────────────────────────────────────────────────────────


def test_every_place_that_raises_has_a_case(raised):
    places = frozenset(place for case in raised.values() for place in case.places)
    missing = [
        f"{site.file}:{site.first} in {site.function}"
        for site in SITES
        if not site.hit_by(places) and site.key not in NOT_RAISED
    ]
    assert not missing, "\n".join(["no case in message_cases.py raises these:", *missing])


def test_each_place_that_is_not_raised_exists_and_says_why():
    for key, reason in NOT_RAISED.items():
        assert reason, key
        assert key in {site.key for site in SITES}


# ── well written ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(HERE))
def test_a_message_is_well_written(name, raised):
    error = raised[name].error
    rows = {"fact": error.fact, "got": error.got, "expected": error.expected, "fix": error.fix}
    for row, text in rows.items():
        assert text.strip(), f"{row} is empty"
        assert not PLACEHOLDER.search(text), f"{row} has a placeholder that was not filled in"
        assert "  " not in re.sub(r"\n *", "\n", text), f"{row} has two spaces in a row"
        assert not text.rstrip().endswith("."), f"{row} ends with a full stop"
    assert "\n" not in error.fact, "the fact is one line"
    assert all(place.strip() for place in error.at), "a place in the path is empty"


# ── how ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def raised() -> dict[str, Raised]:
    """The error of every case that runs on this backend."""
    return {name: _run(name) for name in CASES if name in HERE}


def _run(name: str) -> Raised:
    made: dict[int, tuple[LossmithError, frozenset[Place]]] = {}
    original = LossmithError.__init__

    @functools.wraps(original)
    def watched(self: LossmithError, *args: object, **kwargs: object) -> None:
        made[id(self)] = (self, frozenset(_stack()))
        original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LossmithError, "__init__", watched)
        try:
            CASES[name]()
        except LossmithError as error:
            return Raised(error, made[id(error)][1] | frozenset(_traceback(error)))
        except Exception as error:
            error.add_note(f"in the case {name!r}, which must raise a LossmithError")
            raise
    pytest.fail(f"the case {name!r} raised nothing")


def _stack() -> Iterator[Place]:
    """Where the library is now."""
    frame = sys._getframe()
    while frame is not None:
        yield from _place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back


def _traceback(error: BaseException | None) -> Iterator[Place]:
    """Where an error, and whatever caused it, came through the library."""
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            yield from _place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def _place(filename: str, line: int) -> Iterator[Place]:
    path = Path(filename)
    if path.is_relative_to(source.PACKAGE):
        yield source.relative(path), line


def _written(texts: dict[str, str]) -> str:
    return "\n".join(f"== {name}\n{texts[name]}\n" for name in sorted(texts))


def _read_golden() -> dict[str, str]:
    text = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    blocks = re.split(r"^== (.+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.rstrip("\n") for name, body in zip(blocks[::2], blocks[1::2], strict=True)}


def _sites() -> list[Site]:
    """Find every call of an error class, and every raise by way of a function that makes one."""
    trees = {
        source.relative(path): ast.parse(path.read_text(encoding="utf-8"))
        for path in source.files()
        if path != Path(messages.__file__)
    }
    kinds = _error_classes(trees)
    makers = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _makes_an_error(node, kinds)
    }
    return [
        Site(file, function, node.lineno, node.end_lineno or node.lineno)
        for file, tree in trees.items()
        for function, node in _calls(tree, "module")
        if _called(node) in kinds | makers
    ]


def _error_classes(trees: dict[str, ast.Module]) -> set[str]:
    kinds = {
        name
        for name, value in vars(messages).items()
        if isinstance(value, type) and issubclass(value, LossmithError)
    }
    classes = [
        node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    for _ in classes:  # a subclass of a subclass may stand before it
        kinds |= {node.name for node in classes if {_last(base) for base in node.bases} & kinds}
    return kinds


def _makes_an_error(function: ast.FunctionDef, kinds: set[str]) -> bool:
    """Whether a function is there to make an error: it returns one, or raises one at its end."""
    said = ast.unparse(function.returns) if function.returns else ""
    words = set(re.findall(r"\w+", said))
    raised = {
        _called(node.exc)
        for node in ast.walk(function)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    }
    ends = bool(words & {"NoReturn", "Never"})
    return bool(words & kinds) or (ends and (not raised or bool(raised & kinds)))


def _calls(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call, with the name of the function or class it stands in."""
    for node in ast.iter_child_nodes(tree):
        inner = function
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            inner = node.name if function == "module" else f"{function}.{node.name}"
        if isinstance(node, ast.Call):
            yield function, node
        yield from _calls(node, inner)


def _called(call: ast.Call) -> str:
    return _last(call.func)


def _last(node: ast.AST) -> str:
    """The last word of a dotted name: `ShapeError` of `messages.ShapeError`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


SITES = _sites()
