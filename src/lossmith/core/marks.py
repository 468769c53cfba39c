"""Which line does it: what the lines of a loss make, compared between runs.

The loss runs eagerly, again and again, on inputs that differ in one thing: in one sample, in their
order, in the predictions that get no gradient. The first line whose tensors answer wrongly is it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np

from lossmith import backend
from lossmith.core import changes
from lossmith.core.made import (
    Array,
    Made,
    Mark,
    Own,
    Tensor,
    made_by,
    pairs,
    raised,
    slopes_of,
)
from lossmith.core.trace import Event, of_users, watch


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of one loss on one batch.

    Attributes:
        entry: The loss: takes the tensors `y_true` and `y_pred`.
        y_true: The target, a NumPy array.
        y_pred: The prediction, floating.
        own: Whether to follow the functions of a file.
    """

    entry: Callable[..., Tensor]
    y_true: Array
    y_pred: Array
    own: Own = field(default=of_users)

    @cached_property
    def events(self) -> list[Made]:
        """What its lines make."""
        return self._made(self.y_true, self.y_pred)

    def mixing(self) -> Mark | None:
        """Find the first line at which one sample changes what is computed for another."""
        place = self._met
        return None if place is None else self.events[place].mark("mixing", "samples first mix")

    def by_order(self) -> Mark | None:
        """Find the first line that treats samples by their place in the batch."""
        place = self._by_order
        if place is None:
            return None
        return self.events[place].mark("mixing", "goes by the place of a sample in the batch")

    def first_mixing(self) -> Mark | None:
        """Find the first line that does either."""
        met, ordered = self._met, self._by_order
        ordered_first = met is None or (ordered is not None and ordered < met)
        return self.by_order() if ordered_first else self.mixing()

    def not_finite(self) -> Mark | None:
        """Find the first line that is not finite, beyond what the inputs are not.

        Where inputs hold NaN that a mask should keep out, and every mask that is made lets it in,
        it is the line of the first mask.
        """
        values = [made for made in self.events if made.array is not None]
        if not values or np.all(np.isfinite(values[-1].array)):
            return None
        poisoned = changes.not_finite(self.y_true, self.y_pred)
        if poisoned is not None and (mask := _lets_in(values, poisoned)):
            return mask.mark("not finite", "this mask counts positions that are not finite")
        for made in values:
            bad = changes.spread(made.array, poisoned)
            if bad is not None:
                return _not_finite(made, bad)
        return None

    def bad_slope(self) -> Mark | None:
        """Find the first line whose slope along the prediction is not finite."""
        return _first_bad(self.events, self.slopes())

    def dead(self, others: Sequence[Array] = (), counted: Array | None = None) -> Mark | None:
        """Find the line from which on predictions have no gradient.

        That is the line of a mask that leaves out these very positions; or the first that still
        follows them in value, when no later line has a slope there; or, after the last that
        follows them, the first that follows the prediction.

        Args:
            others: Further predictions; a position is dead where none of them has a gradient.
            counted: Which positions ask for one; None: all.
        """
        events, y_pred = self.events, self.y_pred
        if not events:
            return None
        dead = np.ones(y_pred.shape, bool) if counted is None else counted
        for drawn in (y_pred, *others):
            dead = dead & ~_live(self.slopes([len(events) - 1], drawn)[-1], y_pred)
        if not dead.any():
            return None
        share = f"{np.mean(dead):.0%} of the prediction has no gradient"
        if not dead.all() and (mask := _leaves_out(events, dead, counted)):
            return mask.mark("dead gradient", f"{share}: this mask leaves it out")
        follow = self.followers(np.where(dead, changes.turned(y_pred), y_pred))
        live = [i for i, s in enumerate(self.slopes()) if np.any(_live(s, y_pred) & dead)]
        behind = [place for place in follow if place > max(live, default=-1)]
        if behind:
            return events[behind[0]].mark("dead gradient", f"{share} from here on")
        last = max(follow, default=-1)
        used = [place for place in self.followers() if place > last]
        if used:
            return events[used[0]].mark("dead gradient", f"{share}: this line leaves it out")
        return events[-1].mark("dead gradient", f"{share}: no line depends on it")

    def refused(self) -> Mark | None:
        """Find the line at fault where a loss raises because lengths differ.

        That is the first that puts axes in another order than the prediction has them, or else
        the one that raises. The lengths of the prediction have to tell its axes apart.
        """
        events: list[Event] = []
        call = partial(self.entry, _tensor(self.y_true), _tensor(self.y_pred))
        try:
            watch(call, self.own, events.append)
        except Exception as error:  # noqa: BLE001 - whatever the loss raises is what is looked for
            order = self.y_pred.shape
            turned = next((e for e in events if _another_order(e.value.shape, order)), None)
            if turned is None:
                return raised(error, self.own)
            return Made(turned, None).mark("broadcast", "axes in another order begin here")
        return None

    def followers(self, y_pred: Array | None = None) -> list[int]:
        """Return the places of the events that another prediction changes.

        Args:
            y_pred: That prediction; None: the batch's own, each sample with that of the one before.
        """
        other = changes.turned(self.y_pred) if y_pred is None else y_pred
        found = pairs(self.events, self._made(self.y_true, other))
        return [place for place, made, b in found if changes.differ(made.array, b).any()]

    def slopes(
        self, places: Sequence[int] | None = None, y_pred: Array | None = None
    ) -> list[Array | None]:
        """Return the gradient of a weighted sum of what each event made, along the prediction.

        Args:
            places: Of which events; None: of all. The others get None.
            y_pred: At which prediction; None: at that of the batch.
        """
        at = self.y_pred if y_pred is None else y_pred
        call = partial(self.entry, _tensor(self.y_true))
        return slopes_of(call, at, self.events, self.own, places)

    @cached_property
    def _met(self) -> int | None:
        others = [(moved, self.y_pred) for moved in changes.first_changed(self.y_true)]
        others += [(self.y_true, moved) for moved in changes.first_changed(self.y_pred)]
        met: list[int] = []
        for other in others:
            for place, made, again in pairs(self.events, self._made(*other)):
                if changes.meet(made.array, again, len(self.y_pred)):
                    met.append(place)
                    break
        return min(met, default=None)

    @cached_property
    def _by_order(self) -> int | None:
        size = len(self.y_pred)
        turned = self._made(self.y_true[::-1].copy(), self.y_pred[::-1].copy())
        for place, made, other in pairs(self.events, turned):
            if made.array.shape[:1] == (size,) and not changes.alike(made.array[::-1], other):
                return place
        return None

    def _made(self, y_true: Array, y_pred: Array) -> list[Made]:
        return made_by(partial(self.entry, _tensor(y_true), _tensor(y_pred)), self.own)


