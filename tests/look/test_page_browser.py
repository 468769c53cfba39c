"""The page in a browser: what is drawn is the array, on any width, in dark and in light."""

import math
import re

import keras
import numpy as np
import pytest

import lossmith as lm
from lossmith.look import page
from lossmith.look.page.run import of_run
from lossmith.look.run_dir import read
from tests.support import browser

pytestmark = [
    pytest.mark.skipif(
        keras.config.backend() != "torch", reason="no framework has a part in it: on PyTorch"
    ),
    pytest.mark.skipif(
        browser.PROGRAM is None, reason="there is no Chromium: apt install chromium"
    ),
]

EVIL = """</script><script>window.broken = 1</script><img src=x onerror="window.broken = 1">%{x}"""
SIZES = {"wide": (1280, 900), "phone": (360, 740)}

MAP = "figure.grid"
DRAWN = "document.querySelector('figure.grid .main-svg') !== null"
CONTRASTS = """
(() => {
  const channels = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (rgb) => rgb.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    if (!element.innerText?.trim() || element.closest(".plot")) continue;
    const pair = [getComputedStyle(element).color, behind(element)];
    const [low, high] = pair.map(channels).map(light).sort((a, b) => a - b);
    found[`${element.localName}.${element.className} ${pair}`] = (high + 0.05) / (low + 0.05);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    loss = {epoch: rng.normal(size=(6, 9)).astype("float32") for epoch in (1, 2)}
    mask = np.arange(9) < rng.integers(3, 9, size=(6, 1))
    loss[2][1, 2], loss[2][0, 0], loss[2][3, 1] = np.nan, np.inf, -np.inf
    return loss, mask


@pytest.fixture(scope="module")
def shown(arrays, tmp_path_factory):
    """A browser that shows a page with everything on it, names that mean harm among that."""
    folder = tmp_path_factory.mktemp("run")
    sink = lm.sinks.JsonLines(folder)
    loss, mask = arrays
    for epoch in (1, 2):
        logs = {"loss": 1 / epoch, "val_loss": math.nan, EVIL: 2.0, "tap/x/mean": 1.0}
        sink.epoch(epoch - 1, logs)
        sink.maps(epoch - 1, "data", loss[epoch], mask, "b t")
        sink.maps(epoch - 1, EVIL, np.ones((2, 3, 4)), None, "b t <u>")
        sink.samples(epoch - 1, [{"index": 3, "loss": 9.0}], [{"index": 1, "loss": 0.5}])
        sink.histogram(epoch - 1, f"tap/{EVIL}", [1, 2], [0, 1, 2])
    lines = [page.Line(i, "y = x  # " + "long " * 40, ["x"], ["mark"] * (i == 2)) for i in range(4)]
    source = page.Section("source", [page.Source("a/very/long/path" * 9, lines)])
    page.write(folder / "report.html", EVIL, [*of_run(read(folder)), source])
    with browser.Browser() as window:
        window.show()
        window.open(folder / "report.html")
        yield window


@pytest.fixture
def grid(shown):
    """The map, at its last epoch and not zoomed."""
    shown.show()
    shown.run(f"document.querySelector('{MAP}').scrollIntoView()")
    shown.wait(DRAWN)
    choose(shown, 1)
    press(shown, "0")
    return shown


def choose(window, frame):
    window.run(
        f"(() => {{ const choice = document.querySelector('{MAP} select');"
        f"choice.value = {frame}; choice.dispatchEvent(new Event('change')) }})()"
    )


def press(window, *keys):
    window.run(f"document.querySelector('{MAP} .plot').focus()")
    for key in keys:
        window.press(key, key if len(key) == 1 else "")


def said(window):
    return window.run(f"document.querySelector('{MAP} output').textContent")


def point_at(window, row, column, said_then=""):
    x, y = window.run(
        f"(() => {{ const plot = document.querySelector('{MAP} .plot');"
        "const { xaxis, yaxis } = plot._fullLayout; const box = plot.getBoundingClientRect();"
        f"return [box.x + xaxis._offset + xaxis.d2p({column}),"
        f" box.y + yaxis._offset + yaxis.d2p({row})] }})()"
    )
    window.point_at(x, y)
    start = said_then or f"b {row}, t {column}:"
    window.wait(f"document.querySelector('{MAP} output').textContent.startsWith({start!r})")
    return said(window)


# ── values ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("epoch", [1, 2])
def test_hover_shows_the_value_of_the_array_at_that_place(grid, arrays, epoch):
    loss, mask = arrays[0][epoch], arrays[1]
    choose(grid, epoch - 1)
    for row, column in [(0, 0), (1, 2), (3, 1), (5, 8), (2, 0), (4, 6)]:
        shown = point_at(grid, row, column)
        value, masked = re.fullmatch(rf"b {row}, t {column}: (\S+?)(, masked)?", shown).groups()
        assert float(value) == pytest.approx(float(loss[row, column]), rel=1e-5, nan_ok=True)
        assert bool(masked) == (not mask[row, column])


def test_arrow_keys_go_from_place_to_place_and_stop_at_the_edges(grid, arrays):
    loss = arrays[0][2]
    point_at(grid, 1, 1)
    press(grid, "ArrowDown", "ArrowRight")
    assert said(grid).startswith("b 2, t 2: ")
    assert float(said(grid).split()[-1].rstrip(",")) == pytest.approx(float(loss[2, 2]), rel=1e-5)
    press(grid, *["ArrowLeft"] * 5, *["ArrowUp"] * 5)
    assert said(grid) == "b 0, t 0: Infinity"


def test_keys_zoom_to_the_place_and_back(grid):
    ranges = f"document.querySelector('{MAP} .plot')._fullLayout.xaxis.range"
    whole = grid.run(ranges)
    point_at(grid, 1, 7)
    press(grid, "+", "+")
    low, high = grid.run(ranges)
    assert high - low == pytest.approx((whole[1] - whole[0]) / 4)
    assert -0.5 <= low <= 7 <= high <= 8.5
    press(grid, "0")
    assert grid.run(ranges) == whole


def test_what_is_not_finite_is_marked_by_more_than_its_colour(grid, arrays):
    loss, mask = arrays[0][2], arrays[1]
    places = grid.run(
        f"(() => {{ const {{ x, y }} = document.querySelector('{MAP} .plot').data[1];"
        "return y.map((row, i) => [row, x[i]]) })()"
    )
    assert {tuple(place) for place in places} == set(
        zip(*np.nonzero(mask & ~np.isfinite(loss)), strict=True)
    )


# ── everywhere ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_fits_and_is_drawn_without_complaint(shown, size, scheme):
    width, height = SIZES[size]
    shown.show(width=width, height=height, scheme=scheme)
    shown.run("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    shown.run("document.querySelectorAll('figure').forEach((each) => each.scrollIntoView())")
    shown.run("dispatchEvent(new Event('beforeprint'))")
    shown.wait("[...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))")
    assert shown.run("document.documentElement.scrollWidth") <= width
    shown.wait(
        "[...document.querySelectorAll('.block, .plot, .main-svg')]"
        ".every((each) => each.getBoundingClientRect().right <= innerWidth)"
    )
    assert shown.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(shown, scheme):
    shown.show(scheme=scheme)
    contrasts = shown.run(CONTRASTS)
    assert len(contrasts) > 5
    assert {where: ratio for where, ratio in contrasts.items() if ratio < 4.5} == {}


def test_dark_and_light_differ_in_page_and_charts(shown):
    font = "document.querySelector('.plot')._fullLayout.font.color"
    shown.show(scheme="light")
    shown.wait(f"{font} === '#1b2127'")
    light = shown.run("getComputedStyle(document.body).backgroundColor")
    shown.show(scheme="dark")
    shown.wait(f"{font} === '#e6eaee'")
    assert shown.run("getComputedStyle(document.body).backgroundColor") != light


def test_the_page_loads_nothing_and_runs_nothing_of_others(shown):
    assert {address.partition(":")[0] for address in shown.asked_for} == {"file"}
    assert all(address.endswith(".html") for address in shown.asked_for)
    assert shown.run("window.broken === undefined && document.images.length === 0")


def test_the_page_would_let_nobody_load_or_run_anything(shown):
    asked = "fetch('data:,text').then(() => 'loaded', () => 'refused')"
    put_in = (
        "(() => { const script = document.createElement('script');"
        "script.textContent = 'window.broken = 1'; document.body.append(script);"
        "script.remove(); return window.broken === undefined })()"
    )
    assert shown.run(asked) == "refused"
    assert shown.run(put_in)
    assert all("Content Security Policy" in said for said in shown.complaints)
    shown.complaints.clear()


def test_names_are_shown_as_they_are(shown):
    titles = shown.run("[...document.querySelectorAll('h3')].map((each) => each.textContent)")
    assert titles.count(EVIL) == 2
    assert shown.run("document.title") == EVIL


def test_everything_that_does_something_is_reached_by_keys(shown):
    reach = "a[href], summary, select, [tabindex='0']"
    reached = shown.run(
        f"[...document.querySelectorAll({reach!r})]"
        ".filter((each) => { each.focus(); return document.activeElement !== each })"
        ".map((each) => each.outerHTML.slice(0, 80))"
    )
    assert reached == []
    assert shown.run("document.querySelectorAll('.grid .plot:not([tabindex])').length") == 0


# ── last, for it goes to another page ────────────────────────────────────────────────────────


def test_a_million_positions_are_drawn_and_read(shown, tmp_path):
    loss = np.random.default_rng(1).normal(size=(1024, 1024)).astype("float32")
    frame = page.Frame("now", loss, np.ones(loss.shape, bool))
    grid = page.Grid("large", ["b", "t"], [frame])
    page.write(tmp_path / "large.html", "large", [page.Section("maps", [grid])])
    shown.show()
    shown.open(tmp_path / "large.html")
    shown.wait(DRAWN)
    point_at(shown, 700, 300, "b ")
    row, column, value = re.fullmatch(r"b (\d+), t (\d+): (\S+)", said(shown)).groups()
    assert float(value) == pytest.approx(float(loss[int(row), int(column)]), rel=1e-5)
    assert abs(int(row) - 700) <= 3  # a pixel is three rows
    assert abs(int(column) - 300) <= 1
    assert shown.complaints == []
