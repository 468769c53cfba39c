"""LSM501: a loss for Keras that runs on one backend."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from lossmith.lint.finding import Finding, Fix
from lossmith.lint.losses import Loss
from lossmith.lint.porting import rewritten
from lossmith.lint.rule import Flagged, Rule
from lossmith.lint.usage import is_for_keras

_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


class BackendSpecificOp(Rule):
    """A loss for Keras calls TensorFlow, JAX or PyTorch.

    Why it is bad:
        On another backend it is given tensors that this library does not know: it raises, or leaves
        the graph and the gradient behind. A file that never imports `keras` itself is for one
        backend on purpose, be it a loop of PyTorch or `tf.keras`, and is left alone; so is what
        asks which backend is running.

    Example:
        return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)

    Use instead:
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    Fix safety:
        Safe: offered where `keras.ops` has a function that computes the same from the same
        arguments. What differs in a default, a dtype or a gradient is left to you.
    """

    code = "LSM501"
    name = "backend-specific-op"
    confirmed_by = ("backends-agree",)
    fix = "safe"
    flags = (
        Flagged(
            """
            import tensorflow as tf
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(tf.abs(y_true - y_pred), axis=-1)
            """,
            "`tf.abs` is TensorFlow's: on any other backend this loss fails",
            5,
            20,
            """
            import tensorflow as tf
            from keras import ops

            def loss(y_true, y_pred):
                return ops.mean(ops.abs(y_true - y_pred), axis=-1)
            """,
        ),
        Flagged(
            """
            import torch
            import keras

            class Capped(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return torch.mean((y_true - y_pred) ** 2, dim=-1, keepdim=False)  # of features
            """,
            "`torch.mean` is PyTorch's: on any other backend this loss fails",
            6,
            15,
            """
            import torch
            import keras

            class Capped(keras.losses.Loss):
                def call(self, y_true, y_pred):
                    return keras.ops.mean((y_true - y_pred) ** 2, axis=-1, keepdims=False)  # of features
            """,  # noqa: E501
        ),
        Flagged(
            """
            import tensorflow as tf
            import keras.layers as layers

            def known(y_true, y_pred):
                return abs(y_true - y_pred) * tf.cast(y_true != 0, dtype=tf.float32)
            """,
            "`tf.cast` is TensorFlow's: on any other backend this loss fails",
            5,
            34,
            """
            from keras import ops
            import tensorflow as tf
            import keras.layers as layers

            def known(y_true, y_pred):
                return abs(y_true - y_pred) * ops.cast(y_true != 0, dtype="float32")
            """,
        ),
        Flagged(
            """
            import jax.numpy as jnp
            import keras

            def distance(y_true, y_pred):
                return jnp.linalg.norm(y_true - y_pred, axis=-1)
            """,
            "`jnp.linalg.norm` is JAX's: on any other backend this loss fails",
            5,
            11,
        ),
    )
    passes = (
        """
        from keras import ops

        def loss(y_true, y_pred):
            return ops.mean(ops.abs(y_true - y_pred), axis=-1)
        """,
        """
        import torch

        def loss(y_true, y_pred):
            return torch.mean(torch.abs(y_true - y_pred), dim=-1)
        """,
        """
        import tensorflow as tf
        from tensorflow import keras

        def loss(y_true, y_pred):
            return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)
        """,
        """
        import keras
        import tensorflow as tf

        def loss(y_true, y_pred):
            if keras.config.backend() == "tensorflow":
                return tf.norm(y_true - y_pred, axis=-1)
            return keras.ops.norm(y_true - y_pred, axis=-1)
        """,
    )

    def find(self, loss: Loss) -> Iterator[Finding]:
        """Look for calls of a framework on what the loss is given."""
        imports_keras = bool(self.module.names.modules & {"keras", "lossmith"})
        if not imports_keras or not is_for_keras(loss) or _asks_for_the_backend(loss):
            return
        for node in loss.nodes:
            if not isinstance(node, ast.Call):
                continue
            name = loss.canonical(node.func) or ""
            backend = _BACKENDS.get(name.partition(".")[0])
            if backend and "." in name:
                written = ast.unparse(node.func)
                message = f"`{written}` is {backend}'s: on any other backend this loss fails"
                yield self.at(node, message, self._fix(node, name))

    def _fix(self, call: ast.Call, name: str) -> Fix | None:
        edits = rewritten(self.module, call, name)
        return self.mend("use keras.ops", edits) if edits else None


def _asks_for_the_backend(loss: Loss) -> bool:
    """Whether the code is written for each backend apart."""
    calls = (loss.canonical(node.func) for node in loss.nodes if isinstance(node, ast.Call))
    return any(name in {"keras.config.backend", "keras.backend.backend"} for name in calls)
