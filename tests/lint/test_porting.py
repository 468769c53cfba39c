"""The table of functions that `keras.ops` has too, held to the libraries themselves."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

from lossmith.lint.porting import TWINS

BACKEND = keras.config.backend()
RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(0.1, 0.9, (3, 4)).astype("float32")
OTHER = RANDOM.uniform(0.1, 0.9, (3, 4)).astype("float32")
BOOLEAN = X > 0.5
GIVEN = {
    "x": X,
    "x1": X,
    "x2": OTHER,
    "variable": X,
    "condition": BOOLEAN,
    "xs": [X, OTHER],
    "axis": -1,
    "keepdims": True,
    "dtype": "float32",
    "newshape": (4, 3),
    "shape": (2, 3, 4),
    "repeats": (2, 1),
    "axes": (1, 0),
    "num_classes": 5,
    "x_min": 0.3,
    "x_max": 0.6,
}
OF_FUNCTION = {
    "one_hot": {"x": np.array([0, 2, 4], "int32")},
    "squeeze": {"x": X[:, :1]},
    "stack": {"x": [X, OTHER]},
    "matmul": {"x2": OTHER.T},
    "repeat": {"repeats": 2},
    "any": {"x": BOOLEAN},
    "all": {"x": BOOLEAN},
    "logical_not": {"x": BOOLEAN},
    "logical_and": {"x1": BOOLEAN, "x2": ~BOOLEAN[::-1]},
    "logical_or": {"x1": BOOLEAN, "x2": ~BOOLEAN[::-1]},
}
LIBRARIES = ("numpy", {"torch": "torch", "jax": "jax", "tensorflow": "tensorflow"}[BACKEND])


def function(library, name):
    """Return a function of a library; names that stand in one namespace only are not in all."""
    if library == "keras.backend":
        return getattr(importlib.import_module("tensorflow").keras.backend, name)
    module = importlib.import_module(library.partition(".")[0])
    for part in library.split(".")[1:]:
        module = getattr(module, part)
    return getattr(module, name, None)


CASES = [
    pytest.param(library, name, id=f"{library}.{name}")
    for library, twins in TWINS.items()
    for name in twins
    if library.partition(".")[0] in (*LIBRARIES, "keras" if BACKEND == "tensorflow" else "")
    # `tf.math` and `tf.nn` share the table of `tf`, and have a part of it each.
    and function(library, name) is not None
]


def root_of(library):
    return "jax.numpy" if library == "jax" else library


def arguments(library, twin):
    given = GIVEN | OF_FUNCTION.get(twin.name, {})
    values = [(p, given[p.ours]) for p in twin.parameters]
    as_tensor = {"torch": "torch", "jax": "jax.numpy", "tensorflow": "tensorflow"}
    root = "tensorflow" if library == "keras.backend" else library.partition(".")[0]
    if root not in as_tensor:
        return values
    convert = ops.convert_to_tensor
    return [
        (p, [convert(v) for v in value] if isinstance(value, list) else convert(value))
        if isinstance(value, (np.ndarray, list))
        else (p, getattr(importlib.import_module("torch"), value))
        if p.ours == "dtype" and root == "torch"
        else (p, value)
        for p, value in values
    ]


@pytest.mark.parametrize(("library", "name"), CASES)
def test_the_function_of_keras_ops_computes_the_same(library, name):
    twin = TWINS[library][name]
    theirs = function(library, name)
    given = arguments(library, twin)
    positional = [v for p, v in given if not p.keyword]
    expected = theirs(*positional, **{p.theirs: v for p, v in given if p.keyword})
    in_order = getattr(ops, twin.name)(*positional, **{p.ours: v for p, v in given if p.keyword})
    by_name = getattr(ops, twin.name)(**{p.ours: v for p, v in given})
    expected = ops.convert_to_numpy(expected)
    for found in map(ops.convert_to_numpy, (in_order, by_name)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("library", "name"), CASES)
def test_the_defaults_are_the_same(library, name):
    twin = TWINS[library][name]
    theirs = function(library, name)
    optional = {"axis", "keepdims", "dtype", "axes"}
    given = [v for p, v in arguments(library, twin) if p.required or p.ours not in optional]
    expected = ops.convert_to_numpy(theirs(*given))
    found = ops.convert_to_numpy(getattr(ops, twin.name)(*given))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_every_name_of_the_table_is_of_some_library():
    asked = {name for library in LIBRARIES for name in TWINS[root_of(library)]}
    assert asked <= {case.values[1] for case in CASES}


@pytest.mark.parametrize("library", sorted({"tensorflow", "torch"} & {*LIBRARIES}))
def test_the_parameters_are_named_as_the_library_names_them(library):
    for name, twin in TWINS[library].items():
        theirs = function(library, name)
        if theirs is not None:
            theirs(**{p.theirs: v for p, v in arguments(library, twin)})
