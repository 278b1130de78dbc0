// Charts over time, drawn by uPlot. Each has a caption that says in words what it shows now.
import { element, setText } from "./dom.js";
import { bytes, clock, compact, count, rate, seconds } from "./format.js";

const WINDOW_S = 300;
const KEEP_S = 900;
const KEEP_BATCHES = 60;
// Spark's names for the phases of a batch, in the order in which they happen.
const PHASES = [
  ["latestOffset", "look for records"], ["queryPlanning", "plan"], ["walCommit", "write offsets"],
  ["getBatch", "get batch"], ["addBatch", "join and write"], ["commitOffsets", "commit"],
];
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Charts {
  constructor(place, environment) {
    this.points = new Map();
    this.batches = new Map();
    const noun = environment.noun;
    this.charts = [
      over(place, `${capital(noun)} a second`, [{ name: noun, index: 1, fill: true }], rate),
      ...(environment.money ? [over(place, "Money a second", [{ name: "money", index: 2, fill: true }], compact)] : []),
      over(place, `Latency from event to ${noun}`, [{ name: "half below (p50)", index: 3 }, { name: "99 % below (p99)", index: 4 }], seconds),
      stacked(place),
      state(place),
    ];
    dark.addEventListener("change", () => { for (const chart of this.charts) chart.forget(); this.draw(); });
    new ResizeObserver(() => { for (const chart of this.charts) chart.resize(); }).observe(place);
  }

  reset(points, batches) {
    // The page may know more about seconds in which the server did not run.
    for (const point of points) if (point[1] !== null || !this.points.has(point[0])) this.points.set(point[0], point);
    this.batches = new Map();
    this.take(batches);
    this.draw();
  }

  add(update) {
    for (const point of update.points) this.points.set(point[0], point);
    const last = Math.floor(update.now) - 1;
    for (const second of this.points.keys()) if (second < last - KEEP_S) this.points.delete(second);
    this.take(update.batches);
    this.draw(last);
  }

  take(batches) {
    for (const batch of batches) this.batches.set(`${batch.number} ${batch.at}`, batch);
    for (const key of this.batches.keys()) {
      if (this.batches.size <= KEEP_BATCHES) break;
      this.batches.delete(key);
    }
  }

  draw(last = Math.floor(Date.now() / 1000) - 1) {
    const points = [];
    for (let second = last - WINDOW_S; second <= last; second += 1) points.push(this.points.get(second) ?? [second, 0, 0, null, null]);
    const batches = [...this.batches.values()].sort((a, b) => a.at - b.at);
    for (const chart of this.charts) chart.draw(points, batches);
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function frame(place, title, legend) {
  const caption = element("span", {});
  const plot = element("div", { class: "plot", "aria-hidden": "true" });
  const quiet = element("p", { class: "quiet" }, "nothing yet");
  plot.append(quiet);
  const figure = element("figure", { class: "card" },
    element("figcaption", {}, element("b", {}, title), caption), plot,
    ...(legend.length > 1 ? [element("ul", { class: "legend" }, ...legend.map((name, i) => element("li", { class: `s${i + 1}` }, name)))] : []));
  place.insertBefore(figure, place.querySelector("#account-section"));
  return { caption, plot, quiet };
}

function plotter({ plot, quiet }, options) {
  let chart = null;
  const size = () => ({ width: plot.clientWidth || 400, height: 170 });
  return {
    draw(data, empty) {
      quiet.hidden = !empty;
      if (quiet.style) quiet.style.display = empty ? "" : "none";
      if (chart) { chart.setData(data); return; }
      chart = new uPlot({ ...size(), legend: { show: false }, cursor: { show: false }, padding: [8, 24, 0, 0], ...options() }, data, plot);
    },
    resize() { chart?.setSize(size()); },
    forget() { chart?.destroy(); chart = null; },
  };
}

const axis = (values) => ({
  stroke: colour("--soft"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false },
  font: "12px system-ui, sans-serif", size: 58,
  // Equal labels are shown once.
  values: (_, ticks) => ticks.map(values).map((text, i, all) => (text === all[i - 1] ? "" : text)),
});
const timeAxis = () => ({
  stroke: colour("--soft"), grid: { show: false }, ticks: { show: false }, font: "12px system-ui, sans-serif", size: 28, space: 70,
  values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(11, 19)),
});
const fromZero = { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } };

