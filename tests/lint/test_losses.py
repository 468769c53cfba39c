"""What is taken for a loss, and what is not."""

import textwrap

import pytest

from lossmith.lint.losses import losses
from lossmith.lint.module import Module

BODY = "return K.mean(b - a)"
FOUND = [
    ("def f(y_true, y_pred): return y_true - y_pred", "f", "parameters", "y_true", "y_pred"),
    ("def f(y_pred, y_true, w): return y_true - y_pred", "f", "parameters", "y_true", "y_pred"),
    ("def nll(labels, logits): return labels - logits", "nll", "parameters", "labels", "logits"),
    ("def f(a, b): return a - b\nm.compile('adam', loss=f)", "f", "compiled", "a", "b"),
    ("def f(a, b): return a - b\nm.compile('adam', f)", "f", "compiled", "a", "b"),
    ("def f(a, b): return a - b\nm.compile(loss={'x': f, 'y': 'mse'})", "f", "compiled", "a", "b"),
    ("def dice_coef(y_true, y_pred): return y_pred\nm.compile(loss=[dice_coef])",
     "dice_coef", "compiled", "y_true", "y_pred"),
    ("def make(w):\n    def g(a, b): return a - b\n    return g\nm.compile(loss=make(2))",
     "make.g", "compiled", "a", "b"),
    ("def make(w):\n    def g(a, b): return a - b\n    return g\nl = make(2)\nm.compile(loss=l)",
     "make.g", "compiled", "a", "b"),
    ("class A(keras.losses.Loss):\n    def call(self, t, p): return t - p",
     "A.call", "subclass", "t", "p"),
    ("L = keras.losses.Loss\nclass A(L):\n    def call(self, t, p): return t - p",
     "A.call", "subclass", "t", "p"),
    ("class A(keras.losses.Loss): pass\nclass B(A):\n    def call(self, t, p): return t - p",
     "B.call", "subclass", "t", "p"),
    ("import lossmith as lm\n@lm.loss('b, b -> b')\ndef f(a, b): return a - b",
     "f", "decorated", "a", "b"),
    ("m.compile(loss=lambda a, b: a - b)", "<lambda>", "compiled", "a", "b"),
    ("f = lambda a, b: a - b\nm.compile(loss=[f])", "f", "compiled", "a", "b"),
    ("mae = lambda y_true, y_pred: abs(y_true - y_pred)", "mae", "parameters", "y_true", "y_pred"),
    ("def make(w):\n    return lambda a, b: a - b\nm.compile(loss=make(2))",
     "<lambda>", "compiled", "a", "b"),
    ("@tf.function\ndef f(y_true, y_pred): return y_true", "f", "parameters", "y_true", "y_pred"),
    ("import tensorflow as tf\ndef f(a, b): return a - b\nm.compile(loss=tf.function(f))",
     "f", "compiled", "a", "b"),
    ("def my_loss(preds, targets): return preds", "my_loss", "parameters", "targets", "preds"),
    ("def l1_loss(logits, y): return y", "l1_loss", "parameters", "y", "logits"),
]  # fmt: skip
LEFT = [
    "def accuracy(y_true, y_pred): return y_true",
    "def dice_coef(y_true, y_pred): return y_true",
    "def plot(labels, logits): return labels",
    "def split(target, output): return target",
    "def f(y_true, y_pred): print(y_true)",
    "def f(y_true): return y_true",
    "first = lambda a, b: a",
    "a = b\nb = a\nm.compile(loss=a)",
    "def loss(params, inputs, targets): return targets",
    "class A(keras.metrics.Metric):\n    def loss(self, y_true, y_pred): return y_true",
    "class A(keras.layers.Layer):\n    def call(self, y_true, y_pred): return y_true",
    "class A(keras.Model):\n    def train_step(self, y_true, y_pred): return y_true",
]


def found(code):
    return list(losses(Module(code)))


@pytest.mark.parametrize(("code", "name", "why", "target", "prediction"), FOUND)
def test_a_loss_is_found(code, name, why, target, prediction):
    (loss,) = found("import keras\n" + code)
    assert (loss.name, loss.why, loss.target, loss.prediction) == (name, why, target, prediction)


@pytest.mark.parametrize("code", LEFT)
def test_what_is_no_loss_is_left_alone(code):
    assert found("import keras\n" + code) == []


def test_functions_of_a_module_without_tensors_are_left_alone():
    code = "import pandas\ndef loss(y_true, y_pred): return y_true"
    assert found(code) == []


def test_the_order_of_the_arguments_is_known():
    code = (
        "import keras\ndef f(y_pred, y_true): return y_pred\ndef g(y_true, y_pred): return y_pred"
    )
    assert [loss.swapped for loss in found(textwrap.dedent(code))] == [True, False]
