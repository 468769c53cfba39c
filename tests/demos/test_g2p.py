"""Spelling to phonemes: its data, its scores, and a run with tiny settings."""

import json

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import ops

from lossmith.cli import main
from lossmith.demos.g2p import data, losses, model, scores
from lossmith.look.run_dir import read
from lossmith.messages import ArgumentError

PHONEMES = data.Vocabulary(("AA", "B", "K"), first=3)
LEXICON = data.Lexicon(
    {
        "bob": (("B", "AA", "B"),),
        "cab": (("K", "AA", "B"), ("K", "B")),
        "back": (("B", "AA", "K"),),
        "abba": (("AA", "B", "AA"),),
    },
    PHONEMES,
)


def test_the_vocabulary_goes_there_and_back():
    assert len(PHONEMES) == 6
    assert PHONEMES.encode(["K", "AA"]) == [5, 3]
    assert PHONEMES.decode([1, 5, 3, 2, 4, 0]) == ("K", "AA")
    assert PHONEMES.decode([0, 0]) == ()


def test_words_are_padded_to_one_length():
    corpus = data.encode(LEXICON, ["cab", "abba"])
    assert corpus.spelling.tolist() == [[3, 1, 2] + [0] * 7, [1, 2, 2, 1] + [0] * 6]
    assert corpus.given.tolist() == [[1, 5, 3, 4] + [0] * 7, [1, 3, 4, 3] + [0] * 7]
    assert corpus.wanted.tolist() == [[5, 3, 4, 2] + [0] * 7, [3, 4, 3, 2] + [0] * 7]


def test_no_word_is_both_trained_on_and_held_out():
    train, held_out = data.split(LEXICON, 2, 2, seed=0)
    assert not set(train) & set(held_out)
    assert len(train) == len(held_out) == 2
    assert data.split(LEXICON, 2, 2, seed=0) == (train, held_out)
    assert data.split(LEXICON, 1, 2, seed=0)[1] == held_out
    with pytest.raises(ArgumentError, match="at most 2, with 2 held out"):
        data.split(LEXICON, 3, 2, seed=0)


def test_the_dictionary_is_read_without_stress():
    lexicon = data.read_lexicon()
    assert lexicon.words["hello"] == (("HH", "AH", "L", "OW"), ("HH", "EH", "L", "OW"))
    assert len(lexicon.phonemes.symbols) == 39
    known = set(lexicon.phonemes.symbols)
    assert all(set(entry) <= known for entries in lexicon.words.values() for entry in entries)
    assert max(map(len, lexicon.words)) == data.LETTERS


@pytest.mark.parametrize(
    ("written", "reference", "distance"),
    [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("abc", "abc", 0),
        ("abcd", "acbd", 2),
    ],
)
def test_edits(written, reference, distance):
    assert scores.edits(written, reference) == distance
    assert scores.edits(reference, written) == distance


def test_a_word_is_compared_with_its_nearest_pronunciation():
    score = scores.score(LEXICON, ["bob", "cab"], [("B", "B"), ("K", "B")])
    assert score.errors.tolist() == [1, 0]
    assert score.lengths.tolist() == [3, 2]
    assert score.phoneme_error_rate == 1 / 5
    assert score.word_error_rate == 1 / 2


def test_the_difference_of_two_scores_by_hand():
    one = scores.Score(np.array([2, 1, 0, 1]), np.array([2, 2, 2, 4]))
    other = scores.Score(np.array([1, 1, 0, 0]), np.array([2, 2, 2, 4]))
    gain, spread = scores.difference(one, other)
    assert gain == pytest.approx(0.2)
    assert spread == pytest.approx(0.5 * 2 / 10)


def test_nats_count_the_phonemes_that_are_there():
    logits = np.log([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], [[0.3, 0.5, 0.2], [0.2, 0.6, 0.2]]])
    wanted = np.array([[1, 2], [1, 0]])
    expected = -(np.log(0.25) + np.log(0.8) + np.log(0.5)) / 3
    assert scores.nats_per_phoneme(logits, wanted) == pytest.approx(expected)


