"""The page as text: all there is stands in it, and nothing of it is taken for HTML."""

import json
import math
from html.parser import HTMLParser
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import lossmith as lm
from lossmith.cli import main
from lossmith.look import page
from lossmith.look.page import figures
from lossmith.look.page.html import written
from lossmith.look.page.run import of_run
from lossmith.look.run_dir import read
from lossmith.messages import ArgumentError

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "torch", reason="no framework has a part in it: on PyTorch"
)

EVIL = """</script><script>alert("x")</script><b onclick='y'>&amp;"""
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """The elements of a page, its text, and whether every element is closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts, self.data = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ("", {})
        if inside[0] == "script" and inside[1].get("type") == "application/json":
            self.data.append(json.loads(data))
        elif inside[0] not in {"script", "style"}:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]


def rendered(*blocks, title="a page"):
    return Reader(page.render(title, [page.Section("a section", blocks)]))


LOSS = np.array([[0.5, 2.0, np.nan], [1.5, np.inf, 9.0]], "float32")
MASK = np.array([[True, True, True], [True, True, False]])
BLOCKS = {
    "lines": page.Lines("over time", "epoch", [page.Series("loss", [1, 2], [0.5, math.nan])]),
    "bars": page.Bars("spread", [3.0, 4.0], [0.0, 0.5, 1.0]),
    "grid": page.Grid("where", ["b", "t"], [page.Frame("epoch 1", LOSS, MASK)]),
    "table": page.Table("rows", ["name", "value"], [("a", 1), ("b", math.nan)]),
    "text": page.Text("said", ["one", "two"]),
    "source": page.Source("a.py", [page.Line(7, "x = y < z", ["x (2,)"], ["samples mix"])]),
}
FIGURES = [name for name in BLOCKS if name in {"lines", "bars", "grid"}]


def evil(block):
    """Return a block whose every text is hostile."""
    return {
        "lines": page.Lines(EVIL, EVIL, [page.Series(EVIL, [1, 2], [0.5, math.nan])]),
        "bars": page.Bars(EVIL, [3.0], [0.0, 1.0]),
        "grid": page.Grid(EVIL, [EVIL, EVIL], [page.Frame(EVIL, LOSS, MASK)]),
        "table": page.Table(EVIL, [EVIL], [(EVIL,)]),
        "text": page.Text(EVIL, [EVIL]),
        "source": page.Source(EVIL, [page.Line(1, EVIL, [EVIL], [EVIL])]),
    }[block]


# ── every block ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", BLOCKS)
def test_no_text_is_taken_for_html(name):
    mild, hostile = rendered(BLOCKS[name]), rendered(evil(name), title=EVIL)
    known = {tag for tag, _ in mild.elements}
    assert {tag for tag, _ in hostile.elements} <= known
    assert not any("onclick" in attrs for _, attrs in hostile.elements)
    assert len(hostile.all("script")) == len(mild.all("script"))
    assert " ".join(EVIL.split()) in hostile.text


@pytest.mark.parametrize("name", BLOCKS)
def test_ids_are_unique_and_labels_lead_to_them(name):
    found = rendered(BLOCKS[name], BLOCKS[name])
    ids = [attrs["id"] for _, attrs in found.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    labels = {attrs["aria-labelledby"] for _, attrs in found.elements if "aria-labelledby" in attrs}
    links = {attrs["href"][1:] for attrs in found.all("a")}
    assert labels | links <= set(ids)


@pytest.mark.parametrize("name", FIGURES)
def test_a_drawing_has_a_label_and_its_numbers_in_a_table(name):
    found = rendered(BLOCKS[name])
    (drawing,) = found.all("div", **{"class": "plot"})
    assert drawing["role"] in {"img", "application"}
    assert drawing["aria-label"].startswith(BLOCKS[name].title)
    assert found.all("details")
    assert found.all("table")


@pytest.mark.parametrize("name", BLOCKS)
def test_only_a_page_with_charts_holds_what_draws_them(name):
    scripts = [a for a in rendered(BLOCKS[name]).all("script") if "type" not in a]
    assert len(scripts) == (2 if name in FIGURES else 0)


def test_a_page_names_nothing_to_load():
    found = rendered(*BLOCKS.values())
    loaded = [attrs[key] for _, attrs in found.elements for key in ("src", "href") if key in attrs]
    assert all(address.startswith(("#", "data:,")) for address in loaded)
    (policy,) = [a["content"] for a in found.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_headings_leave_out_no_level():
    levels = [
        int(tag[1]) for tag, _ in rendered(*BLOCKS.values()).elements if tag in {"h1", "h2", "h3"}
    ]
    assert levels == [1, 2, *[3] * len(BLOCKS)]


# ── numbers ──────────────────────────────────────────────────────────────────────────────────


def test_a_line_has_a_gap_and_a_note_where_a_value_is_not_finite():
    found = rendered(BLOCKS["lines"])
    assert found.data[0]["series"][0]["y"] == [0.5, None]
    assert "loss is NaN at epoch 2" in found.text


def test_a_grid_is_the_array_itself():
    (data,) = rendered(BLOCKS["grid"]).data
    decoded = {key: figures.base64.b64decode(data["frames"][0][key]) for key in ("loss", "mask")}
    assert np.array_equal(np.frombuffer(decoded["loss"], "<f4"), LOSS.ravel(), equal_nan=True)
    assert np.array_equal(np.frombuffer(decoded["mask"], "u1"), MASK.ravel())
    assert (data["rows"], data["columns"], data["axes"]) == (2, 3, ["b", "t"])


def test_the_table_of_a_grid_says_what_counts_and_where_it_is_highest():
    text = rendered(BLOCKS["grid"]).text
    assert "epoch 1 6 5 2 1.33333 0.5 2" in text
    assert "value 0 2 NaN 1 1 Infinity 0 1 2 1 0 1.5 0 0 0.5" in text
    assert "9" not in text.partition("value")[2]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "1"),
        (1 / 3, "0.333333"),
        (1e-30, "1e-30"),
        (7, "7"),
        ("x", "x"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_numbers_are_written_to_be_read(value, said):
    assert written(value) == said


def test_of_a_long_table_some_rows_are_shown_and_that_is_said():
    rows = [(i,) for i in range(10_000)]
    found = rendered(page.Table("long", ["n"], rows))
    assert len(found.all("td")) == 500
    assert "500 of 10000 rows" in found.text
    assert "9999" in found.text


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4), (0, 3)])
def test_a_map_of_any_rank_is_a_grid(shape):
    frame = page.Frame("now", np.zeros(shape, "float32"), np.ones(shape, bool))
    (data,) = rendered(page.Grid("m", "abc"[: len(shape)], [frame])).data
    assert data["rows"] * data["columns"] == math.prod(shape)


# ── a run ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sink(tmp_path):
    return lm.sinks.JsonLines(tmp_path / "run")


def blocks(sink):
    return {each.title: each.blocks for each in of_run(read(sink.path))}


def test_a_run_has_a_section_for_what_was_written_only(sink):
    sink.epoch(0, {"loss": 1.0})
    assert list(blocks(sink)) == ["Terms"]


def test_terms_taps_and_what_stands_beside_terms_have_their_charts(sink):
    names = ["a/b", "loss", "val_loss", "tap/x/mean", "val_tap/x/max", "tap/x/nan", "tap/s/x/min"]
    names += ["factor/l1", "gradient/l1", "count/l1", "val_count/l1"]
    sink.epoch(0, dict.fromkeys(names, 1.0))
    found = {
        section: {chart.title: [series.name for series in chart.series] for chart in charts}
        for section, charts in blocks(sink).items()
    }
    assert next(iter(found["Terms"])) == "loss"
    assert found == {
        "Terms": {"loss": ["loss", "val_loss"], "a/b": ["a/b"]},
        "Factors, gradients and counts": {
            "Factors": ["l1"],
            "Gradient norms": ["l1"],
            "Positions counted": ["l1", "val_l1"],
        },
        "Taps": {"x": ["mean", "val_max"], "x: nan": ["nan"], "s/x": ["min"]},
    }


def test_epochs_are_counted_from_one_as_keras_prints_them(sink):
    sink.epoch(0, {"loss": 1.0})
    sink.epoch(1, {"loss": 0.5, "val_loss": 2.0})
    (chart,) = blocks(sink)["Terms"]
    assert [(list(s.x), list(s.y)) for s in chart.series] == [([1, 2], [1.0, 0.5]), ([2], [2.0])]


def test_of_many_maps_the_first_the_last_and_some_between_are_shown(sink):
    for epoch in range(40):
        sink.maps(epoch, "data", np.full(3, epoch), None, "b")
    (grid,) = blocks(sink)["Maps"]
    assert (len(grid.frames), grid.frames[0].label, grid.frames[-1].label) == (
        12,
        "epoch 1",
        "epoch 40",
    )
    assert [int(frame.loss[0]) + 1 for frame in grid.frames] == [
        int(frame.label.split()[1]) for frame in grid.frames
    ]


@pytest.mark.parametrize(
    ("shape", "shown"), [((6, 5, 2), (4, 5, 2)), ((2, 90), (1, 40)), ((50,), (40,))]
)
def test_of_an_enormous_map_the_first_places_are_shown_and_that_is_said(
    sink, monkeypatch, shape, shown
):
    monkeypatch.setattr("lossmith.look.page.run.POSITIONS", 40)
    loss = np.arange(math.prod(shape)).reshape(shape)
    for epoch in (0, 1):
        sink.maps(epoch, "data", loss, None, " ".join("abc"[: loss.ndim]))
    (grid,) = blocks(sink)["Maps"]
    (frame,) = grid.frames
    assert frame.mask.shape == shown
    assert np.array_equal(frame.loss, loss[tuple(map(slice, shown))])
    sizes = [" x ".join(map(str, each)) for each in (shown, shape)]
    assert grid.title == f"data: the first {sizes[0]} of {sizes[1]} positions"


def test_maps_of_another_batch_are_not_mixed_with_the_last(sink):
    sink.maps(0, "data", np.ones(3), None, "b")
    sink.maps(1, "data", np.ones(4), None, "b")
    (grid,) = blocks(sink)["Maps"]
    assert [frame.label for frame in grid.frames] == ["epoch 2"]


def test_samples_say_how_often_they_were_hard(sink):
    for epoch, index in enumerate((7, 3, 7)):
        sink.samples(epoch, [{"index": index, "loss": 2.0}], [{"index": 1, "loss": 0.1}])
    hardest, easiest = blocks(sink)["Samples"]
    assert list(hardest.rows) == [(7, 2.0, "2 of 3")]
    assert list(easiest.rows) == [(1, 0.1)]


# ── the command ──────────────────────────────────────────────────────────────────────────────


def test_the_command_writes_the_page_and_says_where(sink):
    sink.epoch(0, {"loss": 1.0})
    done = CliRunner().invoke(main, ["report", str(sink.path)], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (0, f"{sink.path / 'report.html'}\n")
    assert "loss" in Reader((sink.path / "report.html").read_text()).text
    assert not list(sink.path.glob("*.part"))


def test_the_command_writes_the_page_elsewhere(sink, tmp_path):
    sink.epoch(0, {"loss": 1.0})
    out = tmp_path / "a page.html"
    done = CliRunner().invoke(main, ["report", str(sink.path), "--out", str(out)])
    assert done.exit_code == 0
    assert out.is_file()


@pytest.mark.parametrize("place", ["none/page.html", "file/page.html", "folder"])
def test_a_page_that_cannot_be_written_is_said(sink, tmp_path, place):
    sink.epoch(0, {"loss": 1.0})
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(main, ["report", str(sink.path), "--out", str(tmp_path / place)])
    assert done.exit_code == 2
    assert "the page cannot be written there" in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_library_that_draws_the_command_says_what_to_install(sink, monkeypatch):
    sink.epoch(0, {"loss": 1.0})
    monkeypatch.setattr("lossmith.look.page.document.find_spec", lambda _: None)
    done = CliRunner().invoke(main, ["report", str(sink.path)])
    assert done.exit_code == 2
    assert 'pip install "lossmith[report]"' in done.stderr


# ── an explanation ───────────────────────────────────────────────────────────────────────────


def test_an_explanation_shows_each_line_its_values_and_its_mark(tmp_path):
    note = SimpleNamespace(kind="mixing", text="samples first mix here")
    line = SimpleNamespace(number=3, source="    x = a < b", tensors=("x (2,)",), marks=(note,))
    section = SimpleNamespace(title="mine", file="a.py", lines=(line,))
    facts = (("backend", "torch"),)
    found = SimpleNamespace(title="a.py:mine", facts=facts, sections=(section,), error="it raised")
    page.write_explanation(found, tmp_path / "page.html")
    text = Reader((tmp_path / "page.html").read_text()).text
    for said in (
        "backend torch",
        "it raised",
        "3 x = a < b",
        "x (2,)",
        "mixing: samples first mix",
    ):
        assert said in text


def test_a_page_is_whole_or_not_there(tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    page.write(out, "one", [])
    monkeypatch.setattr("pathlib.Path.replace", _full)
    with pytest.raises(ArgumentError, match="No space"):
        page.write(out, "two", [])
    assert "one" in out.read_text()
    assert list(tmp_path.iterdir()) == [out]


def _full(*_):
    raise OSError(28, "No space left on device")
