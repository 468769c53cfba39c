"""`lm.tap`: a named value inside a loss or a layer, free when nobody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from lossmith import backend
from lossmith.core.axes import Tensor, shape_text
from lossmith.core.statistics import Tapped, rows, statistics
from lossmith.messages import ArgumentError, ShapeError, closest, listed


def tap(name: str, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Name a value, and return it as it is.

    Whoever listens sees it: `lm.recording` eagerly, an `lm.Model` compiled with `taps=` inside its
    compiled steps. With nobody listening it does nothing, and leaves nothing in a compiled program.

    The second tap of a name is called `name_2`, the next `name_3`, in the order in which they run.
    Between the layers of a functional model the tap becomes a layer itself.

    Args:
        name: What the value is called.
        x: A tensor of any shape and dtype.
        mask: Which positions count for its statistics, True where they do, `x.shape` or its leading
            axes. None: those of the automatic mask that Keras attached to `x`, if it has one.

    Returns:
        `x`.

    Raises:
        ArgumentError: If the name is no text or empty; where somebody listens, if the tap stands
            in a function that was compiled or transformed since they began, such as the body of a
            loop, from where no value gets out.
        ShapeError: If the mask does not fit `x`.

    Example:
        >>> from keras import ops
        >>> import lossmith as lm
        >>> def error(y_true, y_pred):
        ...     gap = lm.tap("gap", y_true - y_pred)
        ...     return ops.mean(ops.square(gap))
        >>> with lm.recording() as taps:
        ...     loss = error(ops.array([1.0, 2.0]), ops.array([0.0, 5.0]))
        >>> ops.convert_to_numpy(taps["gap"]).tolist()
        [1.0, -3.0]
        >>> taps.statistics("gap")["mean"]
        -1.0
    """
    if not isinstance(name, str) or not name:  # type: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            "a tap has no name",
            got=f"lm.tap({name!r}, ...)",
            expected="a text that is not empty",
            fix='lm.tap("gap", x)',
        )
    if isinstance(x, keras.KerasTensor):
        return Tap(name)(x) if mask is None else Tap(name)(x, mask=mask)
    if _open() and not backend.shapes_only():
        for listener in _open():
            listener.hear(name, x, mask)
    return x


class Recording(Mapping[str, Any]):
    """The taps that ran while it was open: a mapping of their names to their tensors.

    Args:
        wanted: Whether to keep the tap of a name; all if None.
    """

    def __init__(self, wanted: Callable[[str], bool] | None = None) -> None:
        self.where = backend.trace_state()
        self.tapped: dict[str, Tapped] = {}
        self.heard: dict[str, int] = {}
        self._wanted = wanted

    def hear(self, name: str, x: Tensor, mask: Tensor | None) -> None:
        """Keep a value, if its name is wanted."""
        name = self._distinct(name)
        if self._wanted is None or self._wanted(name):
            self._hold_place(name)
            x = ops.convert_to_tensor(x)
            self.tapped[name] = Tapped(x, _aligned_mask(name, x, mask))

    def _distinct(self, name: str) -> str:
        candidate = name
        while candidate in self.heard:
            self.heard[name] += 1
            candidate = f"{name}_{self.heard[name]}"
        self.heard[candidate] = 1
        return candidate

    def _hold_place(self, name: str) -> None:
        """Refuse a value that could not be used where the recording began."""
        if backend.trace_state() != self.where:
            raise ArgumentError(
                f"the tap {name!r} is in a compiled or transformed function, and its value cannot "
                "get out",
                got="a tap inside a scan, a vmap, a branch, or a step that is compiled",
                expected="a tap in the function where the recording, or the step of the model, "
                "began",
                fix=f"return the value from the inner function, and lm.tap({name!r}, ...) outside",
            )

    def statistics(self, name: str) -> dict[str, float]:
        """Return mean, deviation, min and max of the values that count, and how many are NaN.

        Args:
            name: The name of a tap.

        Returns:
            `mean`, `deviation`, `min`, `max`, `nan` (a number of values), `counted` (the share of
            all positions). The mean and the deviation of values with a NaN are NaN; `min` and
            `max` leave it out.
        """
        found = statistics(rows([(self._find(name), "summary")])[0])
        return {key: float(ops.convert_to_numpy(value)) for key, value in found.items()}

    def __getitem__(self, name: str) -> Tensor:
        """Return the tensor of a tap."""
        return self._find(name).value

    def __contains__(self, name: object) -> bool:
        """Whether there is a tap of a name."""
        return name in self.tapped

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of the taps."""
        return iter(self.tapped)

    def __len__(self) -> int:
        """Return how many taps there are."""
        return len(self.tapped)

    def _find(self, name: str) -> Tapped:
        if name not in self.tapped:
            raise unknown_tap(name, self.heard)
        return self.tapped[name]


@contextmanager
def recording() -> Generator[Recording]:
    """Keep the values of all taps that run inside.

    It is for code that runs eagerly. A recording may be opened inside another: both then hear.

    Yields:
        The recording: names to tensors, and `statistics(name)`.

    Example:
        >>> from keras import ops
        >>> import lossmith as lm
        >>> with lm.recording() as taps:
        ...     for step in range(2):
        ...         _ = lm.tap("x", ops.ones(3) * step)
        >>> list(taps)
        ['x', 'x_2']
    """
    with listening(Recording()) as opened:
        yield opened


@contextmanager
def listening(listener: Recording) -> Generator[Recording]:
    """Let a recording hear the taps that run inside, in this thread."""
    before = _open()
    _LOCAL.open = (*before, listener)
    try:
        yield listener
    finally:
        _LOCAL.open = before


def unknown_tap(name: str, heard: Iterable[str]) -> ArgumentError:
    """Return the error for a tap that is asked for and not there."""
    near = closest(name, heard)
    return ArgumentError(
        f"no tap is called {name!r}",
        got=repr(name),
        expected=f"one of those that ran: {listed(near)}",
        fix=f"write {near[0]!r}" if near else f"put lm.tap({name!r}, x) into the loss or a layer",
    )


@keras.saving.register_keras_serializable("lossmith")
class Tap(keras.layers.Layer):
    """What `lm.tap` is between the layers of a functional model.

    Args:
        tap: The name of the tap.
        **kwargs: As for every layer.
    """

    def __init__(self, tap: str, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.tap = tap
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the inputs."""
        return tap(self.tap, inputs, mask)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {**super().get_config(), "tap": self.tap}


_LOCAL = threading.local()


def _open() -> tuple[Recording, ...]:
    # Not a context variable: torch.compile cannot read those.
    return getattr(_LOCAL, "open", ())


def _aligned_mask(name: str, x: Tensor, mask: Tensor | None) -> Tensor | None:
    given = backend.keras_mask(x) if mask is None else mask
    if given is None:
        return None
    counts: Tensor = ops.cast(given, "bool")
    sizes = [set(pair) - {None} for pair in zip(counts.shape, x.shape, strict=False)]
    if len(counts.shape) > len(x.shape) or any(len(size) > 1 for size in sizes):
        raise ShapeError(
            f"the mask of the tap {name!r} does not fit its value",
            got=f"a mask {shape_text(counts)} for a value {shape_text(x)}",
            expected="the shape of the value, or its leading axes",
            fix=f"lm.tap({name!r}, x, mask=ops.broadcast_to(mask, ops.shape(x)))",
        )
    return ops.reshape(counts, (*ops.shape(counts), *(1 for _ in x.shape[len(counts.shape) :])))
