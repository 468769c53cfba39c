"""Error rates against a plain Levenshtein distance, in batches, in training, in saved models."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from lossmith.core.paths.edits import edit_distance

SAMPLES, CLASSES, FRAMES, LABELS = 6, 5, 7, 4


def levenshtein(written, reference):
    above = list(range(len(reference) + 1))
    for row, symbol in enumerate(written, 1):
        line = [row]
        for column, other in enumerate(reference, 1):
            replaced = above[column - 1] + (symbol != other)
            line.append(min(above[column] + 1, line[-1] + 1, replaced))
        above = line
    return above[-1]


def decoded(scores, blank):
    return [
        [label for label, _ in itertools.groupby(path) if label != blank]
        for path in scores.argmax(-1).tolist()
    ]


def rates(references, written):
    edits = [levenshtein(w, r) for w, r in zip(written, references, strict=True)]
    return sum(edits) / sum(map(len, references)), np.mean(np.array(edits) > 0)


def padded(sequences, length, value):
    return np.array([[*s, *[value] * (length - len(s))] for s in sequences], "int32")


def drawn(rng, most=LABELS, *, blank=0, samples=SAMPLES):
    classes = [c for c in range(CLASSES) if c != blank]
    return [rng.choice(classes, rng.integers(1, most + 1)).tolist() for _ in range(samples)]


def test_the_distance_is_that_of_levenshtein(rng):
    one = rng.integers(0, 3, (64, 5))
    other = rng.integers(0, 3, (64, 7))
    lengths, other_lengths = rng.integers(0, 6, 64), rng.integers(0, 8, 64)
    different = one[:, :, None] != other[:, None, :]
    found = ops.convert_to_numpy(edit_distance(different, lengths, other_lengths)).tolist()
    rows = zip(one, lengths, other, other_lengths, strict=True)
    assert found == [levenshtein(a[:n].tolist(), b[:m].tolist()) for a, n, b, m in rows]
    assert min(found) == 0
    assert max(found) >= 6


@pytest.mark.parametrize(("blank", "padding"), [(0, 0), (0, -1), (-1, 4), (2, -7)])
def test_rates_over_batches_are_those_of_all_samples_together(rng, blank, padding):
    scores = rng.normal(size=(2 * SAMPLES, FRAMES, CLASSES)).astype("float32")
    references = drawn(rng, blank=blank % CLASSES, samples=2 * SAMPLES)
    labels = padded(references, LABELS, padding)
    metrics = [lm.metrics.LabelErrorRate(blank), lm.metrics.SequenceErrorRate(blank)]
    for rows in (slice(SAMPLES), slice(SAMPLES, None)):
        for metric in metrics:
            metric.update_state(labels[rows], scores[rows])
    found = [float(metric.result()) for metric in metrics]
    assert found == pytest.approx(rates(references, decoded(scores, blank % CLASSES)))
    metrics[0].reset_state()
    assert float(metrics[0].result()) == 0.0


def test_integers_are_labels_that_were_decoded(rng):
    references, written = drawn(rng), drawn(rng, FRAMES)
    metric = lm.metrics.LabelErrorRate()
    metric.update_state(padded(references, LABELS, 0), padded(written, FRAMES, -1))
    assert float(metric.result()) == pytest.approx(rates(references, written)[0])


def test_frames_that_keras_masks_are_not_read(rng):
    scores = rng.normal(size=(SAMPLES, FRAMES, CLASSES)).astype("float32")
    counted = rng.random((SAMPLES, FRAMES)) < 0.6
    references = drawn(rng)
    read = [decoded(x[None, keep], 0)[0] for x, keep in zip(scores, counted, strict=True)]
    masked = lm.backend.with_keras_mask(
        ops.convert_to_tensor(scores), ops.convert_to_tensor(counted)
    )
    metric = lm.metrics.LabelErrorRate()
    metric.update_state(padded(references, LABELS, 0), masked)
    assert float(metric.result()) == pytest.approx(rates(references, read)[0])


@pytest.mark.parametrize("shape", [(SAMPLES,), (SAMPLES, 1)])
def test_a_weight_of_a_sample_counts_it_so_often(rng, shape):
    references, written = drawn(rng), drawn(rng, FRAMES)
    weight = np.array([0.0, 1.0, 2.0, 1.0, 0.0, 3.0])
    again = [1, 2, 2, 3, 5, 5, 5]
    metric = lm.metrics.LabelErrorRate()
    labels, others = padded(references, LABELS, 0), padded(written, FRAMES, 0)
    metric.update_state(labels, others, sample_weight=weight.reshape(shape))
    wanted = rates([references[i] for i in again], [written[i] for i in again])[0]
    assert float(metric.result()) == pytest.approx(wanted)


def test_errors_where_nothing_is_to_be_written_are_infinitely_many():
    metric = lm.metrics.LabelErrorRate()
    nothing, written = np.zeros((SAMPLES, LABELS), "int32"), np.zeros((SAMPLES, FRAMES), "int32")
    metric.update_state(nothing, written)
    assert float(metric.result()) == 0.0
    metric.update_state(nothing, written + 1)
    assert float(metric.result()) == float("inf")


def test_a_compiled_model_logs_the_rate_of_the_epoch(rng):
    references = drawn(rng, samples=2 * SAMPLES)
    x = rng.normal(size=(2 * SAMPLES, FRAMES, 3)).astype("float32")
    y = padded(references, LABELS, 0)
    frames = keras.Input((FRAMES, 3))
    model = keras.Model(frames, keras.layers.Dense(CLASSES)(frames))
    per = lm.metrics.LabelErrorRate(name="phoneme_error_rate")
    model.compile(
        optimizer=keras.optimizers.SGD(0.0),
        loss=lm.CTC(lengths={"s": lm.masks.NotEqual(0)}),
        metrics=[per, lm.metrics.SequenceErrorRate()],
    )
    logs = model.fit(x, y, batch_size=SAMPLES, epochs=1, verbose=0).history
    wanted = rates(references, decoded(ops.convert_to_numpy(model(x)), 0))
    found = (logs["phoneme_error_rate"][0], logs["sequence_error_rate"][0])
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("metric", [lm.metrics.LabelErrorRate, lm.metrics.SequenceErrorRate])
def test_a_metric_loads_as_it_was_saved(metric):
    saved = keras.saving.serialize_keras_object(metric(blank=3, name="per"))
    loaded = keras.saving.deserialize_keras_object(saved)
    assert isinstance(loaded, metric)
    assert (loaded.blank, loaded.name) == (3, "per")
