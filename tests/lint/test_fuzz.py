"""Programs nobody would write, and the standard library's own: no crash, and fixes that parse."""

import ast
import random
import sysconfig
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.lint import run
from lossmith.lint.rule import RULES
from lossmith.lint.source import PythonFile, Unreadable

STDLIB = Path(sysconfig.get_path("stdlib"))
SAMPLE = 150

NAMES = ["y_true", "y_pred", "mask", "x", "n", "ops", "tf", "K", "np", "keras", "self", "eps"]
FUNCTIONS = """
    ops.mean ops.sum ops.log ops.exp ops.sqrt ops.where ops.cast ops.max ops.abs ops.square ops.norm
    ops.maximum ops.softmax ops.sigmoid ops.squeeze ops.reshape ops.argmax ops.round ops.not_equal
    tf.reduce_mean tf.reduce_sum tf.boolean_mask tf.math.log tf.cast tf.nn.softmax tf.shape
    K.mean K.sum K.log K.flatten K.epsilon K.clip K.cast K.not_equal np.mean np.array np.log
    float len print helper keras.losses.BinaryCrossentropy self.helper y_pred.numpy y_pred.item
""".split()  # noqa: SIM905 - words
HEADS = (
    "from keras import ops, losses\nimport keras, numpy as np\n",
    "import tensorflow as tf\nfrom tensorflow.keras import backend as K\nimport numpy as np\n",
    "import keras.backend as K\nimport torch\nops = keras.ops\n",
    "",
)


def parsed(text):
    return ast.parse(text, mode="eval").body


def expressions():
    leaves = st.one_of(
        st.sampled_from(NAMES).map(parsed),
        st.sampled_from(
            ["0", "1", "-1", "1e-8", "None", "'float32'", "True", "0.5", "...", "nan"]
        ).map(parsed),
    )
    return st.recursive(leaves, _compound, max_leaves=12)


def _compound(inner):
    operators = st.sampled_from(
        [ast.Add(), ast.Sub(), ast.Mult(), ast.Div(), ast.Pow(), ast.BitAnd()]
    )
    comparisons = st.sampled_from([ast.Eq(), ast.NotEq(), ast.Gt(), ast.Is()])
    keywords = st.lists(
        st.tuples(st.sampled_from(["axis", "keepdims", "from_logits", "dtype"]), inner),
        max_size=2,
        unique_by=lambda pair: pair[0],
    ).map(lambda pairs: [ast.keyword(name, value) for name, value in pairs])
    calls = st.builds(
        ast.Call, st.sampled_from(FUNCTIONS).map(parsed), st.lists(inner, max_size=3), keywords
    )
    return st.one_of(
        calls,
        calls,
        st.builds(ast.BinOp, inner, operators, inner),
        st.builds(lambda a, op, b: ast.Compare(a, [op], [b]), inner, comparisons, inner),
        st.builds(lambda a, i: ast.Subscript(a, i, ast.Load()), inner, inner),
        st.builds(
            lambda a, n: ast.Attribute(a, n, ast.Load()), inner, st.sampled_from(["shape", "T"])
        ),
        st.builds(lambda a, b: ast.Tuple([a, b], ast.Load()), inner, inner),
        st.builds(ast.IfExp, inner, inner, inner),
        st.builds(lambda a: ast.UnaryOp(ast.USub(), a), inner),
    )


def statements():
    values = expressions().map(ast.unparse)
    targets = st.sampled_from(
        ["x", "n", "mask", "y_true", "y_pred", "x, n", "self.x", "y_pred[0]", "y_pred[mask]"]
    )
    simple = st.one_of(
        st.builds("{} = {}".format, targets, values),
        st.builds("{} /= {}".format, st.sampled_from(["x", "n", "y_pred"]), values),
        st.builds("{}".format, values),
        st.builds("return {}".format, values),
        st.builds("assert {}".format, values),
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.builds("if {}:\n{}".format, values, inner.map(indented)),
            st.builds("for x in {}:\n{}".format, values, inner.map(indented)),
            st.builds("with {}:\n{}".format, values, inner.map(indented)),
            st.builds("def helper(x, y_pred=None):\n{}".format, inner.map(indented)),
        ),
        max_leaves=4,
    )


def indented(text):
    return "\n".join(f"    {line}" for line in text.split("\n"))


BODIES = st.lists(statements(), min_size=1, max_size=5).map("\n".join).map(indented)


@st.composite
def programs(draw):
    """Programs with a loss in them: a function, a method, or a factory; compiled or not."""
    body = draw(BODIES)
    form = draw(
        st.sampled_from(
            [
                "def loss(y_true, y_pred):\n{}",
                "def loss(y_pred, y_true, sample_weight=None):\n{}\nm.compile(loss=[loss, 'mse'])",
                "@keras.saving.register_keras_serializable()\ndef loss(labels, logits):\n{}",
            ]
        )
    )
    function = form.format(body)
    if draw(st.booleans()):
        method = "def call(self, y_true, y_pred):\n" + body
        function += "\n\nclass Custom(keras.losses.Loss):\n" + indented(method)
    text = draw(st.sampled_from(HEADS)) + function + "\n"
    return draw(st.sampled_from([text, text.replace("\n", "\r\n"), "# é\n" + text]))


@settings(max_examples=60)
@given(programs())
def test_no_program_crashes_it_and_what_it_mends_parses(text):
    ast.parse(text)
    check(PythonFile("a.py", text))


@settings(max_examples=50)
@given(st.text())
def test_no_text_crashes_it(text):
    check(PythonFile("a.py", text.replace("\0", "")))


def check(source):
    """Lint and mend a source with every rule; places must lie in the text, and fixes parse."""
    try:
        found = run.lint(source, RULES)
    except Unreadable:
        return
    for finding in found.findings:
        line = found.lines[None][finding.span.line - 1]
        assert 0 <= finding.span.column <= len(line)
        assert finding.span.end_line <= len(found.lines[None])
    for unsafe in (False, True) if found.findings else ():
        mended = run.lint(source, RULES, fix=True, unsafe=unsafe)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(mended.source.text)
        assert not mended.notes, mended.notes
        again = run.lint(mended.source, RULES, fix=True, unsafe=unsafe)
        assert again.applied == 0


def stdlib():
    every = [
        path
        for path in sorted(STDLIB.rglob("*.py"))
        if not {"site-packages", "lib2to3", "test", "tests"} & set(path.parts)
    ]
    return random.Random(0).sample(every, SAMPLE)  # noqa: S311 - a sample, no secret


def test_the_standard_library_crashes_nothing_and_what_it_mends_parses():
    read = 0
    for path in stdlib():
        try:
            source = PythonFile.from_bytes(str(path), path.read_bytes())
            ast.parse(source.text)
        except (Unreadable, SyntaxError, ValueError):
            continue
        read += 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what the parser warns of is none of our business
            check(source)
    assert read > 0.8 * SAMPLE


def test_the_programs_have_something_to_find():
    text = (
        "from keras import ops\ndef loss(y_true, y_pred):\n    return ops.mean(y_true - y_pred)\n"
    )
    if not RULES:
        pytest.fail("no rules")
    assert run.lint(PythonFile("a.py", text), RULES).findings
