"""What the check of saving takes for a `.keras` file, against one."""

import warnings

import keras
import pytest

from lossmith.checks.families.saving import _through_json
from tests.zoo import pairs

SHAPE = (3,)
TWINS = {
    f"{pair.sin}-{which}": getattr(pair, which)
    for pair in pairs()
    if pair.check == "serialisation"
    for which in ("wrong", "right")
}
LOSSES = {
    **TWINS,
    "huber": keras.losses.Huber(delta=0.3, reduction="sum"),
    "a-function-of-keras": keras.losses.mean_absolute_error,
    "cross-entropy": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
}


def through_a_file(loss, folder):
    model = keras.Sequential([keras.Input(SHAPE), keras.layers.Identity()])
    model.compile(loss=loss)
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras", safe_mode=True).loss


def outcome(function, *arguments):
    """What comes back as a config, or that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = function(*arguments)
        except Exception:  # noqa: BLE001 - that it raises is what is compared
            return "raises"
    if isinstance(loaded, keras.losses.Loss):
        return type(loaded), loaded.get_config()
    return keras.losses.get(loaded)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_comes_back_as_from_a_file(name, tmp_path):
    loss = LOSSES[name]
    assert outcome(_through_json, loss) == outcome(through_a_file, loss, tmp_path)
