"use strict";
// Draws each chart of the page from the data that stands in it. Names come from users: they are
// set as text, and escaped where Plotly would read tags in them.

const dark = matchMedia("(prefers-color-scheme: dark)");
const coarse = matchMedia("(pointer: coarse)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const settings = { responsive: true, displaylogo: false };
const buttons = [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]];

function layout(changes) {
  const axis = { gridcolor: colour("--rule"), zerolinecolor: colour("--rule"), automargin: true };
  const { xaxis, yaxis, ...others } = changes;
  return {
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { color: colour("--ink"), family: "system-ui, sans-serif" },
    margin: { l: 50, r: 10, t: 30, b: 45 },
    colorway: colour("--lines").split(/\s+/),
    hovermode: "closest",
    dragmode: coarse.matches ? false : "zoom", // a finger that draws would not get past a chart
    hoverlabel: { namelength: -1 },
    legend: { orientation: "h", y: 1, yanchor: "bottom" },
    modebar: { color: colour("--faint"), activecolor: colour("--ink"), bgcolor: "transparent" },
    uirevision: "kept",
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, ...yaxis },
    ...others,
  };
}

// ── charts ──────────────────────────────────────────────────────────────────────────────────────

function lines(data) {
  const palette = colour("--lines").split(/\s+/);
  const base = ({ name, dashed }) => (dashed ? name.replace(/^val_/, "") : name);
  const bases = [...new Set(data.series.map(base))];
  const traces = data.series.map((series) => ({
    type: "scatter",
    mode: series.x.length > 100 ? "lines" : "lines+markers",
    name: plain(series.name),
    x: series.x,
    y: series.y,
    line: {
      color: palette[bases.indexOf(base(series)) % palette.length],
      dash: series.dashed ? "dot" : "solid",
    },
    marker: { symbol: series.dashed ? "diamond-open" : "circle" },
  }));
  const xaxis = { title: { text: plain(data.x_name) } };
  if (data.span <= 20) xaxis.dtick = 1;
  return [traces, layout({ xaxis, showlegend: true }), { ...settings, displayModeBar: false }];
}

function bars(data) {
  const { edges, counts } = data;
  const trace = {
    type: "bar",
    x: counts.map((_, i) => (edges[i] + edges[i + 1]) / 2),
    width: counts.map((_, i) => edges[i + 1] - edges[i]),
    y: counts,
    name: "count",
  };
  const yaxis = { title: { text: "count" } };
  return [[trace], layout({ bargap: 0, yaxis }), { ...settings, displayModeBar: false }];
}

// ── maps ────────────────────────────────────────────────────────────────────────────────────────

function bytes(text) {
  const raw = atob(text);
  const found = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
  return found;
}

const BELOW = 0.05; // of the range of a map: how far below it the colour of NaN begins
const CROSSES = 1000; // of NaN, beside their colour

function colourscale({ scale, notFinite }, odd) {
  const start = odd ? BELOW / (1 + BELOW) : 0;
  const above = scale.map((one, i) => [start + (1 - start) * i / (scale.length - 1), one]);
  const band = [[0, notFinite], [start / 2, notFinite], [start / 2, scale[0]]];
  return odd ? [...band, ...above] : above;
}

class Grid {
  constructor(figure, data) {
    this.data = data;
    this.plot = figure.querySelector(".plot");
    this.output = figure.querySelector("output");
    this.cell = [0, 0];
    this.show(data.frames.length - 1);
    const choice = figure.querySelector("select");
    choice?.addEventListener("change", () => {
      this.show(Number(choice.value));
      draw(figure);
    });
    this.plot.addEventListener("keydown", (event) => this.key(event));
  }

  show(index) {
    const { loss, mask } = this.data.frames[index];
    this.loss = new Float32Array(bytes(loss).buffer);
    this.mask = bytes(mask);
  }

