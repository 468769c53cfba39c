"""What JAX's trainer needs so that an error in a step costs no weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import keras


def keeping_state(
    step: Callable[..., Any], variables: Callable[[], Sequence[Any]]
) -> Callable[..., Any]:
    """Give the variables their values back where a step of training or testing raises.

    Keras' trainer on JAX takes the values out of the variables while it runs, and puts them back
    when it ends. It tries the losses that it knows beforehand; ours it does not know.

    Args:
        step: What `make_train_function` or `make_test_function` made.
        variables: Returns the variables in the order of the state.
    """
    if keras.backend.backend() != "jax":
        return step

    def kept(state: Any, iterator: Any) -> Any:
        try:
            return step(state, iterator)
        except BaseException:
            for variable, value in zip(variables(), chain(*state), strict=True):
                variable.assign(value)
            raise

    return kept
