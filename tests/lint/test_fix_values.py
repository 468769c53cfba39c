"""What fixes do to values: a safe one leaves them, and their gradients, as they were."""

import ast
import importlib.util
import inspect
import itertools
import textwrap

import keras
import numpy as np
import pytest
from keras import ops

from lossmith.lint.apply import edited
from lossmith.lint.engine import lint_source
from lossmith.lint.losses import losses
from lossmith.lint.module import Module
from lossmith.lint.rule import RULES
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
FRAMEWORKS = {"jax", "tensorflow", "torch"}
NUMBER = itertools.count()
SETTING = 0.5  # for parameters without a default: factors, margins, epsilons


def dedented(code):
    return textwrap.dedent(code).lstrip("\n")


def mended(rule, case):
    text = dedented(case.code)
    (finding,) = lint_source(text, rules=[rule.code])
    return text, finding.fix, edited(text, finding.fix.edits)


CASES = [
    pytest.param(*mended(rule, case), id=f"{rule.code}-{i}")
    for rule in RULES.values()
    for i, case in enumerate(rule.flags)
    if case.fixed is not None
]
SAFE = [case for case in CASES if case.values[1].safe]
UNSAFE = [case for case in CASES if not case.values[1].safe]


def imported_frameworks(text):
    """The frameworks that a text imports: `tensorflow.keras` is TensorFlow's."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found & FRAMEWORKS


def run(text, folder):
    """Run a text as a module, and return its losses as functions of target and prediction."""
    path = folder / f"snippet_{next(NUMBER)}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [callable_of(module, loss) for loss in losses(Module(text))]


def callable_of(module, loss):
    scope = loss.scope
    if scope.parent:
        function = with_settings(getattr(module, scope.parent.name))()
    elif scope.owner:
        function = getattr(with_settings(getattr(module, scope.owner.name))(), loss.node.name)
    else:
        function = getattr(module, loss.node.name)
    function = with_settings(function, {loss.target, loss.prediction})
    return lambda y_true, y_pred: function(**{loss.target: y_true, loss.prediction: y_pred})


def with_settings(function, given=frozenset()):
    """Bind what must be given, except for `given`, to a number."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    settings = {
        name: SETTING
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and parameter.kind in kinds and name not in given
    }
    return lambda **arguments: function(**arguments, **settings)


def inputs():
    """Targets and predictions of the usual kinds: each snippet takes what it can."""
    rng = np.random.default_rng(7)
    for shape in ((4, 3), (4, 5, 3)):
        pad = rng.uniform(size=shape) < 0.2
        real = rng.normal(size=shape)
        chances = rng.uniform(0.1, 0.9, size=shape)
        simplex = chances / chances.sum(axis=-1, keepdims=True)
        for target in (np.where(pad, 0, real), np.where(pad, -1, real), (chances > 0.5), chances):
            for prediction in (rng.normal(size=shape), chances, simplex):
                yield target.astype("float32"), prediction.astype("float32")
        yield rng.integers(0, 3, size=shape[:-1]), rng.normal(size=shape).astype("float32")
        yield rng.integers(0, 3, size=shape[:-1]), simplex.astype("float32")


def observed(loss, y_true, y_pred):
    """Value and gradient, or the error that was raised."""
    target = ops.convert_to_tensor(y_true)
    try:
        value, (grad,) = value_and_grad(lambda p: loss(target, p), y_pred)
    except Exception as error:  # noqa: BLE001 - what a snippet raises is the outcome
        return error
    return value, grad


def is_fine(outcome):
    return not raised(outcome) and all(np.isfinite(x).all() for x in outcome)


def raised(outcome):
    return isinstance(outcome, Exception)


@pytest.mark.parametrize(("text", "fix", "fixed"), SAFE)
def test_a_safe_fix_leaves_value_and_gradient(text, fix, fixed, tmp_path):
    del fix
    others = imported_frameworks(text) - {BACKEND}
    if others:
        pytest.skip(f"it is written for {', '.join(sorted(others))}")
    before, after = run(text, tmp_path), run(fixed, tmp_path)
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        given = list(inputs())
        outcomes = [(observed(old, *pair), observed(new, *pair)) for pair in given]
        # What a loss did not compute before, such as by names that Keras 3 lacks, it must now.
        runs = any(not raised(expected) for expected, _ in outcomes)
        valid = [pair for pair in outcomes if is_fine(pair[0] if runs else pair[1])]
        assert valid, "fine on none of the inputs"
        for expected, found in valid if runs else ():
            assert not raised(found), found
            for a, b in zip(found, expected, strict=True):
                largest = max(1.0, np.abs(b).max())  # small ones may be differences of large ones
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize(("text", "fix", "fixed"), UNSAFE)
def test_an_unsafe_fix_leaves_what_parses_and_changes_it(text, fix, fixed):
    del fix
    assert ast.dump(ast.parse(fixed)) != ast.dump(ast.parse(text))
