"""LSM502: functions of `keras.backend` that Keras 3 has no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.porting import rewritten
from lossmith.lint.rule import Flagged, Rule

# What `keras.backend` of Keras 2 computed with tensors.
_NAMES = (
    "abs all any argmax argmin arange batch_dot batch_flatten batch_get_value batch_set_value"
    " batch_normalization bias_add binary_crossentropy binary_focal_crossentropy cast"
    " cast_to_floatx categorical_crossentropy categorical_focal_crossentropy clip concatenate"
    " constant conv1d conv2d conv2d_transpose conv3d cos count_params ctc_batch_cost"
    " ctc_label_dense_to_sparse ctc_decode cumsum cumprod depthwise_conv2d dot dropout dtype elu"
    " equal eval exp expand_dims eye flatten foldl foldr function gather get_session get_value"
    " gradients greater greater_equal hard_sigmoid in_top_k in_train_phase in_test_phase int_shape"
    " is_sparse l2_normalize learning_phase less less_equal log logsumexp map_fn max maximum mean"
    " min minimum moving_average_update ndim not_equal one_hot ones ones_like permute_dimensions"
    " placeholder pool2d pool3d pow print_tensor prod random_bernoulli random_normal"
    " random_normal_variable random_uniform random_uniform_variable relu repeat repeat_elements"
    " reshape resize_images resize_volumes reverse rnn round separable_conv2d set_value shape"
    " sigmoid sign sin softmax softplus softsign sparse_categorical_crossentropy"
    " spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum switch"
    " tanh temporal_padding tile to_dense transpose truncated_normal update update_add update_sub"
    " var variable zeros zeros_like"
)
_GONE = frozenset(_NAMES.split())


class LegacyBackend(Rule):
    """A loss calls a function of `keras.backend` that Keras 3 does not have.

    Why it is bad:
        `keras.backend` lost its functions on tensors with Keras 3: the call raises AttributeError.
        Those of `tensorflow.keras` are still there, deprecated, and for TensorFlow alone.

    Example:
        return K.mean(K.square(y_true - y_pred), axis=-1)

    Use instead:
        return ops.mean(ops.square(y_true - y_pred), axis=-1)

    Fix safety:
        Safe: offered where `keras.ops` computes the same from the same arguments. `K.sqrt` takes a
        negative number for 0, `K.binary_crossentropy` adds an epsilon, `K.argmax` has another
        default: these are left to you.
    """

    code = "LSM502"
    name = "legacy-backend"
    confirmed_by = ("output-contract", "backends-agree")
    fix = "safe"
    flags = (
        Flagged(
            """
            from keras import backend as K

            def loss(y_true, y_pred):
                return K.mean(abs(y_true - y_pred), axis=-1)  # of features
            """,
            "`K.mean` is of Keras 2: in Keras 3 it is missing, or there for TensorFlow alone",
            4,
            11,
            """
            from keras import ops
            from keras import backend as K

            def loss(y_true, y_pred):
                return ops.mean(abs(y_true - y_pred), axis=-1)  # of features
            """,
        ),
        Flagged(
            """
            import keras
            from keras import ops

            def loss(y_true, y_pred):
                error = keras.backend.clip(y_true - y_pred, min_value=-1.0, max_value=1.0)
                return ops.square(error)
            """,
            "`keras.backend.clip` is of Keras 2: in Keras 3 it is missing, or there for TensorFlow"
            " alone",
            5,
            12,
            """
            import keras
            from keras import ops

            def loss(y_true, y_pred):
                error = ops.clip(y_true - y_pred, x_min=-1.0, x_max=1.0)
                return ops.square(error)
            """,
        ),
        Flagged(
            """
            import tensorflow.keras.backend as K

            def loss(y_true, y_pred):
                return K.sqrt(abs(y_true - y_pred) + K.epsilon())
            """,
            "`K.sqrt` is of Keras 2: in Keras 3 it is missing, or there for TensorFlow alone",
            4,
            11,
        ),
    )
    passes = (
        """
        from keras import backend as K
        from keras import ops

        def loss(y_true, y_pred):
            return ops.log(ops.maximum(y_pred, K.epsilon())) + ops.cast(y_true, K.floatx())
        """,
        """
        from keras import ops as K

        def loss(y_true, y_pred):
            return K.mean(K.square(y_true - y_pred), axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for calls into `keras.backend`."""
        for node in loss.nodes:
            if not isinstance(node, ast.Call):
                continue
            library, _, leaf = (loss.canonical(node.func) or "").rpartition(".")
            if library == "keras.backend" and leaf in _GONE:
                message = (
                    f"`{ast.unparse(node.func)}` is of Keras 2: in Keras 3 it is missing, or there"
                    " for TensorFlow alone"
                )
                yield self.at(node, message, self._fix(node, f"{library}.{leaf}"))

    def _fix(self, call: ast.Call, name: str) -> Fix | None:
        edits = rewritten(self.module, call, name)
        return self.mend("use keras.ops", edits) if edits else None
