"""Saving: what comes back from a file is another loss, or nothing."""

import keras
from keras import ops
from keras.saving import register_keras_serializable

from tests.zoo import pair


@register_keras_serializable("zoo")
class PowerWithoutConfig(keras.losses.Loss):
    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)


@register_keras_serializable("zoo")
class Power(keras.losses.Loss):
    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return super().get_config() | {"power": self.power}


pair(
    "missing-get-config",
    PowerWithoutConfig(power=3.0),
    Power(power=3.0),
    axes="b f, b f",
    check="serialisation",
    rule="LSM401",
    why="The argument is not saved, and the loss is loaded with its default.",
)


@register_keras_serializable("zoo")
class ScaledForgetful(keras.losses.Loss):
    def __init__(self, scale=1.0, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.power = power

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        return self.scale * ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


@register_keras_serializable("zoo")
class Scaled(keras.losses.Loss):
    def __init__(self, scale=1.0, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.power = power

    def call(self, y_true, y_pred):
        y_true = ops.reshape(y_true, ops.shape(y_pred))
        return self.scale * ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "power": self.power}


pair(
    "config-forgets-an-argument",
    ScaledForgetful(scale=2.0, power=3.0),
    Scaled(scale=2.0, power=3.0),
    axes="b f, b f",
    check="serialisation",
    rule="LSM401",
    why="One argument was added later, and not to `get_config`.",
)


@register_keras_serializable("zoo")
class QuantileAlone(keras.losses.Loss):
    def __init__(self, quantile=0.5, **kwargs):
        super().__init__(**kwargs)
        self.quantile = quantile

    def call(self, y_true, y_pred):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1) * error), axis=-1)

    def get_config(self):
        return {"quantile": self.quantile}


@register_keras_serializable("zoo")
class Quantile(keras.losses.Loss):
    def __init__(self, quantile=0.5, **kwargs):
        super().__init__(**kwargs)
        self.quantile = quantile

    def call(self, y_true, y_pred):
        error = ops.reshape(y_true, ops.shape(y_pred)) - y_pred
        return ops.mean(ops.maximum(self.quantile * error, (self.quantile - 1) * error), axis=-1)

    def get_config(self):
        return super().get_config() | {"quantile": self.quantile}


pair(
    "config-without-the-base",
    QuantileAlone(quantile=0.9, reduction="sum"),
    Quantile(quantile=0.9, reduction="sum"),
    axes="b f, b f",
    check="serialisation",
    rule="LSM401",
    why="The name and the reduction are lost: what summed, averages after loading.",
)


@register_keras_serializable("zoo")
class NamelessAbsolute(keras.losses.Loss):
    def __init__(self, scale=2.0):
        super().__init__()
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * keras.losses.mean_absolute_error(y_true, y_pred)

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


@register_keras_serializable("zoo")
class NamedAbsolute(keras.losses.Loss):
    def __init__(self, scale=2.0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * keras.losses.mean_absolute_error(y_true, y_pred)

    def get_config(self):
        return super().get_config() | {"scale": self.scale}


pair(
    "init-without-kwargs",
    NamelessAbsolute(scale=3.0),
    NamedAbsolute(scale=3.0),
    axes="b f, b f",
    check="serialisation",
    rule=None,
    why="Its own config has a name and a reduction, which `__init__` does not take.",
)


def unregistered_error(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


@register_keras_serializable("zoo")
def registered_error(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


pair(
    "unregistered-function",
    unregistered_error,
    registered_error,
    axes="b f, b f",
    check="serialisation",
    rule="LSM402",
    why="A saved model names the function, and loading cannot find it.",
)


def local_class():
    class Local(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.losses.mean_squared_error(y_true, y_pred)

    return Local()


@register_keras_serializable("zoo")
class Registered(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.losses.mean_squared_error(y_true, y_pred)


pair(
    "unregistered-class",
    local_class(),
    Registered(),
    axes="b f, b f",
    check="serialisation",
    rule="LSM402",
    why="A class made inside a function can be found by no name.",
)
