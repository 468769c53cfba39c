"""`lm.tap` and `lm.recording`: an identity, and what it gives to whoever listens."""

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.backend import Program
from lossmith.core.statistics import EDGES, Tapped, bins, merged, rows, statistics
from tests.support.grads import value_and_grad

SHAPE = (4, 6)


def plain(y_true, y_pred):
    gap = y_true - y_pred
    return ops.mean(ops.square(gap))


def tapped(y_true, y_pred):
    gap = lm.tap("gap", y_true - y_pred)
    return lm.tap("loss", ops.mean(ops.square(gap)))


@pytest.fixture
def arrays(rng):
    return [rng.normal(size=SHAPE).astype("float32") for _ in range(2)]


# ── an identity ──────────────────────────────────────────────────────────────────────────────


def test_a_tap_changes_neither_value_nor_gradient_heard_or_not(arrays):
    expected, slopes = value_and_grad(plain, *arrays)
    for listen in (False, True):
        if listen:
            with lm.recording():
                value = tapped(*map(ops.convert_to_tensor, arrays))
            np.testing.assert_array_equal(ops.convert_to_numpy(value), expected)
        else:
            value, found = value_and_grad(tapped, *arrays)
            np.testing.assert_array_equal(value, expected)
            np.testing.assert_array_equal(found, slopes)


def test_a_tap_returns_the_very_tensor():
    x = ops.ones(3)
    assert lm.tap("x", x) is x
    with lm.recording() as taps:
        assert lm.tap("x", x) is x
    assert taps["x"] is x


def test_with_nobody_listening_the_program_is_the_same(backend, arrays):
    if backend != "jax":
        pytest.skip("read off JAX's programs")
    import jax

    programs = [str(jax.make_jaxpr(jax.grad(f, 1))(*arrays)) for f in (plain, tapped)]
    assert programs[0] == programs[1]


# ── recording ────────────────────────────────────────────────────────────────────────────────


def test_a_recording_keeps_tensors_in_order_with_statistics_as_numpy_has_them(arrays):
    with lm.recording() as taps:
        tapped(*map(ops.convert_to_tensor, arrays))
    gap = arrays[0] - arrays[1]
    assert list(taps) == ["gap", "loss"]
    assert len(taps) == 2
    assert "gap" in taps
    np.testing.assert_array_equal(ops.convert_to_numpy(taps["gap"]), gap)
    assert taps.statistics("gap") == pytest.approx(
        {
            "mean": gap.mean(dtype="float64"),
            "deviation": gap.std(dtype="float64"),
            "min": gap.min(),
            "max": gap.max(),
            "nan": 0,
            "counted": 1,
        },
        rel=1e-5,
    )


def test_taps_of_one_name_are_numbered_as_they_run():
    with lm.recording() as taps:
        for name in ("x", "x", "x_2", "x"):
            lm.tap(name, ops.ones(1))
    assert list(taps) == ["x", "x_2", "x_2_2", "x_3"]


def test_nested_recordings_both_hear_and_none_hears_what_is_outside():
    x = ops.ones(2)
    lm.tap("before", x)
    with lm.recording() as outer:
        lm.tap("first", x)
        with lm.recording() as inner:
            lm.tap("second", x)
        lm.tap("third", x)
    lm.tap("after", x)
    assert list(outer) == ["first", "second", "third"]
    assert list(inner) == ["second"]


def test_a_recording_ends_with_an_error_too():
    with pytest.raises(ZeroDivisionError), lm.recording() as taps:
        raise ZeroDivisionError
    lm.tap("x", ops.ones(1))
    assert not taps


def test_a_mask_says_what_counts(rng):
    x = rng.normal(size=(2, 3, 2)).astype("float32")
    mask = np.array([[True, False, True], [False, False, True]])
    x[0, 1] = np.nan
    with lm.recording() as taps:
        lm.tap("x", ops.convert_to_tensor(x), mask=mask)
    found = taps.statistics("x")
    assert found["mean"] == pytest.approx(x[mask].mean(), rel=1e-5)
    assert found["deviation"] == pytest.approx(x[mask].std(), rel=1e-5)
    assert (found["counted"], found["nan"]) == (0.5, 0)


def test_the_automatic_mask_of_keras_is_a_mask():
    numbers = keras.layers.Embedding(3, 2, mask_zero=True)(np.array([[1, 2, 0, 0]]))
    with lm.recording() as taps:
        lm.tap("numbers", numbers)
    assert taps.statistics("numbers")["counted"] == 0.5


@pytest.mark.parametrize("dtype", ["bool", "int32", "float16", "bfloat16"])
def test_every_dtype_has_statistics(dtype):
    with lm.recording() as taps:
        lm.tap("x", ops.cast(ops.convert_to_tensor([0.0, 1.0, 1.0, 1.0]), dtype))
    assert taps.statistics("x")["mean"] == 0.75


def test_a_layer_taps_when_it_runs_and_not_when_keras_works_out_shapes():
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return lm.tap("doubled", 2 * x)

    with lm.recording() as taps:
        x = keras.Input((2,))
        model = keras.Model(x, Doubled()(x))
        assert list(taps) == []
        model(np.ones((1, 2)))
    assert ops.convert_to_numpy(taps["doubled"]).tolist() == [[2.0, 2.0]]


def test_between_layers_a_tap_is_a_layer_that_keeps_masks_and_is_saved(tmp_path):
    x = keras.Input((4,), dtype="int32")
    embedded = keras.layers.Embedding(3, 2, mask_zero=True)(x)
    model = keras.Model(x, lm.tap("embedded/numbers", embedded))
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        with lm.recording() as taps:
            each(np.array([[1, 2, 0, 0]]))
        assert list(taps) == ["embedded/numbers"]
        assert taps.statistics("embedded/numbers")["counted"] == 0.5


