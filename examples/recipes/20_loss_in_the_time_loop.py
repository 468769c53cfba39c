"""A recurrent network that computes its loss inside the time loop.

The output of a step, one number for each word, goes into the loss at once and is not kept. The
targets and their lengths are inputs of the model, which is an ordinary `keras.Model`.
"""

import keras
import numpy as np

import lossmith as lm

WORDS = 12


def make_loss() -> lm.Loss:
    """Average cross-entropy over the real steps of all sequences."""
    error = lm.errors.CrossEntropy(from_logits=True)
    return lm.Loss(error, "b t, b t [c]", mask=lm.masks.Lengths("y:lengths"))


def make_data(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return sequences of 2 to 6 words, few of them long, and the word that comes after each."""
    rng = np.random.default_rng(seed)
    words = (rng.integers(0, WORDS, size=(16, 1)) + 3 * np.arange(7)) % WORDS
    lengths = np.minimum(1 + rng.geometric(0.4, size=16), 6)
    real = np.arange(6) < lengths[:, None]
    return words[:, :-1] * real, {"y": words[:, 1:] * real, "lengths": lengths}


def make_model() -> keras.Model:
    """Return a model from words, next words and lengths to the loss."""
    words = keras.Input((None,), dtype="int32")
    y = {"y": keras.Input((None,), dtype="int32"), "lengths": keras.Input((), dtype="int32")}
    embedded = keras.layers.Embedding(WORDS, 4)(words)
    head, loss = keras.layers.Dense(WORDS), make_loss()
    loop = lm.layers.StepLossRNN(keras.layers.GRUCell(8), loss, head=head)
    return keras.Model([words, y["y"], y["lengths"]], loop(embedded, y=y))


def main(epochs: int = 15) -> list[float]:
    """Train, and return the loss of each epoch."""
    x, y = make_data()
    model = make_model()
    model.compile(keras.optimizers.Adam(0.05))
    given = [x, y["y"], y["lengths"]]
    losses = model.fit(given, batch_size=16, epochs=epochs, verbose=0).history["loss"]
    print(f"loss after {epochs} epochs: {losses[-1]:.4f}")
    return losses


if __name__ == "__main__":
    main()
