"""What names stand for, by import and alias."""

import ast

import pytest

from lossmith.lint.names import Names, canonical

NAMES = [
    ("import keras", "keras.ops.mean", "keras.ops.mean"),
    ("import keras as k", "k.ops.mean", "keras.ops.mean"),
    ("import keras.backend as K", "K.mean", "keras.backend.mean"),
    ("import keras.backend", "keras.backend.mean", "keras.backend.mean"),
    ("from tensorflow.keras import backend as K", "K.mean", "keras.backend.mean"),
    ("import tensorflow as tf", "tf.keras.backend.mean", "keras.backend.mean"),
    ("import tensorflow as tf", "tf.reduce_mean", "tensorflow.reduce_mean"),
    ("import tensorflow.compat.v1 as tf", "tf.reduce_mean", "tensorflow.reduce_mean"),
    ("from keras import ops as O", "O.mean", "keras.ops.mean"),
    ("from keras.ops import mean as m", "m", "keras.ops.mean"),
    ("import keras\nops = keras.ops", "ops.mean", "keras.ops.mean"),
    ("import keras\nK = keras.backend\nmean = K.mean", "mean", "keras.backend.mean"),
    ("from keras.src import ops", "ops.mean", "keras.ops.mean"),
    ("from keras.src import backend", "backend.mean", "keras.src.backend.mean"),
    ("from keras.src.losses.loss import Loss", "Loss", "keras.losses.Loss"),
    ("import keras", "keras.Loss", "keras.losses.Loss"),
    ("import tf_keras", "tf_keras.losses.Loss", "keras.losses.Loss"),
    ("import jax.numpy as jnp", "jnp.mean", "jax.numpy.mean"),
    ("import numpy as np", "np.linalg.norm", "numpy.linalg.norm"),
    ("import torch.nn.functional as F", "F.softmax", "torch.nn.functional.softmax"),
    ("def f():\n    from keras import ops", "ops.mean", "keras.ops.mean"),
    ("try:\n    import keras\nexcept ImportError:\n    pass", "keras.ops", "keras.ops"),
    ("", "len", "len"),
    ("import keras", "f().mean", None),
]


def expression(text):
    return ast.parse(text, mode="eval").body


@pytest.mark.parametrize(("imports", "written", "meant"), NAMES)
def test_a_name_has_one_canonical_form(imports, written, meant):
    assert Names(ast.parse(imports), "<stdin>").of(expression(written)) == meant


@pytest.mark.parametrize(
    ("imports", "name", "written"),
    [
        ("from keras import ops", "keras.ops.where", "ops.where"),
        ("import keras", "keras.ops.where", "keras.ops.where"),
        ("import tensorflow as tf", "keras.ops.where", None),
        ("from keras.ops import where", "keras.ops.where", "where"),
    ],
)
def test_a_canonical_name_is_written_as_the_module_would(imports, name, written):
    assert Names(ast.parse(imports), "<stdin>").local(name) == written


def test_imports_of_the_same_package_are_followed(tmp_path):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "common.py").write_text(
        "from keras import backend as K\nimport keras\nops = keras.ops"
    )
    (package / "again.py").write_text("from .common import K as B")
    user = package / "losses.py"
    user.write_text("from .again import B\nfrom mine.common import ops\nfrom . import nothing")
    names = Names(ast.parse(user.read_text()), str(user))
    assert names.of(expression("B.mean")) == "keras.backend.mean"
    assert names.of(expression("ops.mean")) == "keras.ops.mean"


def test_files_that_import_each_other_end(tmp_path):
    (tmp_path / "a.py").write_text("from .b import x")
    (tmp_path / "b.py").write_text("from .a import x")
    names = Names(ast.parse("from .a import x"), str(tmp_path / "c.py"))
    assert names.of(expression("x")) == canonical("a.x")
    (tmp_path / "c.py").write_text("from .a import x")
    names = Names(ast.parse("from .a import x"), str(tmp_path / "c.py"))
    assert names.of(expression("x")) == "a.x"
