"""Training on several processes of PyTorch: `lm.distribute`."""

from __future__ import annotations

import keras

from lossmith import backend
from lossmith.messages import ArgumentError

__all__ = ["sync_gradients"]


def sync_gradients(model: keras.Model) -> None:
    """Make `fit` right on the processes of `torch.distributed`.

    Keras on PyTorch knows of no other process: each goes its own way, without a word. From this
    call on all start from the weights of the first one, and average every gradient. With losses of
    lossmith, which divide by the count of all processes, each step is then that of one device on
    the batches of all. Call it once in each process, after `compile`.

    Every process must run the same number of batches; what they count may differ, and may be
    nothing. What layers keep of a batch, such as the means of batch normalization, stays that of
    each process.

    Args:
        model: A model that is built and compiled.

    Raises:
        ArgumentError: On another backend, without a process group, or if the model is not built.

    Example:
        >>> import lossmith as lm
        >>> def train(model, x, y, rank, world):  # under torchrun, after init_process_group("gloo")
        ...     lm.distribute.sync_gradients(model)
        ...     model.fit(x[rank::world], y[rank::world], batch_size=8)
    """
    if keras.config.backend() != "torch":
        raise ArgumentError(
            "gradients are synchronized here on PyTorch alone",
            got=f"the backend {keras.config.backend()}",
            expected="torch: on JAX and TensorFlow Keras does it",
            fix="leave the call out, and use keras.distribution or tf.distribute",
        )
    if not model.built or not model.compiled:
        raise ArgumentError(
            "the model has no weights, or no optimizer yet",
            got=f"built={model.built}, compiled={model.compiled}",
            expected="a model that is built and compiled",
            fix="call lm.distribute.sync_gradients(model) after model.compile(...)",
        )
    if backend.replicas() == 1:
        raise ArgumentError(
            "there are no other processes to train with",
            got="no process group, or one of a single process",
            expected="a group of at least two",
            fix='call torch.distributed.init_process_group("gloo") first, and start with torchrun',
        )
    backend.start_alike([v.value for v in [*model.variables, *model.optimizer.variables]])
    backend.average_gradients([v.value for v in model.trainable_variables])