def first_not_finite(call: Callable[[], Any], own: Own = of_users) -> Mark | None:
    """Find the first line that makes what is not finite.

    Args:
        call: What to run, eagerly.
        own: Whether to follow the functions of a file.

    Returns:
        The line, with the places in its tensor; None where all is finite.
    """
    found: list[Mark] = []

    def note(event: Event) -> None:
        if not found and backend.has_value(event.value):
            made = Made(event, backend.to_numpy(event.value))
            bad = changes.spread(made.array, None)
            if bad is not None:
                found.append(_not_finite(made, bad))

    watch(call, own, note)
    return found[0] if found else None


def first_bad_slope(
    function: Callable[[Tensor], Tensor], prediction: Array, own: Own = of_users
) -> Mark | None:
    """Find the first line whose gradient with respect to the prediction is not finite.

    Args:
        function: Takes the prediction and returns the loss.
        prediction: A NumPy array.
        own: Whether to follow the functions of a file.

    Returns:
        The line, with the places in the prediction; None where all are finite.
    """
    events = made_by(lambda: function(_tensor(prediction)), own)
    return _first_bad(events, slopes_of(function, prediction, events, own))


def _tensor(array: Array) -> Tensor:
    return keras.ops.convert_to_tensor(array)


def _first_bad(events: Sequence[Made], slopes: Sequence[Array | None]) -> Mark | None:
    for made, slope in zip(events, slopes, strict=True):
        if slope is not None and not np.all(np.isfinite(slope)):
            where = np.argwhere(~np.isfinite(slope))
            return made.mark("not finite", "its gradient is not finite from here on", where)
    return None


def _not_finite(made: Made, bad: Array) -> Mark:
    values = made.array[bad]
    what = "NaN" if np.isnan(values).any() else "Inf"
    text = f"{what} first appears: {bad.sum()} of {bad.size} numbers"
    return made.mark("not finite", text, np.argwhere(bad))


def _lets_in(events: list[Made], poisoned: Array) -> Made | None:
    """Return the first mask of positions, where none of them leaves out what is not finite."""
    masks = [m for m in events if m.array.dtype.kind == "b" and m.array.shape == poisoned.shape]
    if any(np.all(made.array != poisoned) or not (made.array & poisoned).any() for made in masks):
        return None
    return masks[0] if masks else None


def _leaves_out(events: list[Made], dead: Array, counted: Array | None) -> Made | None:
    """Return the first tensor of ones and zeros that is zero at the dead positions alone."""
    asked = np.ones(dead.shape, bool) if counted is None else counted
    for made in events:
        a = made.array
        if a is None or not a.ndim or a.ndim > dead.ndim or not _zero_or_one(a):
            continue
        zero = (a == 0).reshape(a.shape + (1,) * (dead.ndim - a.ndim))
        if _repeats_to(zero.shape, dead.shape) and np.array_equal(zero & asked, dead):
            return made
    return None


def _repeats_to(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether a shape is another, but for axes of length one."""
    return all(size in (1, length) for size, length in zip(shape, other, strict=True))


def _zero_or_one(a: Array) -> bool:
    return a.dtype.kind == "b" or bool(np.all((a == 0) | (a == 1)))


def _live(slope: Array | None, y_pred: Array) -> Array:
    return np.zeros(y_pred.shape, bool) if slope is None else slope != 0


def _another_order(shape: Sequence[int], prediction: Sequence[int]) -> bool:
    """Whether axes, told by their lengths, stand in another order than in the prediction."""
    places = [prediction.index(size) for size in shape if size in prediction]
    return places != sorted(places)
