"""The recipes as they are usually written by hand: code that runs, and is silently wrong.

`docs/recipes.md` shows these very lines, and `measured.py` runs them. Do not correct them.
"""

import keras
from keras import ops

# 1: RepeatVector puts the new axis second, so that members stand where steps should.


def ensemble_mse(y_true, y_pred):
    members = y_pred.shape[-1]
    repeated = keras.layers.RepeatVector(members)(y_true)
    return ops.mean(ops.square(repeated - y_pred))


# 2: the divisor counts what is missing, and `where` after the square lets NaN into the gradient.


def mse_of_known(y_true, y_pred):
    y_true = ops.repeat(ops.expand_dims(y_true, -1), y_pred.shape[-1], axis=-1)
    known = ops.logical_not(ops.isnan(y_true))
    return ops.mean(ops.where(known, ops.square(y_true - y_pred), 0.0))


# 3: the mean is over the padding too, and a target of 0 is taken for padding.


def padded_mse(y_true, y_pred):
    y_true = ops.expand_dims(y_true, -1)
    real = ops.cast(ops.not_equal(y_true, 0), "float32")
    return ops.mean(real * ops.square(y_true - y_pred))


# 4: the argmax of an all-zero row is 0, and so is that of class 0; and 0 / 0 is NaN.


def masked_crossentropy(y_true, y_pred):
    mask = ops.cast(ops.argmax(y_true, axis=-1) > 0, "float32")
    error = keras.losses.categorical_crossentropy(y_true, y_pred)
    return ops.sum(mask * error) / ops.sum(mask)


# 5: the divisor counts steps, the sum is over steps and features; gaps are targets of -1.


def sensor_mse(y_true, y_pred):
    known = ops.any(ops.not_equal(y_true, -1), axis=-1, keepdims=True)
    mask = ops.cast(known, "float32")
    return ops.sum(mask * ops.square(y_true - y_pred)) / ops.sum(mask)


# 6: one number comes back, and Keras has nothing left to mask.


def absolute_difference(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred))


# 7: the LSTM answers once; with as many samples as steps, that broadcasts.


def recurrent_model():
    x = keras.Input((8, 2))
    return keras.Model(x, keras.layers.LSTM(2)(x))


def step_then_time(y_true, y_pred):
    error_of_step = ops.sum(ops.square(y_true - y_pred), axis=-1)
    return ops.mean(error_of_step, axis=-1)


# 8: the weights of three classes meet three steps.

CLASS_WEIGHTS = ops.array([0.5, 1.0, 4.0])


def weighted_crossentropy(y_true, y_pred):
    error = keras.losses.categorical_crossentropy(y_true, y_pred)
    return ops.mean(CLASS_WEIGHTS * error)


# 9: sample weights multiply what the loss returns, the penalty included.


def data_and_penalty(kernel):
    def loss(y_true, y_pred):
        data = ops.mean(ops.square(y_true - y_pred))
        return data + 0.01 * ops.sum(ops.square(kernel))

    return loss


# 10: the rows of the table are features, those of the tensors are steps.

TABLE = ops.array([[3.0, 2.0, 1.0], [1.0, 0.5, 0.25], [0.0, 0.0, 4.0]])


def table_mse(y_true, y_pred):
    return ops.mean(TABLE * ops.square(y_true - y_pred))


# 11: a regulariser sums over steps and units, and divides by the batch size alone.


def hidden_layer():
    penalty = keras.regularizers.L1(0.1)
    return keras.layers.Dense(8, activation="relu", activity_regularizer=penalty)


# 12: inside the square, the weight counts twice.


def context_mse(y_true, y_pred):
    around = ops.average_pool(y_true, 3, strides=1, padding="same")
    weight = 1.0 + 4.0 * ops.abs(y_true - around)
    return ops.mean(ops.square(weight * (y_true - y_pred)))


# 13: one number comes back, which Keras multiplies by the mean of the sample weights.


def shifted_mse(y_true, y_pred):
    return ops.mean(ops.square(y_true - (y_pred + 0.1)))


# 14: without `get_config` the loss is loaded with its defaults.


@keras.saving.register_keras_serializable("handwritten")
class RangeLoss(keras.losses.Loss):
    def __init__(self, low=0.2, high=0.8, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.low, self.high, self.factor = low, high, factor

    def call(self, y_true, y_pred):
        outside = ops.logical_or(y_pred < self.low, y_pred > self.high)
        return ops.where(outside, self.factor, 1.0) * ops.square(y_true - y_pred)


# 15: (16,) against (16, 1) is (16, 16).


def element_mse(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred[:, 1:2]))


# 16: a mean over samples and code numbers, against a mean over samples and pixels.


class KLDivergence(keras.layers.Layer):
    factor = 0.0  # a callback sets it at the start of each epoch

    def call(self, mean, log_variance):
        kl = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
        self.add_loss(self.factor * 0.5 * ops.mean(kl))
        return mean


# 17: the weight that leaves out a missing label leaves out the consistency too.


def heads_that_agree(y_true, y_pred):
    first, second = ops.split(y_pred, 2, axis=-1)
    error = keras.losses.sparse_categorical_crossentropy(y_true, first)
    error = error + keras.losses.sparse_categorical_crossentropy(y_true, second)
    return error + 0.5 * ops.mean(ops.square(first - second), axis=-1)


# 18: a variable of a loss is not a weight of the model: no optimizer hears of it.


class UncertainMSE(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.log_variance = keras.Variable(0.0)

    def call(self, y_true, y_pred):
        error = ops.square(y_true - y_pred)
        return ops.exp(-self.log_variance) * error + self.log_variance


# 19: a missing value becomes a target of 0.

HORIZONS = ops.array([1.0, 0.8, 0.64, 0.512])


def horizon_mse(y_true, y_pred):
    error = ops.square(ops.nan_to_num(y_true) - y_pred)
    return ops.average(ops.mean(error, axis=(0, 2)), weights=HORIZONS)


# 20: the mean of the steps' means, each over as many samples as are that long.


def loss_in_the_loop(cell, head, x, y, lengths):
    states = cell.get_initial_state(batch_size=ops.shape(x)[0])
    crossentropy = keras.losses.sparse_categorical_crossentropy
    total = 0.0
    for step in range(x.shape[1]):
        output, states = cell(x[:, step], states)
        error = crossentropy(y[:, step], head(output), from_logits=True)
        real = ops.cast(lengths > step, "float32")
        total = total + ops.sum(real * error) / ops.sum(real)
    return total / x.shape[1]


# 21: the map of one batch, for all batches.


def boundary_crossentropy(weight_map):
    def loss(y_true, y_pred):
        error = keras.losses.binary_crossentropy(y_true, y_pred)
        return ops.mean(weight_map * error)

    return loss
