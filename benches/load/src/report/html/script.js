"use strict";
const report = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes, parent) => {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (parent) parent.appendChild(node);
  return node;
};
const shown = (value) => {
  if (value == null) return "-";
  const size = Math.abs(value);
  if (size >= 1e9) return (value / 1e9).toFixed(2) + " G";
  if (size >= 1e6) return (value / 1e6).toFixed(size >= 1e7 ? 1 : 2) + " M";
  if (size >= 1e4) return Math.round(value).toLocaleString("en");
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  if (size === 0) return "0";
  return value.toFixed(size >= 1 ? 2 : 3);
};
const tick = (value) => shown(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
const marks = (low, high, count) => {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const all = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) all.push(at);
  return all;
};
const logMarks = (low, high) => {
  const all = [];
  const wide = Math.log10(high / low) > 3;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const one of wide ? [1] : [1, 2, 5]) {
      const at = one * 10 ** power;
      if (at >= low * 0.999 && at <= high * 1.001) all.push(at);
    }
  return all;
};
const nines = (quantile) => Math.log10(1 / (1 - quantile));
const percent = (quantile) => +(quantile * 100).toFixed(3) + " %";

/* One plot: `x` of every point, series of values at them, axes, and what happened meanwhile. */
function plot(place, of) {
  place.textContent = "";
  const width = Math.max(place.clientWidth, 260);
  const height = of.height || Math.max(210, Math.min(290, width * 0.46));
  const box = { left: 50, right: width - 10, top: 10, bottom: height - 26 };
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": of.label }, place);
  const values = of.series.flatMap((one) => one.values).filter((one) => one != null && (!of.log || one > 0));
  if (!values.length) { place.textContent = "Nothing was measured."; return; }
  const [first, last] = [of.x[0], of.x[of.x.length - 1]];
  let low = of.log ? values.reduce((one, two) => Math.min(one, two)) : 0;
  let high = values.reduce((one, two) => Math.max(one, two));
  if (of.log) { low *= 0.8; high = Math.max(high * 1.25, low * 10); } else high = high * 1.08 || 1;
  const x = (at) => box.left + ((at - first) / (last - first || 1)) * (box.right - box.left);
  const part = of.log
    ? (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low)
    : (value) => (value - low) / (high - low);
  const y = (value) => box.bottom - part(value) * (box.bottom - box.top);
  for (const at of of.log ? logMarks(low, high) : marks(low, high, 5)) {
    make("line", { class: "tick", x1: box.left, x2: box.right, y1: y(at), y2: y(at) }, svg);
    make("text", { x: box.left - 7, y: y(at) + 4, "text-anchor": "end" }, svg).textContent = tick(at);
  }
  for (const band of of.bands || []) {
    const [from, to] = [x(Math.max(band.from, first)), x(Math.min(band.to, last))];
    const area = { class: "band", x: from, y: box.top, width: Math.max(to - from, 1), height: box.bottom - box.top };
    make("title", {}, make("rect", area, svg)).textContent = band.name;
    make("line", { class: "edge", x1: from, x2: from, y1: box.top, y2: box.bottom }, svg);
  }
  for (const phase of of.phases || []) {
    if (phase.at <= first || phase.at >= last) continue;
    make("line", { class: "phase", x1: x(phase.at), x2: x(phase.at), y1: box.top, y2: box.bottom }, svg);
    if (of.names) make("text", { x: x(phase.at) + 5, y: box.top + 10 }, svg).textContent = phase.name;
  }
  /* What is nearer to another than it is long is left out; the ends stay. */
  const below = of.ticks(width).filter((one) => one.at >= first && one.at <= last);
  const room = (one) => one.at === first || one.at === last
    || (x(one.at) - box.left > (below[0].at === first ? 46 : 0) && box.right - x(one.at) > 66);
  for (const one of below.filter(room)) {
    make("text", { x: x(one.at), y: height - 8, "text-anchor": one.at === first ? "start" : one.at === last ? "end" : "middle" }, svg).textContent = one.text;
  }
  make("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }, svg);
  of.series.forEach((one) => {
    let path = "", pen = "M";
    one.values.forEach((value, at) => {
      if (value == null || (of.log && value <= 0)) { pen = "M"; return; }
      path += `${pen}${x(of.x[at]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    make("path", { d: path, class: `c${one.colour}${one.dashed ? " dashed" : ""}` }, svg);
  });
  const legend = document.createElement("div");
  legend.className = "legend";
  for (const one of of.series) {
    const entry = legend.appendChild(document.createElement("span"));
    entry.appendChild(document.createElement("i")).className = `b${one.colour}${one.dashed ? " dashed" : ""}`;
    entry.append(one.name);
  }
  place.appendChild(legend);
  pointer(place, svg, of, x, box, width);
}

function pointer(place, svg, of, x, box, width) {
  const line = make("line", { class: "pointer", y1: box.top, y2: box.bottom, visibility: "hidden" }, svg);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  place.appendChild(tip);
  const hide = () => { tip.hidden = true; line.setAttribute("visibility", "hidden"); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const bounds = svg.getBoundingClientRect();
    const at = ((event.clientX - bounds.left) / bounds.width) * width;
    let near = 0;
    of.x.forEach((one, index) => { if (Math.abs(x(one) - at) < Math.abs(x(of.x[near]) - at)) near = index; });
    const here = x(of.x[near]);
    line.setAttribute("x1", here);
    line.setAttribute("x2", here);
    line.setAttribute("visibility", "visible");
    const inside = (of.bands || []).filter((band) => of.x[near] >= band.from - 1 && of.x[near] <= band.to);
    const lines = [of.name(near), ...of.series.map((one) => `${one.name}: ${shown(one.values[near])}${of.unit}`), ...inside.map((band) => `fault: ${band.name}`)];
    tip.textContent = "";
    lines.forEach((text) => { tip.appendChild(document.createElement("div")).textContent = text; });
    tip.hidden = false;
    const left = (here / width) * bounds.width;
    tip.style.left = left > bounds.width / 2 ? "auto" : `${left + 12}px`;
    tip.style.right = left > bounds.width / 2 ? `${bounds.width - left + 12}px` : "auto";
  });
}

const seconds = report.seconds;
const time = seconds.map((_, at) => at);
const bands = report.faults.filter((one) => !one.failed).map((one) => ({ name: one.name, from: one.from_ms / 1000, to: Math.max(one.to_ms, one.from_ms + 250) / 1000 }));
const phases = report.phases.map((one) => ({ name: one.name, at: one.from_ms / 1000 }));
const clock = (at) => { const whole = Math.round(at); return whole >= 600 ? `${Math.floor(whole / 60)} min` : `${whole} s`; };
const overTime = {
  x: time, bands, phases,
  ticks: (width) => marks(0, Math.max(time.length - 1, 1), width / 110).map((at) => ({ at, text: clock(at) })),
  name: (at) => {
    const phase = report.phases.filter((one) => at * 1000 + 500 >= one.from_ms && at * 1000 + 500 < one.to_ms).map((one) => one.name);
    return [`second ${at}`, ...phase].join(", ");
  },
};
const column = (of) => seconds.map(of);
const third = (kind, which) => column((one) => (one[kind] ? one[kind][which] : null));
let operation = 0;
const charts = {
  percentiles: () => {
    const of = report.operations[operation];
    const x = of.corrected.curve.map(([at]) => nines(at));
    return {
      x, log: true, unit: " ms", label: "Latency by percentile",
      ticks: () => [0, 0.5, 0.9, 0.99, 0.999, 0.9999].map((at) => ({ at: nines(at), text: percent(at) })),
      name: (at) => percent(of.corrected.curve[at][0]),
      series: [
        { name: "corrected: from the intended start", colour: 0, values: of.corrected.curve.map(([, ms]) => ms) },
        { name: "raw: from sending", colour: 1, dashed: true, values: of.service.curve.map(([, ms]) => ms) },
      ],
    };
  },
  throughput: () => ({
    ...overTime, unit: "/s", label: "Throughput over time", names: true,
    series: [
      { name: "intended", colour: 4, dashed: true, values: column((one) => one.intended) },
      { name: "acknowledged", colour: 2, values: column((one) => one.ended.acknowledged || 0) },
      { name: "ended otherwise", colour: 1, values: column((one) => Object.entries(one.ended).reduce((sum, [name, count]) => sum + (name === "acknowledged" ? 0 : count), 0)) },
    ],
  }),
  latency: () => ({
    ...overTime, log: true, unit: " ms", label: "Latency over time",
    series: [
      { name: "p50", colour: 2, values: third("corrected_ms", 0) },
      { name: "p99", colour: 0, values: third("corrected_ms", 1) },
      { name: "p99.9", colour: 3, values: third("corrected_ms", 2) },
      { name: "p99 raw", colour: 1, dashed: true, values: third("service_ms", 1) },
    ],
  }),
  generator: () => ({
    ...overTime, unit: "", label: "Lag of the generator and requests in flight",
    log: true,
    series: [
      { name: "in flight", colour: 0, values: column((one) => one.in_flight) },
      { name: "p99 behind the plan, ms", colour: 1, values: column((one) => one.lag_p99_ms) },
      { name: "dropped", colour: 3, values: column((one) => one.dropped) },
    ],
  }),
  memory: () => ({
    ...overTime, unit: " MB", label: "The server's memory over time",
    series: [{ name: "resident memory", colour: 0, values: column((one) => (one.server[report.memory] == null ? null : one.server[report.memory] / 1e6)) }],
  }),
};
const draw = () => document.querySelectorAll("[data-plot]").forEach((place) => plot(place, charts[place.dataset.plot]()));
document.querySelectorAll("[data-operation]").forEach((button) => button.addEventListener("click", () => {
  operation = +button.dataset.operation;
  document.querySelectorAll("[data-operation]").forEach((one) => one.setAttribute("aria-pressed", one === button));
  draw();
}));
let waiting;
addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); });
draw();