def test_the_hand_written_loss_is_ours_times_the_share_of_steps_that_count(rng):
    corpus = data.encode(LEXICON, list(LEXICON.words))
    logits = rng.normal(size=(*corpus.wanted.shape, len(PHONEMES))).astype("float32")
    theirs = float(losses.hand_written(corpus.wanted, ops.convert_to_tensor(logits)))
    ours = float(losses.ours()(corpus.wanted, ops.convert_to_tensor(logits)))
    assert ours == pytest.approx(scores.nats_per_phoneme(logits, corpus.wanted), rel=1e-5)
    assert theirs == pytest.approx(ours * np.mean(corpus.wanted > 0), rel=1e-5)


def test_the_same_seed_builds_the_same_model():
    one, same, other = (model.build(PHONEMES, 8, seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


class Echo:
    """Wants to write the spelling again, a letter a step; needs what was written before."""

    def predict_on_batch(self, inputs):
        spelling, given = inputs
        logits = np.zeros((*given.shape, 30))
        for row, step in np.ndindex(*spelling.shape):
            right = step == 0 or given[row, step] == spelling[row, step - 1]
            logits[row, step, spelling[row, step] if right else 29] = 1
        return logits


def test_greedy_reads_what_it_wrote():
    spelling = data.encode(LEXICON, ["cab", "back"]).spelling
    written = model.greedy(Echo(), spelling)
    assert written.shape == (2, data.STEPS)
    assert np.array_equal(written[:, : data.LETTERS], spelling)


# ── one run with tiny settings, of which several tests read ─────────────────────────────────


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("g2p") / "made" / "by the demo"


@pytest.fixture(scope="module")
def run(out):
    args = ["demo", "g2p", "--words", "128", "--epochs", "1", "--seed", "3", "--out", str(out)]
    return CliRunner().invoke(main, args, catch_exceptions=False)


@pytest.fixture(scope="module")
def results(run, out):
    assert run.exit_code == 0, run.output
    return json.loads((out / "results.json").read_text())


def test_the_demo_prints_its_tables(run):
    assert run.exit_code == 0, run.output
    for text in ("phoneme errors", "padded to twice the length", "The first of them"):
        assert text in run.stdout
    for name in ("hand-written", "lossmith"):
        assert f"{name}, epoch 1/1, loss" in run.stderr


def test_the_demo_writes_its_numbers(results):
    assert results["settings"]["seed"] == 3
    assert results["versions"]["backend"] == keras.config.backend()
    assert len(results["words"]) == 10
    for numbers in results["losses"].values():
        assert 0 < numbers["phoneme_error_rate"] <= 1.5
        assert len(numbers["training_loss"]) == len(numbers["held_out_nats"]) == 1


def test_the_demo_draws_its_curves(results, out):
    assert results
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_demo_writes_a_page_of_its_training_and_says_where(run, results, out):
    assert str(out / "report.html") in run.stdout.replace("\n", "")
    found = read(out / "run")
    ours = results["losses"]["lossmith"]
    assert [epoch.logs["loss"] for epoch in found.epochs] == pytest.approx(ours["training_loss"])
    loss, mask = found.maps[0].load()
    assert loss.shape == mask.shape == (32, data.STEPS)
    hardest = [sample.loss for sample in found.samples[0].hardest]
    assert hardest == sorted(hardest, reverse=True)
    assert "nats of held-out phonemes" in (out / "report.html").read_text()


def test_padding_moves_the_hand_written_loss_and_not_ours(results):
    theirs, ours = results["padding"]["hand-written"], results["padding"]["lossmith"]
    assert theirs["padded"] == pytest.approx(theirs["batch"] / 2, rel=1e-4)
    assert ours["padded"] == pytest.approx(ours["batch"], rel=1e-5)
    assert ours["batch"] == pytest.approx(results["losses"]["lossmith"]["held_out_nats"][-1], 1e-4)
