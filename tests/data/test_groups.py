"""Gradients accumulated over k batches are those of one batch that holds them all."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

import lossmith as lm
from tests.data.batches import (
    GROUPS,
    MASK,
    K,
    Listed,
    batches,
    every_divisor,
    large,
    model,
    trained,
)
from tests.support.grads import value_and_grad

BACKEND = keras.config.backend()
TOLERANCE = 1e-6
AXES = "b t, b t"
WEIGHT = np.array([0.3, -0.7], "float32")


def _groups(dataset, count):
    return list(lm.data.accumulation_groups(dataset, K, count))


def _numpy_gradient(batch):
    """The gradient of a mean squared error and of a weighted one, in float64."""
    x, y, weight = (batch[0].astype("float64"), batch[1], batch[2].astype("float64"))
    mask = np.arange(x.shape[1]) < y["lengths"][:, None]
    factor = np.where(mask, weight[:, None], 0.0)
    error = np.where(mask, x @ WEIGHT.astype("float64") - np.where(mask, y["y"], 0.0), 0.0)
    slope = 2 * np.einsum("bt,btf->f", factor * error, x)
    return slope / mask.sum() + slope / factor.sum()


def test_the_mean_of_k_gradients_in_a_loop_of_ones_own():
    mean = lm.Loss("mse", AXES, mask=MASK)
    loss = mean + mean.replace(reduce="weighted_mean")
    told = _groups(batches(), loss)
    assert len(told) == K * len(GROUPS)
    for place, whole in enumerate(large()):
        gradients = [
            value_and_grad(partial(_of_weight, loss, batch), WEIGHT)[1][0]
            for batch in told[K * place : K * (place + 1)]
        ]
        found = np.mean(gradients, axis=0)
        np.testing.assert_allclose(found, _numpy_gradient(whole), rtol=TOLERANCE, atol=TOLERANCE)


def _of_weight(loss, batch, w):
    x, y, sample_weight = batch
    return loss(y, ops.matmul(x, w[:, None])[..., 0], sample_weight)


def _trained(net, dataset, epochs=2):
    found = trained(net, dataset, epochs)
    return found["weights"], found["logs"]


def _weights(net):
    return [ops.convert_to_numpy(variable) for variable in net.trainable_variables]


def _equal(found, expected):
    for a, b in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)
    assert found[1] == pytest.approx(expected[1], rel=TOLERANCE)


def test_fit_with_accumulation_is_fit_on_large_batches():
    loss = every_divisor()
    alone = _trained(model(loss), Listed(large(2)))
    groups = lm.data.accumulation_groups(Listed(batches(2)), K, loss)
    assert groups.num_batches == K * len(GROUPS)
    found = _trained(model(loss, gradient_accumulation_steps=K), groups)
    # The penalties are the same for each batch of a group, and are logged as often.
    assert {"regularization", "l2", "loss"} <= set(alone[1])
    _equal(found, alone)


def _as_tf_data():
    import tensorflow as tf

    shapes = (
        tf.TensorSpec((None, 4, 2)),
        {"y": tf.TensorSpec((None, 4)), "lengths": tf.TensorSpec((None,), "int32")},
    )
    return tf.data.Dataset.from_generator(
        partial(batches, 2), output_signature=(*shapes, tf.TensorSpec((None,)))
    )


def test_other_datasets_train_alike():
    loss = lm.Loss("mse", AXES, mask=MASK)
    alone = _trained(model(loss), Listed(large(2)), epochs=1)[0]
    for dataset in [iter(batches(2))] + [_as_tf_data()] * (BACKEND == "tensorflow"):
        net = model(loss, gradient_accumulation_steps=K)
        groups = lm.data.accumulation_groups(dataset, K, loss)
        net.fit(groups, steps_per_epoch=K * len(GROUPS), shuffle=False, verbose=0)
        found = _weights(net)
        for a, b in zip(found, alone, strict=True):
            np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)


# Words of a vocabulary of six in a model that masks word 0 itself.
WORDS = [
    np.array(rows)
    for rows in (
        [[1, 2, 3, 4], [5, 1, 2, 0]],
        [[3, 0, 0, 0], [0, 0, 0, 0]],
        [[2, 2, 0, 0], [4, 0, 0, 0]],
    )
]


def _masking(loss, **arguments):
    keras.utils.set_random_seed(0)
    words = keras.Input((4,), dtype="int32")
    hidden = keras.layers.Embedding(6, 3, mask_zero=True)(words)
    net = lm.Model(words, keras.layers.Dense(6, name="lm_head")(hidden))
    net.compile(keras.optimizers.SGD(0.5, **arguments), loss=loss)
    return net


def _counted(x, _, sample_weight):
    assert sample_weight is None
    return np.sum(x != 0)


def test_a_function_counts_what_keras_masks_and_metrics_do_not_see_what_fills_up():
    loss = lm.LinearCrossEntropy("lm_head", metrics=["accuracy", "perplexity"])
    data = [(words, words) for words in WORDS]
    nothing = np.zeros_like(WORDS[2])
    whole = [(np.concatenate(pair),) * 2 for pair in (WORDS[:2], [WORDS[2], nothing])]
    alone = _trained(_masking(loss), Listed(whole))
    groups = lm.data.accumulation_groups(Listed(data), 2, _counted)
    _equal(_trained(_masking(loss, gradient_accumulation_steps=2), groups), alone)


def _refused(net, groups, match):
    with pytest.raises(lm.LossmithError, match=match):
        net.train_on_batch(*next(groups))


def test_what_would_be_wrong_is_refused():
    words = [(words, words) for words in WORDS]
    loss = lm.Loss("sparse_categorical_crossentropy", "b t, b t [c]", mask=lm.masks.NotEqual(0))
    seen = lm.data.accumulation_groups(words, 2, loss)
    _refused(_masking(loss, gradient_accumulation_steps=2), seen, "automatic mask was not seen")
    for steps in ({}, {"gradient_accumulation_steps": 3}):
        of_two = lm.data.accumulation_groups(words, 2, _counted)
        _refused(_masking(loss, **steps), of_two, "another number of batches")


def test_groups_are_not_shuffled():
    loss = lm.Loss("mse", AXES, mask=MASK)
    groups = lm.data.accumulation_groups(Listed(batches()), K, loss)
    with pytest.raises(lm.LossmithError, match="one after the other"):
        model(loss, gradient_accumulation_steps=K).fit(groups)


def test_functions_count_terms_of_different_masks():
    loss = lm.Loss("mse", AXES, mask=MASK) + lm.Loss("mae", AXES, mask=lm.masks.Finite("y:lengths"))
    steps = {"mse": lambda *batch: batch[1]["lengths"].sum(), "mae": lambda x, *_: x[..., 0].size}
    by_functions = _groups(batches(), steps)[0][1]
    by_loss = _groups(batches(), loss)[0][1]
    for name in steps:
        rows = by_functions[f"group_of_{K}/{name}"], by_loss[f"group_of_{K}_by_loss/{name}"]
        np.testing.assert_array_equal(*rows)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lm.Loss("mse", "b t, b t", mask=MASK), [11, 1, 3, 5, 0, 5, 2, 7]),
        (lm.Loss("mse", "b t, b t k", mask=MASK), [11, 1, 3, 5, 0, 5, 2, 7]),  # k times as many
        (lm.Loss("mse", "b t, b t", mask=MASK, reduce="mean t, mean b"), [3, 1, 2, 2, 0, 3, 1, 2]),
        (
            lm.Loss("mse", "b t, b t", select=lm.select.LastStep(), mask=MASK),
            [2, 0, 0, 1, 0, 0, 0, 1],
        ),
        (lm.Loss("mae", mask=lm.masks.Finite()), [11, 1, 3, 5, 0, 5, 2, 7]),
        (lm.Loss("mse", "b t, b t", reduce="sum"), [1] * 8),
        (lm.Loss("l1", "b t h", of="layer:hidden"), [3] * 7 + [2]),
    ],
)
def test_a_loss_counts_by_itself(loss, expected):
    rows = [list(y.values())[-1][0] for _, y, _ in _groups(batches(), loss)]
    assert [row[0] for row in rows if row[2]] == expected
