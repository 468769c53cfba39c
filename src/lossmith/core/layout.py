"""Which axes a loss has: those that are written, or those that equal shapes stand for."""

from __future__ import annotations

from collections.abc import Mapping

from lossmith.core.axes import Tensor, shape_text
from lossmith.core.kinds import Error
from lossmith.core.notation import ELLIPSIS, Axes, TensorAxes
from lossmith.core.part import snake_case
from lossmith.messages import NotationError, ShapeError

_CONSUMED = "c"
_LEADING = TensorAxes((ELLIPSIS,))
_CLASSES = TensorAxes((ELLIPSIS, _CONSUMED), (_CONSUMED,))


def check_axes(axes: Axes, error: Error, of: tuple[str, ...], selected: int) -> None:
    """Hold the written axes to what the error consumes.

    Args:
        axes: The axes as written.
        error: The error function.
        of: The sources of the inputs.
        selected: How many consumed axes a selection takes away.

    Raises:
        NotationError: Where they do not fit.
    """
    if len(axes.inputs) != len(of):
        raise NotationError(
            "the axes are for another number of tensors",
            got=f"axes of {len(axes.inputs)} tensors in {str(axes)!r}",
            expected=f"axes of {len(of)}: {', '.join(of)}",
            fix='write one list of axes for each source, with "," between',
        )
    consumed = len(axes.inputs[-1].consumed)
    wanted = error.consumes
    if consumed - selected not in wanted:
        few = wanted.start + selected
        raise NotationError(
            f"{_name(error)} consumes {_amount(wanted)}",
            got=f"{consumed} in {str(axes)!r}" + (f", {selected} selected" if selected else ""),
            expected=f"{_amount(wanted)} in [ ] in the prediction",
            fix='put [ ] around the axis it reduces, as in "b t [c]"'
            if consumed < few
            else "take the [ ] away, or choose an error that consumes the axis",
        )
    _check_target(axes, error)


def _check_target(axes: Axes, error: Error) -> None:
    if len(axes.inputs) != 2:  # noqa: PLR2004
        return
    target, prediction = axes.inputs
    alike = set(target.consumed) == set(prediction.consumed)
    if error.target_consumes == "same" and not alike:
        raise NotationError(
            f"{_name(error)} needs the consumed axes in the target too",
            got=repr(str(axes)),
            expected=f"[{' '.join(prediction.consumed)}] in both",
            fix=f"add [{' '.join(prediction.consumed)}] to the target",
        )
    if error.target_consumes == "none" and target.consumed:
        raise NotationError(
            f"{_name(error)} has a target without the consumed axis",
            got=repr(str(axes)),
            expected="[ ] in the prediction only",
            fix=f"take [{' '.join(target.consumed)}] out of the target",
        )


def default_axes(error: Error, tensors: Mapping[str, Tensor]) -> Axes:
    """Return what no axes stand for: equal shapes, apart from the class axis of sparse labels.

    Raises:
        ShapeError: For any other shapes, with the axes that would line them up.
        NotationError: If the error reduces axes that only a name can tell.
    """
    if error.flattens:
        raise NotationError(
            f"{_name(error)} reduces axes that have to be named",
            got="no axes",
            expected="axes with [ ] around those it reduces",
            fix='write axes="b [h w], b [h w]" for one value a sample',
        )
    *targets, prediction = (tuple(tensor.shape) for tensor in tensors.values())
    if 0 in error.consumes:
        if any(_differ(target, prediction) for target in targets):
            raise _unlike(tensors)
        return Axes((_LEADING,) * len(tensors))
    sparse = any(_differ(target, prediction) for target in targets)
    if error.target_consumes == "none":
        sparse = True
    if sparse and (
        error.target_consumes == "same"
        or any(_differ(target, prediction[:-1]) for target in targets)
    ):
        raise _unlike(tensors)
    return Axes((*((_LEADING if sparse else _CLASSES,) * len(targets)), _CLASSES))


def _differ(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    return len(a) != len(b) or any(
        m is not None and n is not None and m != n for m, n in zip(a, b, strict=True)
    )


def _unlike(tensors: Mapping[str, Tensor]) -> ShapeError:
    return ShapeError(
        "target and prediction do not line up",
        got=", ".join(f"{source!r} {shape_text(x)}" for source, x in tensors.items()),
        expected="equal shapes, or axes that say how they meet",
        fix=f"name the axes, as in axes={_suggestion(*list(tensors.values())[-2:])!r}",
    )


def _suggestion(target: Tensor, prediction: Tensor) -> str:
    """Name axes so that equal lengths meet from the left; what is left over repeats."""
    letters = ["b", "t", "k", "f", "g", "h"]
    long, short = (
        (prediction, target) if len(prediction.shape) >= len(target.shape) else (target, prediction)
    )
    names = letters[: len(long.shape)]
    long_axes = [
        "1" if size == 1 and (at >= len(short.shape) or short.shape[at] != 1) else name
        for at, (name, size) in enumerate(zip(names, long.shape, strict=False))
    ]
    short_axes = [
        "1" if size == 1 and long.shape[at] != 1 else names[at]
        for at, size in enumerate(short.shape)
    ]
    pair = (short_axes, long_axes) if long is prediction else (long_axes, short_axes)
    return ", ".join(" ".join(axes) for axes in pair)


def _amount(wanted: range) -> str:
    if len(wanted) == 1:
        return ("no axis", "one axis", "two axes")[wanted.start]
    return f"{wanted.start or 'any number of'} or more axes" if wanted.start else "any axes"


def _name(error: Error) -> str:
    return snake_case(type(error).__name__)
