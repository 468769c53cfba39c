"""Sections as HTML. All text is escaped, whoever it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from lossmith.look.page import figures
from lossmith.look.page.sections import (
    Bars,
    Block,
    Frame,
    Grid,
    Line,
    Lines,
    Section,
    Source,
    Table,
    Text,
)
from lossmith.look.run_dir import not_finite

ROWS = 500
"""Of a table beside a chart; of more rows as many are shown, evenly spaced."""

HIGHEST = 20
"""Positions of a map that are listed."""

KEYS = "arrow keys move, + and - zoom, 0 shows all"

Cell = str | float


def links(parts: Sequence[Section]) -> str:
    """Return an entry of the navigation for each section."""
    titles = enumerate(escape(part.title) for part in parts)
    return "".join(f'<li><a href="#s{number}">{title}</a></li>' for number, title in titles)


def section(part: Section, number: int) -> str:
    """Return a heading and the blocks below it."""
    blocks = [_block(block, f"s{number}-{i}") for i, block in enumerate(part.blocks)]
    return "\n".join(
        [
            f'<section aria-labelledby="s{number}">',
            f'<h2 id="s{number}">{escape(part.title)}</h2>',
            '<div class="blocks">',
            *blocks,
            "</div>",
            "</section>",
        ]
    )


def written(value: Cell) -> str:
    """Write a number as people read it, NaN and infinities by name; text stays as it is."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else not_finite(value)
    return str(value)


def _block(block: Block, key: str) -> str:
    match block:
        case Lines():
            return _lines(block, key)
        case Bars():
            return _bars(block, key)
        case Grid():
            return _grid(block, key)
        case Table():
            return _plain(block.title, key, _table(block.title, block.head, block.rows))
        case Text():
            paragraphs = [f"<p>{escape(text)}</p>" for text in block.paragraphs]
            return _plain(block.title, key, "\n".join(paragraphs))
        case Source():
            lines = [_source_line(line) for line in block.lines]
            listing = "\n".join(['<ol class="source">', *lines, "</ol>"])
            return _plain(block.title, key, listing, "wide ")


# ── charts ───────────────────────────────────────────────────────────────────────────────────


def _lines(block: Lines, key: str) -> str:
    columns = [dict(zip(s.x, s.y, strict=True)) for s in block.series]
    places = sorted({x for s in block.series for x in s.x})
    rows = [[x, *(column.get(x, "") for column in columns)] for x in places]
    head = [block.x_name, *(s.name for s in block.series)]
    said = [_in_words(s.name, s.y) for s in block.series]
    strange = [text for s in block.series if (text := _not_finite(s.name, s.x, s.y, block.x_name))]
    notes = "".join(f'<p class="bad">{escape(text)}</p>' for text in strange)
    drawing = _drawing("img", f"{block.title}: {'; '.join(said)}")
    data = figures.lines(block)
    table = _as_table(_table(block.title, head, rows))
    return _figure("lines", block.title, key, data, notes, drawing, table)


def _bars(block: Bars, key: str) -> str:
    edges = list(block.edges)
    rows = list(zip(edges[:-1], edges[1:], block.counts, strict=True))
    drawing = _drawing("img", f"{block.title}: a histogram of {len(rows)} bins")
    table = _as_table(_table(block.title, ["from", "to", "count"], rows))
    return _figure("bars", block.title, key, figures.bars(block), drawing, table)


def _grid(block: Grid, key: str) -> str:
    names = [escape(frame.label) for frame in block.frames]
    last = len(names) - 1
    options = [
        f'<option value="{i}"{" selected" * (i == last)}>{name}</option>'
        for i, name in enumerate(names)
    ]
    choice = f"<p><label>Shown: <select>{''.join(options)}</select></label></p>"
    hint = f'<p class="faint">Grey does not count, magenta is not finite; {KEYS}.</p>'
    drawing = _drawing("application", f"{block.title} at each position: {KEYS}", "map")
    head = ["", "positions", "counted", "not finite", "mean", "lowest", "highest"]
    frames = _table(block.title, head, [_summary(frame) for frame in block.frames])
    title = f"Highest, {block.frames[-1].label}"
    highest = _table(title, [*block.axes, "value"], _highest(block.frames[-1]))
    table = _as_table(frames, f"<p>{escape(title)}</p>", highest)
    return _figure("grid", block.title, key, figures.grid(block), choice, hint, drawing, table)