def test_between_layers_a_tap_keeps_the_dtype_whatever_the_policy_is():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        x = keras.Input((2,), dtype="float32")
        model = keras.Model(x, lm.tap("x", keras.layers.Dense(1, dtype="float32")(x)))
        assert keras.backend.standardize_dtype(model(np.ones((1, 2), "float32")).dtype) == "float32"
    finally:
        keras.config.set_dtype_policy(before)


# ── statistics ───────────────────────────────────────────────────────────────────────────────


def of_batches(batches):
    """The statistics of several batches, one row merged into the next, compiled once a shape."""
    program = Program(lambda x: rows([(Tapped(x, None), "summary")]), "jit")
    so_far = ops.zeros((1, 7))
    for batch in batches:
        so_far = merged(so_far, ops.convert_to_tensor(program.value(batch)))
    return {name: float(ops.convert_to_numpy(x)) for name, x in statistics(so_far[0]).items()}


def by_numpy(x):
    x = x.astype("float64")
    numbers = x[~np.isnan(x)]
    return {
        "mean": x.mean(),
        "deviation": x.std(),
        "min": numbers.min(),
        "max": numbers.max(),
        "nan": np.isnan(x).sum(),
        "counted": 1.0,
    }


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf], [np.inf, -np.inf, np.nan]])
def test_rows_of_batches_add_up_to_the_statistics_of_all(bad, rng):
    # Far from zero, where a plain sum of squares would have no digit left.
    x = (1e4 + rng.normal(size=(5, 4, 6))).astype("float32")
    x.reshape(-1)[30 : 30 + len(bad)] = bad
    with np.errstate(invalid="ignore"):
        expected = by_numpy(x)
    assert of_batches(list(x)) == pytest.approx(expected, rel=1e-3, nan_ok=True)


def test_rows_of_nothing_are_nan_and_leave_others_as_they_are():
    none = rows([(None, "mean")])[0]
    found = {k: float(ops.convert_to_numpy(v)) for k, v in statistics(none).items()}
    nothing = dict.fromkeys(found, np.nan) | {"nan": 0.0}
    assert found == pytest.approx(nothing, nan_ok=True)
    some = rows([(Tapped(ops.convert_to_tensor([-3.0, -1.0]), None), "summary")])[0]
    for pair in [(some, none), (none, some)]:
        together = ops.convert_to_numpy(merged(*pair))
        np.testing.assert_array_equal(together, ops.convert_to_numpy(some))


def test_bins_count_as_numpy_does(rng):
    x = np.exp(rng.normal(scale=8.0, size=200)) * rng.choice([-1, 1], 200)
    x = np.concatenate([x, EDGES[1:-1], [0.0, -0.0]]).astype("float32")
    expected, _ = np.histogram(x.astype("float64"), EDGES)
    program = Program(lambda x: bins(Tapped(x, None)), "xla")
    np.testing.assert_array_equal(program.value(x), expected)


def test_bins_leave_out_nan_and_what_does_not_count():
    x = ops.convert_to_tensor([1.5, np.nan, np.inf, -np.inf, 3.0])
    mask = ops.convert_to_tensor([True, True, True, True, False])
    counts = ops.convert_to_numpy(bins(Tapped(x, mask)))
    assert counts.sum() == 3
    assert (counts[0], counts[-1]) == (1, 1)
    assert counts[np.searchsorted(EDGES, 1.5) - 1] == 1


# ── where no value gets out ──────────────────────────────────────────────────────────────────

LOOPS = {
    "scan": lambda x: ops.scan(lambda c, s: (c + lm.tap("inner", s), None), x[0], x)[0],
    "while": lambda x: ops.while_loop(
        lambda n, _: n < 3, lambda n, y: (n + 1, lm.tap("inner", y + 1.0)), (0, x)
    )[1],
    "vmap": lambda x: ops.vectorized_map(lambda row: lm.tap("inner", row) * 2.0, x),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_tap_inside_a_loop_says_so(loop, backend):
    if backend == "torch" and loop != "vmap":
        pytest.skip("a loop of Python, where taps are numbered")

    def within(x):
        with lm.recording():
            return ops.sum(LOOPS[loop](x))

    with pytest.raises(lm.LossmithError, match="the tap 'inner' is in a compiled"):
        Program(within, "jit").value(np.ones((3, 2), "float32"))
    # Nobody listens: it runs.
    silent = Program(lambda x: ops.sum(LOOPS[loop](x)), "jit")
    assert silent.value(np.ones((3, 2), "float32")) > 0


def test_on_torch_the_taps_of_a_loop_are_numbered(backend):
    if backend != "torch":
        pytest.skip("elsewhere a framework runs the loop")
    with lm.recording() as taps:
        LOOPS["scan"](ops.ones((3, 2)))
    assert list(taps) == ["inner", "inner_2", "inner_3"]


def test_a_recording_around_a_compiled_function_says_so(backend, arrays):
    if backend == "torch":
        pytest.skip("nothing is traced")
    with pytest.raises(lm.LossmithError, match="return the value"), lm.recording():
        Program(tapped, "jit").value(*arrays)


def test_torch_compiles_a_tap_that_nobody_hears_without_a_break(backend):
    if backend != "torch":
        pytest.skip("torch.compile")
    import torch

    compiled = torch.compile(lambda x: lm.tap("x", 2 * x) + 1, backend="eager", fullgraph=True)
    assert compiled(torch.ones(2)).tolist() == [3.0, 3.0]


def test_taps_of_other_threads_are_not_heard():
    import threading

    with lm.recording() as taps:
        thread = threading.Thread(target=lm.tap, args=("x", ops.ones(1)))
        thread.start()
        thread.join()
    assert not taps