function over(place, title, lines, format) {
  const parts = frame(place, title, lines.map((line) => line.name));
  const plot = plotter(parts, () => ({
    scales: fromZero,
    axes: [timeAxis(), axis(format)],
    series: [{}, ...lines.map((line, i) => ({
      stroke: colour(`--c${i + 1}`), width: 2, points: { show: !line.fill, size: 3 }, spanGaps: false,
      fill: line.fill ? colour("--c1") + "2e" : undefined,
    }))],
  }));
  return {
    ...plot,
    draw(points) {
      const data = [points.map((point) => point[0]), ...lines.map((line) => points.map((point) => point[line.index]))];
      const highest = Math.max(0, ...data.at(-1));
      const first = points.find((point) => point[1] !== null), whole = first === points[0];
      const span = whole || !first ? "in 5 minutes" : `since ${clock(first[0] * 1000)}`;
      plot.draw(data, highest === 0);
      const recent = data.at(-1).slice(-5).filter((value) => value !== null);
      const now = recent.length ? recent.reduce((sum, value) => sum + value, 0) / recent.length : null;
      setText(parts.caption, highest === 0 ? `nothing ${span}` : `now ${format(now)}, at most ${format(highest)} ${span}`);
    },
  };
}

function stacked(place) {
  let numbers = [];
  const parts = frame(place, "Batches, by phase", PHASES.map(([, words]) => words));
  const plot = plotter(parts, () => ({
    scales: { x: { time: false, range: (_, low, high) => [Math.min(low, high - 19) - 0.6, high + 0.6] }, ...fromZero },
    axes: [{ ...timeAxis(), space: 40, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) && numbers[tick] !== undefined ? count(numbers[tick]) : "")) }, axis(seconds)],
    series: [{}, ...PHASES.map((_, i) => PHASES.length - i).map((n) => ({
      stroke: "transparent", fill: colour(`--c${n}`), width: 0, points: { show: false },
      paths: uPlot.paths.bars({ size: [0.75, 40], gap: 1 }),
    }))],
  }));
  return {
    ...plot,
    draw(_, batches) {
      const sums = batches.map(() => 0);
      const layers = PHASES.map(([name]) => batches.map((batch, i) => (sums[i] += (batch.phases[name] ?? 0) / 1000)));
      // The highest sum is drawn first, the others over it.
      numbers = batches.map((batch) => batch.number);
      plot.draw([batches.map((_, i) => i), ...layers.reverse()], batches.length === 0);
      const last = batches.at(-1);
      setText(parts.caption, last ? `batch ${count(last.number)}: ${count(last.rows)} records in ${seconds((last.phases.triggerExecution ?? 0) / 1000)}` : "no batch yet");
    },
  };
}

function state(place) {
  let shown = [0, 1];
  const parts = frame(place, "Job state", ["events", "memory"]);
  const plot = plotter(parts, () => ({
    scales: { x: { range: () => [shown[0], shown[1]] }, ...fromZero, b: fromZero.y },
    axes: [timeAxis(), axis(compact), { ...axis(bytes), scale: "b", side: 1, grid: { show: false }, size: 64 }],
    series: [{}, { stroke: colour("--c1"), width: 2, points: { size: 3 } }, { stroke: colour("--c2"), width: 2, scale: "b", dash: [5, 3], points: { size: 3 } }],
  }));
  return {
    ...plot,
    draw(points, all) {
      shown = [points[0][0], points.at(-1)[0] + 1];
      const batches = all.filter((batch) => batch.at >= shown[0]);
      plot.draw([batches.map((b) => b.at), batches.map((b) => b.state_events), batches.map((b) => b.state_bytes)], batches.length === 0);
      const last = batches.at(-1);
      setText(parts.quiet, all.length ? "no batch in 5 minutes" : "no batch yet");
      setText(parts.caption, last ? `about ${count(last.state_events)} events, ${bytes(last.state_bytes)}` : "");
    },
  };
}
