"""Every example in a docstring runs, on every backend."""

import doctest
import importlib
import re

import pytest

from tests.support import source

MODULES = [
    source.module_name(path)
    for path in source.files()
    if path.stem != "__main__" and ">>>" in path.read_text(encoding="utf-8")
]

DECIMAL = re.compile(r"-?\d+\.(\d+)(?:e[-+]?\d+)?")


class Numbers(doctest.OutputChecker):
    """Compares decimals to as many places as the docstring writes."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        found = [match.group() for match in DECIMAL.finditer(got)]
        wanted = list(DECIMAL.finditer(want))
        if len(found) == len(wanted):
            pairs = iter(zip(wanted, found, strict=True))
            got = DECIMAL.sub(lambda _: _written_alike(*next(pairs)), got)
        return super().check_output(want, got, optionflags)


def _written_alike(want: re.Match[str], got: str) -> str:
    """Write `got` as `want` is written, where it is the same number to the places written.

    A number such as 0.5, with one place, is exact: only rounding errors are let pass.
    """
    places = len(want.group(1))
    tolerance = 0.5 * 10.0**-places if places > 1 else 1e-5
    return want.group() if abs(float(want.group()) - float(got)) <= tolerance else got


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = doctest.DocTestRunner(Numbers(), optionflags=flags)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("0.5\n", "0.4999999403953552\n", True),
        ("0.5\n", "0.52\n", False),
        ("0.6931\n", "0.69310004\n", True),
        ("0.6931\n", "0.6932\n", False),
        ("[1.0, -2.25]\n", "[1.0000001, -2.25]\n", True),
        ("[1.0, 2.0]\n", "[1.0]\n", False),
        ("(2, 3)\n", "(2, 3)\n", True),
    ],
)
def test_decimals_are_compared_to_the_places_written(want, got, same):
    assert Numbers().check_output(want, got, 0) is same