def _figure(kind: str, title: str, key: str, data: dict[str, Any], *parts: str) -> str:
    return "\n".join(
        [
            f'<figure class="block {kind}" data-kind="{kind}" aria-labelledby="{key}">',
            f'<figcaption><h3 id="{key}">{escape(title)}</h3></figcaption>',
            f'<script type="application/json">{figures.in_script(data)}</script>',
            *parts,
            "</figure>",
        ]
    )


def _as_table(*tables: str) -> str:
    return f"<details><summary>As a table</summary>{''.join(tables)}</details>"


def _drawing(role: str, label: str, description: str = "") -> str:
    reach = f' tabindex="0" aria-roledescription="{description}"' if description else ""
    place = f'<div class="plot" role="{role}" aria-label="{escape(label)}"{reach}></div>'
    return place + ("<output>&nbsp;</output>" if description else "")


def _in_words(name: str, values: Sequence[float]) -> str:
    if not values:
        return f"{name} has no values"
    return f"{name} from {written(float(values[0]))} to {written(float(values[-1]))}"


def _not_finite(name: str, x: Sequence[float], y: Sequence[float], x_name: str) -> str:
    bad = [(place, value) for place, value in zip(x, y, strict=True) if not math.isfinite(value)]
    if not bad:
        return ""
    place, value = bad[0]
    first = f"{name} is {written(float(value))} at {x_name} {written(place)}"
    return first if len(bad) == 1 else f"{first}, and not finite {len(bad) - 1} times more"


def _summary(frame: Frame) -> list[Cell]:
    counted = frame.loss[frame.mask].astype(float)
    finite = counted[np.isfinite(counted)]
    sizes = [frame.loss.size, counted.size, counted.size - finite.size]
    values = [finite.mean(), finite.min(), finite.max()] if finite.size else [""] * 3
    return [frame.label, *sizes, *(v if isinstance(v, str) else float(v) for v in values)]


def _highest(frame: Frame) -> list[list[Cell]]:
    """List the positions of the highest losses that count; NaN is higher than all."""
    loss = np.where(frame.mask, frame.loss.astype(float), -np.inf).ravel()
    order = np.argsort(loss)[::-1][: min(HIGHEST, int(frame.mask.sum()))]
    places = [np.unravel_index(at, frame.loss.shape) for at in order]
    return [[*(int(i) for i in place), float(frame.loss[place])] for place in places]


# ── text ─────────────────────────────────────────────────────────────────────────────────────


def _plain(title: str, key: str, content: str, extra: str = "") -> str:
    heading = f'<h3 id="{key}">{escape(title)}</h3>' if title else ""
    return f'<div class="block {extra}">{heading}\n{content}</div>'


def _table(label: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return rows below a head; where there are too many, say how many are shown."""
    note = f"<p>{ROWS} of {len(rows)} rows</p>" if len(rows) > ROWS else ""
    picked = np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)
    numbers = [not all(isinstance(row[i], str) for row in rows) for i in range(len(head))]
    kinds = [' class="number"' if number else "" for number in numbers]
    names = [f'<th scope="col"{k}>{escape(n)}</th>' for k, n in zip(kinds, head, strict=True)]
    lines = [
        [f"<td{k}>{escape(written(cell))}</td>" for k, cell in zip(kinds, rows[i], strict=True)]
        for i in picked
    ]
    body = "\n".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    region = f'tabindex="0" role="region" aria-label="{escape(label or "table")}"'
    top = f"<thead><tr>{''.join(names)}</tr></thead>" if any(head) else ""
    return f'{note}<div class="scroll" {region}><table>{top}\n<tbody>{body}</tbody></table></div>'


def _source_line(line: Line) -> str:
    notes = "".join(f'<span class="note">{escape(note)}</span>' for note in line.notes)
    marks = "".join(f"<strong>{escape(mark)}</strong>" for mark in line.marks)
    number = f'<span class="faint">{line.number}</span><pre>{escape(line.text)}</pre>'
    kind = ' class="marked"' if line.marks else ""
    return f"<li{kind}>{number if line.text else ''}{notes}{marks}</li>"
