"""Where a program runs: eagerly, or inside which of a framework's transformations."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import keras


def trace_state() -> Any:
    """Return what is being traced, equal in two places exactly where it is the same.

    A tensor made in one place means nothing in another: it cannot leave a compiled function, the
    body of a loop that a framework runs, or a `vmap`. A loop that Python runs, as PyTorch's are,
    is no place of its own.
    """
    return {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()]()


def _jax() -> Any:
    from jax.extend import core

    # Older releases have it in `jax.core`.
    home: Any = core if hasattr(core, "get_opaque_trace_state") else import_module("jax.core")
    return home.get_opaque_trace_state(convention="lossmith")


def _tensorflow() -> Any:
    import tensorflow as tf

    if tf.executing_eagerly():
        return None
    # vectorized_map traces its body into the graph around it, under this name, for one row.
    mapped = "loop_body" in tf.get_current_name_scope()
    return tf.compat.v1.get_default_graph(), mapped


def _torch() -> Any:
    # How many of torch.func's transformations are under way; there is no public way.
    return import_module("torch._C._functorch").maybe_current_level()
