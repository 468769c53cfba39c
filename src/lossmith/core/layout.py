"""Which axes a loss has: those that are written, or those that equal shapes stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossmith.core.axes import Tensor, shape_text
from lossmith.core.kinds import Error
from lossmith.core.notation import ELLIPSIS, ONE, Axes, TensorAxes
from lossmith.messages import NotationError, ShapeError

Shape = Sequence[int | None]
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
            f"{error.label} consumes {_amount(wanted)}",
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
            f"{error.label} needs the consumed axes in the target too",
            got=repr(str(axes)),
            expected=f"[{' '.join(prediction.consumed)}] in both",
            fix=f"add [{' '.join(prediction.consumed)}] to the target",
        )
    if error.target_consumes == "none" and target.consumed:
        raise NotationError(
            f"{error.label} has a target without the consumed axis",
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
            f"{error.label} reduces axes that have to be named",
            got="no axes",
            expected="axes with [ ] around those it reduces",
            fix='write axes="b [h w], b [h w]" for one value a sample',
        )
    *targets, prediction = (tuple(tensor.shape) for tensor in tensors.values())
    if 0 in error.consumes:
        if any(_differ(target, prediction) for target in targets):
            raise _unlike(tensors, error)
        return Axes((_LEADING,) * len(tensors))
    sparse = any(_differ(target, prediction) for target in targets)
    if error.target_consumes == "none":
        sparse = True
    if sparse and (
        error.target_consumes == "same"
        or any(_differ(target, prediction[:-1]) for target in targets)
    ):
        raise _unlike(tensors, error)
    return Axes((*((_LEADING if sparse else _CLASSES,) * len(targets)), _CLASSES))


def _differ(a: Shape, b: Shape) -> bool:
    return len(a) != len(b) or any(
        m is not None and n is not None and m != n for m, n in zip(a, b, strict=True)
    )


def _unlike(tensors: Mapping[str, Tensor], error: Error) -> ShapeError:
    target, prediction = (tuple(x.shape) for x in list(tensors.values())[-2:])
    axes, all_meet = _suggestion(target, prediction, error)
    return ShapeError(
        "target and prediction do not line up",
        got=", ".join(f"{source!r} {shape_text(x)}" for source, x in tensors.items()),
        expected="equal shapes, or axes that say how they meet",
        fix=f"name the axes, as in axes={axes!r}"
        if all_meet
        else f"bring both to the same lengths; axes={axes!r} compares each with each",
    )


def _suggestion(target: Shape, prediction: Shape, error: Error) -> tuple[str, bool]:
    """Name axes for two shapes, and say whether every axis of the shorter one meets another."""
    if 0 in error.consumes:
        target_axes, prediction_axes, all_meet = _meeting(target, prediction)
        return f"{' '.join(target_axes)}, {' '.join(prediction_axes)}", all_meet
    dense = error.target_consumes == "same" or (
        error.target_consumes == "either" and len(target) == len(prediction) and target[-1] != 1
    )
    leading = target[:-1] if dense else target
    target_axes, prediction_axes, all_meet = _meeting(leading, prediction[:-1])
    classes = [f"[{_CONSUMED}]"]
    if dense:
        target_axes += classes
        all_meet = all_meet and not _differ(target[-1:], prediction[-1:])
    return f"{' '.join(target_axes)}, {' '.join(prediction_axes + classes)}", all_meet


def _meeting(target: Shape, prediction: Shape) -> tuple[list[str], list[str], bool]:
    """Name two lists of lengths so that equal ones meet, from the left."""
    long, short = sorted((prediction, target), key=len, reverse=True)
    names = iter("btkfghijlmnopqrs")
    long_axes = [next(names) for _ in long]
    short_axes: list[str] = []
    met = 0
    for size in short:
        place = next((at for at in range(met, len(long)) if long[at] in (size, None)), None)
        if place is not None:
            met = place + 1
            short_axes.append(long_axes[place])
        else:
            short_axes.append(ONE if size == 1 else next(names))
    all_meet = set(short_axes) <= {*long_axes, ONE}
    long_axes = [
        ONE if size == 1 and name not in short_axes else name
        for size, name in zip(long, long_axes, strict=True)
    ]
    pair = (short_axes, long_axes) if long is prediction else (long_axes, short_axes)
    return (*pair, all_meet)


def _amount(wanted: range) -> str:
    if len(wanted) == 1:
        return ("no axis", "one axis", "two axes")[wanted.start]
    return f"{wanted.start or 'any number of'} or more axes" if wanted.start else "any axes"
