"""Spelling to phonemes with CTC: a run with tiny settings, and what it rests on."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import ops

from lossmith import backend
from lossmith.cli import main
from lossmith.demos.g2p import data
from lossmith.demos.g2p_ctc import experiment, model

PHONEMES = data.Vocabulary(("AA", "K", "S", "T"), first=3)
LEXICON = data.Lexicon(
    {"tax": (("T", "AA", "K", "S"),), "aaa": (("AA",) * 4,), "kat": (("K", "AA", "T"),)}, PHONEMES
)


def test_words_without_a_path_are_counted():
    corpus = data.encode(LEXICON, list(LEXICON.words))
    assert experiment.phonemes(corpus)[0].tolist() == [6, 3, 4, 5] + [0] * 6
    assert experiment.without_path(corpus) == 1  # 4 equal phonemes and 3 blanks in 6 frames


def test_each_letter_makes_two_frames_and_so_does_its_mask(rng):
    letters = ops.convert_to_tensor(rng.normal(size=(2, 3, 4)).astype("float32"))
    counted = ops.convert_to_tensor([[True, True, False], [True, False, False]])
    frames = model.Frames(5, 2)(backend.with_keras_mask(letters, counted))
    assert tuple(frames.shape) == (2, 6, 5)
    mask = ops.convert_to_numpy(backend.keras_mask(frames))
    assert np.array_equal(mask, [[True] * 4 + [False] * 2, [True] * 2 + [False] * 4])


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("g2p_ctc")


@pytest.fixture(scope="module")
def run(out):
    if keras.config.backend() != "torch":
        pytest.skip(
            "four recurrent layers take long to compile; test_error_rates.py trains with CTC"
        )
    sizes = ["--words", "128", "--epochs", "1", "--seed", "3"]
    args = ["demo", "g2p", "--loss", "ctc", *sizes, "--out", str(out)]
    return CliRunner().invoke(main, args, catch_exceptions=False)


def test_the_demo_prints_its_error_rates(run):
    assert run.exit_code == 0, run.output
    for text in ("phoneme error rate", "greedy", "beam of 8", "The first of them"):
        assert text in run.stdout


def test_the_demo_writes_its_numbers(run, out):
    assert run.exit_code == 0, run.output
    results = json.loads((out / "results.json").read_text())
    assert results["versions"]["backend"] == keras.config.backend()
    assert len(results["training_loss"]) == len(results["held_out_phoneme_error_rate"]) == 1
    assert set(results["decoded"]) == {"greedy", "beam of 8"}
    for rates in results["decoded"].values():
        assert 0 < rates["phoneme_error_rate"] <= 1.5
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