  figure() {
    const { rows, columns, axes, colours } = this.data;
    const values = Float32Array.from(this.loss, (value, at) => (this.mask[at] ? value : NaN));
    const odd = [];
    let [low, high] = [Infinity, -Infinity];
    values.forEach((value, at) => {
      if (Number.isFinite(value)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      } else if (this.mask[at]) {
        odd.push(at);
      }
    });
    if (low > high) [low, high] = [0, 0];
    // What is not finite has the lowest value, below all others, and a colour of its own there.
    const below = low - ((high - low) || 1) * BELOW;
    for (const at of odd) values[at] = below;
    const map = {
      type: "heatmap",
      z: Array.from({ length: rows }, (_, row) => values.subarray(row * columns, (row + 1) * columns)),
      zmin: odd.length ? below : low,
      zmax: high,
      colorscale: colourscale(colours, odd.length > 0),
      colorbar: { thickness: 12 },
      hoverinfo: "none",
    };
    const crosses = {
      type: "scatter",
      mode: "markers",
      x: odd.slice(0, CROSSES).map((at) => at % columns),
      y: odd.slice(0, CROSSES).map((at) => Math.floor(at / columns)),
      marker: { symbol: "x", size: 9, color: "#000000", line: { width: 1, color: "#ffffff" } },
      hoverinfo: "skip",
    };
    const step = (size) => (size <= 20 ? { dtick: 1 } : {});
    const axis = (name, size) => ({
      title: { text: plain(name) }, showgrid: false, zeroline: false, ...step(size),
    });
    const x = axis(axes.at(-1) ?? "", columns);
    const y = { ...axis(axes.slice(0, -1).join(", "), rows), autorange: "reversed" };
    const look = layout({ plot_bgcolor: colours.masked, showlegend: false, xaxis: x, yaxis: y });
    const modes = { displayModeBar: true, modeBarButtons: buttons };
    return [[map, crosses], look, { ...settings, ...modes }];
  }

  listen() {
    this.plot.on("plotly_hover", ({ points }) => {
      const point = points.find((each) => each.curveNumber === 0);
      if (point) this.tell(point.y, point.x);
    });
  }

  tell(row, column) {
    this.cell = [row, column];
    const at = row * this.data.columns + column;
    let rest = row;
    const places = [`${this.data.axes.at(-1) ?? ""} ${column}`];
    for (let axis = this.data.shape.length - 2; axis >= 0; axis--) {
      places.unshift(`${this.data.axes[axis]} ${rest % this.data.shape[axis]}`);
      rest = Math.floor(rest / this.data.shape[axis]);
    }
    const value = Number(this.loss[at].toPrecision(6));
    this.output.textContent = `${places.join(", ")}: ${value}${this.mask[at] ? "" : ", masked"}`;
  }

  key(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const zooms = { "+": 0.5, "-": 2 };
    const { rows, columns } = this.data;
    const sizes = [rows, columns];
    if (event.key in moves) {
      const moved = this.cell.map((place, i) => place + moves[event.key][i]);
      this.tell(...moved.map((place, i) => Math.min(Math.max(place, 0), sizes[i] - 1)));
      this.frame();
    } else if (event.key in zooms) {
      this.zoom(zooms[event.key]);
    } else if (event.key === "0") {
      Plotly.relayout(this.plot, { "xaxis.autorange": true, "yaxis.autorange": "reversed" });
    } else {
      return;
    }
    event.preventDefault();
  }

  frame() {
    const [row, column] = this.cell;
    const line = { color: "#ffffff", width: 2 };
    const edges = { x0: column - 0.5, x1: column + 0.5, y0: row - 0.5, y1: row + 0.5 };
    const inner = { type: "rect", ...edges, line: { color: "#000000", width: 4 } };
    Plotly.relayout(this.plot, { shapes: [inner, { ...inner, line }] });
  }

  zoom(factor) {
    const around = ([low, high], place, size) => {
      const width = Math.min(Math.max(Math.abs(high - low) * factor, 1), size);
      const start = Math.min(Math.max(place - width / 2, -0.5), size - 0.5 - width);
      return low < high ? [start, start + width] : [start + width, start];
    };
    const { xaxis, yaxis } = this.plot._fullLayout;
    Plotly.relayout(this.plot, {
      "xaxis.range": around(xaxis.range, this.cell[1], this.data.columns),
      "yaxis.range": around(yaxis.range, this.cell[0], this.data.rows),
    });
  }
}

// ── drawing ─────────────────────────────────────────────────────────────────────────────────────

const charts = new Map();

function chartOf(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  if (figure.dataset.kind !== "grid") {
    const build = { lines, bars }[figure.dataset.kind];
    return { figure: () => build(data), listen() {} };
  }
  return new Grid(figure, data);
}

function draw(figure) {
  const plot = figure.querySelector(".plot");
  const first = !charts.has(figure);
  if (first) charts.set(figure, chartOf(figure));
  const chart = charts.get(figure);
  Plotly.react(plot, ...chart.figure());
  if (first) chart.listen();
}

const figures = [...document.querySelectorAll("figure[data-kind]")];
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target);
  }
}, { rootMargin: "400px" });
figures.forEach((figure) => seen.observe(figure));
addEventListener("beforeprint", () => figures.forEach((figure) => charts.has(figure) || draw(figure)));
dark.addEventListener("change", () => [...charts.keys()].forEach(draw));
