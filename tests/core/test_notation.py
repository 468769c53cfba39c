"""The notation of axes: what is read, and each way in which it cannot be."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossmith.core.notation import parse_axes
from lossmith.messages import NotationError


@pytest.mark.parametrize(
    ("text", "inputs", "consumed", "result"),
    [
        ("b", [("b",)], (), None),
        ("b t, b t", [("b", "t")] * 2, (), None),
        ("b t, b t [c]", [("b", "t"), ("b", "t", "c")], ("c",), None),
        ("b [c] h w, b [c] h w", [("b", "c", "h", "w")] * 2, ("c",), None),
        ("b [h w], b [h w]", [("b", "h", "w")] * 2, ("h", "w"), None),
        ("b [h] [w], b [h] [w]", [("b", "h", "w")] * 2, ("h", "w"), None),
        ("..., ... [c]", [("...",), ("...", "c")], ("c",), None),
        ("b t 1, b t", [("b", "t", "1"), ("b", "t")], (), None),
        ("1 1, b", [("1", "1"), ("b",)], (), None),
        ("b t k, b t -> k b t", [("b", "t", "k"), ("b", "t")], (), ("k", "b", "t")),
        ("b t [f], b t [f]->t b", [("b", "t", "f")] * 2, ("f",), ("t", "b")),
        ("  b\tt ,\n b [ c ] t ", [("b", "t"), ("b", "c", "t")], ("c",), None),
        ("batch step_1 _x", [("batch", "step_1", "_x")], (), None),
        ("b, b, b t", [("b",), ("b",), ("b", "t")], (), None),
    ],
)
def test_the_notation_is_read(text, inputs, consumed, result):
    axes = parse_axes(text)
    assert [tensor.items for tensor in axes.inputs] == inputs
    assert axes.consumed == consumed
    assert (axes.result.items if axes.result else None) == result


BAD = {
    "": "a tensor in the axes has no axes",
    "   ": "a tensor in the axes has no axes",
    ",": "a tensor in the axes has no axes",
    "b t,": "a tensor in the axes has no axes",
    ", b t": "a tensor in the axes has no axes",
    "b,, b": "a tensor in the axes has no axes",
    "b ->": "a tensor in the axes has no axes",
    "-> b": "a tensor in the axes has no axes",
    "b []": "only a named axis can be consumed",
    "b t t": "'t' stands twice in one tensor",
    "b [t t]": "'t' stands twice in one tensor",
    "b [t] t": "'t' stands twice in one tensor",
    "... ...": "'...' stands twice in one tensor",
    "b ...": '"..." stands after another axis',
    "[c] ...": '"..." stands after another axis',
    "b [c": "a [ in the axes is never closed",
    "b [c, b c]": "a [ in the axes is never closed",
    "b c]": "brackets in the axes do not pair up",
    "b [[c]]": "brackets in the axes do not pair up",
    "b ]c[": "brackets in the axes do not pair up",
    "b (c)": "the axes have '(c)', which is not an axis",
    "b {c}": "the axes have '{c}', which is not an axis",
    "b 2": "the axes have '2', which is not an axis",
    "b 12": "the axes have '12', which is not an axis",
    "b 1c": "the axes have '1c', which is not an axis",
    "b t-1": "the axes have '-1', which is not an axis",
    "b *": "the axes have '*', which is not an axis",
    "b ..": "the axes have '..', which is not an axis",
    "b t > b": "the axes have '>', which is not an axis",
    "b -> b -> b": "the axes have '->', which is not an axis",
    "b ; b": "the axes have ';', which is not an axis",
    "b é": "the axes have 'é', which is not an axis",
    "b [ ] [c]": "only a named axis can be consumed",
    "b [1]": "only a named axis can be consumed",
    "[...]": "only a named axis can be consumed",
    "b c, b [c]": "'c' is consumed in one tensor and not in another",
    "b [c], b c": "'c' is consumed in one tensor and not in another",
    "b t, b t -> b": "the result does not have the axes that are left",
    "b t, b t -> b t k": "the result does not have the axes that are left",
    "b t, b t -> b [t]": "the result does not have the axes that are left",
    "b [c], b [c] -> b c": "the result does not have the axes that are left",
    "b t, b t -> b, t": "the axes have ',', which is not an axis",
    "b 1, b -> b 1": "the result does not have the axes that are left",
}


@pytest.mark.parametrize("text", BAD)
def test_what_cannot_be_read_is_refused_with_the_place_and_a_fix(text):
    with pytest.raises(NotationError, match=re.escape(BAD[text])) as caught:
        parse_axes(text)
    error = caught.value
    assert error.fix
    assert error.expected
    assert repr(text) in error.got or text.strip() in error.got or "->" in error.got


names = st.lists(st.sampled_from(string.ascii_lowercase), min_size=1, max_size=5, unique=True)


@st.composite
def written(draw):
    """An axes string of one or two tensors whose brackets agree."""
    known = draw(names)
    consumed = set(draw(st.lists(st.sampled_from(known), unique=True)))
    tensors = []
    for _ in range(draw(st.integers(1, 2))):
        items = draw(st.lists(st.sampled_from(known), min_size=1, unique=True))
        tensor = [f"[{item}]" if item in consumed else item for item in items]
        if draw(st.booleans()):
            tensor.insert(0, "...")
        tensor += ["1"] * draw(st.integers(0, 2))
        tensors.append(" ".join(tensor))
    return ", ".join(tensors)


@given(written())
def test_what_is_written_again_reads_the_same(text):
    axes = parse_axes(text)
    assert str(axes) == text
    assert parse_axes(str(axes)) == axes


@given(st.text(alphabet="bt[]., 1->c2(", max_size=12))
def test_any_text_is_read_or_refused_as_notation(text):
    try:
        axes = parse_axes(text)
    except NotationError:
        return
    assert parse_axes(str(axes)) == axes
