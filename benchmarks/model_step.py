"""Claims: `lm.Model` costs what `compute_loss` by hand costs; a named layer what an output costs.

An epoch of `fit`, eight steps, of a network over sequences with two outputs and three terms: a
squared error with lengths, a cross-entropy with class weights, and the squares of a layer's
activations. The hand-written peer is a `keras.Model` with the same maths in `compute_loss`, with
the activations as a third output, and with three `keras.metrics.Mean` for the logs, weighted by
counts, so that its epoch values are as exact as ours. Both log the same terms; the total is left
to Keras by hand, which averages it over batches.

The second claim holds `"layer:encoder"` to `"output:hidden"`, both in an `lm.Model`.

The claims are held to CPU time, which a busy machine changes less than time on the clock.

    python benchmarks/model_step.py [--rounds 15] [--json FILE]
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Timing, arguments, in_turns
from _report import Bars, Claim, Report, cpu_ratios, run, timings

BATCHES, BATCH, STEPS, FEATURES, UNITS, CLASSES = 8, 32, 64, 32, 256, 10
CLASS_WEIGHTS = np.linspace(0.5, 2.0, CLASSES).astype("float32")
LIMIT = 1.05
HAND, OURS = "compute_loss by hand", "lm.Model, three terms"
OUTPUT, LAYER = "lm.Model, an extra output", "lm.Model, a layer"

Ways = dict[str, Callable[[], dict[str, float]]]


def data() -> tuple[Any, dict[str, Any]]:
    """Return inputs, and targets with their lengths and labels."""
    rng = np.random.default_rng(0)
    samples = BATCHES * BATCH
    x, y = rng.normal(size=(2, samples, STEPS, FEATURES)).astype("float32")
    lengths = rng.integers(1, STEPS, samples).astype("int32")
    labels = rng.integers(0, CLASSES, (samples, STEPS)).astype("int32")
    return x, {"y": y, "lengths": lengths, "labels": labels}


def network() -> tuple[Any, dict[str, Any]]:
    """Return the input and the tensors that the terms are about."""
    import keras

    random.seed(0)  # layers draw their seeds from it
    x = keras.Input((STEPS, FEATURES))
    hidden = keras.layers.Dense(UNITS, activation="relu", name="encoder")(x)
    top = keras.layers.Dense(UNITS, activation="relu")(hidden)
    out = keras.layers.Dense(FEATURES)(top)
    logits = keras.layers.Dense(CLASSES)(top)
    return x, {"out": out, "logits": logits, "hidden": hidden}


def by_hand() -> Any:
    """Write the three terms, and their logs, into `compute_loss`."""
    import keras
    from keras import ops

    class ByHand(keras.Model):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.logged = [keras.metrics.Mean(name=name) for name in ("mse", "ce", "l2")]

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
        ) -> Any:
            del x
            out, logits, hidden = y_pred["out"], y_pred["logits"], y_pred["hidden"]
            mask = ops.arange(STEPS) < y["lengths"][:, None]
            difference = ops.where(mask[..., None], out - y["y"], 0.0)
            steps = ops.sum(ops.cast(mask, "float32")) * FEATURES
            hot = ops.one_hot(y["labels"], CLASSES)
            errors = -ops.sum(hot * ops.log_softmax(logits), axis=-1)
            positions = ops.cast(ops.size(errors), "float32")
            weights = ops.take(ops.convert_to_tensor(CLASS_WEIGHTS), y["labels"])
            numbers = ops.cast(ops.size(hidden), "float32")
            terms = [
                (ops.sum(ops.square(difference)) / steps, steps),
                (ops.sum(weights * errors) / positions, positions),
                (ops.sum(ops.square(hidden)) / numbers, numbers),
            ]
            for metric, (value, count) in zip(self.logged, terms, strict=True):
                metric.update_state(value, sample_weight=count)
            (mse, _), (ce, _), (l2, _) = terms
            return mse + 0.5 * ce + 0.1 * l2

    x, tensors = network()
    return _compiled(ByHand(x, tensors))


def ours() -> Any:
    """Name the three terms."""
    import lossmith as lm

    x, tensors = network()
    del tensors["hidden"]
    masked = lm.masks.Lengths("y:lengths")
    weights = lm.weights.ByClass(CLASS_WEIGHTS)
    error = lm.errors.CrossEntropy(from_logits=True)
    loss = (
        lm.Loss("mse", "b t f, b t f", of=("y", "output:out"), mask=masked)
        + 0.5
        * lm.Loss(
            error, "b t, b t [c]", of=("y:labels", "output:logits"), weights=weights, name="ce"
        )
        + 0.1 * lm.Loss("l2", "b t h", of="layer:encoder")
    )
    return _compiled(lm.Model(x, tensors), loss)


def with_hidden(source: str) -> Any:
    """Return a model with one term of an activation, from an output or from a layer."""
    import lossmith as lm

    x, tensors = network()
    del tensors["logits"]
    if not source.startswith("output:"):
        del tensors["hidden"]
    loss = lm.Loss("mse", "b t f, b t f", of=("y", "output:out"))
    return _compiled(lm.Model(x, tensors), loss + 0.1 * lm.Loss("l2", "b t h", of=source))


def _compiled(model: Any, loss: Any = None) -> Any:
    import keras

    model.compile(keras.optimizers.SGD(1e-3), loss=loss)
    return model


def epoch_of(model: Any) -> Callable[[], dict[str, float]]:
    """Return a function that trains for an epoch and returns its logs."""
    x, y = data()

    def run() -> dict[str, float]:
        history = model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history
        return {name: values[0] for name, values in history.items()}

    return run


def check(ways: Ways, *, among: tuple[str, str]) -> None:
    """Hold the terms of two ways to each other over two epochs, before anything is timed."""
    for _ in range(2):
        first, second = (ways[name]() for name in among)
        for name in first.keys() - {"loss"}:
            np.testing.assert_allclose(second[name], first[name], rtol=1e-4, err_msg=name)


def measure(rounds: int) -> dict[str, Timing]:
    """Time all ways, each against the peer of its claim."""
    timings: dict[str, Timing] = {}
    pairs = [
        {HAND: by_hand(), OURS: ours()},
        {OUTPUT: with_hidden("output:hidden"), LAYER: with_hidden("layer:encoder")},
    ]
    for models in pairs:
        ways = {name: epoch_of(model) for name, model in models.items()}
        reference, other = ways
        check(ways, among=(reference, other))
        timings.update(in_turns(ways, reference=reference, rounds=rounds, warm_up=1))
    return timings


def report(found: dict[str, Any]) -> Report:
    """Hold the claims to what was found."""
    claims = []
    for backend, ways in found.items():
        for way, reference in ((OURS, HAND), (LAYER, OUTPUT)):
            ratio = ways[way]["cpu_ratio"]
            claim = f"{backend}, {way}: at most {LIMIT} x the CPU time of {reference}"
            claims.append(Claim(f"{claim}: {ratio:.3f}", ratio <= LIMIT))
    title = f"An epoch of {BATCHES} steps, batch {BATCH} x {STEPS}"
    chart = Bars("CPU time over that of the peer", cpu_ratios(found), "lm.", {})
    return Report([timings(title, found)], claims, [chart])


def main() -> None:
    """Measure one backend here, or all of them in processes of their own."""
    options = arguments(__doc__, rounds=15)
    run(__file__, options, lambda: measure(options.rounds), report)


if __name__ == "__main__":
    main()
