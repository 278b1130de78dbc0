// The pipeline as a diagram: topics -> job -> collections, with rates.
import { byId, element, setText } from "./dom.js";
import { compact, count, rate, seconds, time } from "./format.js";

const nodes = new Map();
const WORDS = { running: "running", silent: "silent", stopped: "stopped", failed: "failed", never: "not started", unknown: "unknown" };

function box(place, key, title, where, fields) {
  const node = element("li", { class: "node", "data-node": key },
    element("h3", {}, title),
    ...(where ? [element("p", { class: "where" }, where)] : []),
    element("p", { class: "big", "data-field": "rate" }, "–"),
    element("p", { class: "unit" }, fields.unit),
    element("dl", {}, ...Object.entries(fields.rows).map(([field, name]) =>
      element("div", {}, element("dt", {}, name), element("dd", { "data-field": field }, "–")))));
  place.append(node);
  nodes.set(key, node);
}

function fill(node, values) {
  for (const [field, value] of Object.entries(values)) setText(node.querySelector(`[data-field=${field}]`), value);
}

export function buildFlow(environment) {
  for (const stream of environment.streams) {
    box(byId("topics"), stream.topic, stream.name, stream.topic, { unit: "records/s", rows: { records: "Records", lag: "Lag" } });
  }
  box(byId("outputs"), "results", environment.noun, environment.results, { unit: `${environment.noun}/s`, rows: { records: "Documents" } });
  if (environment.leftovers) {
    box(byId("outputs"), "leftovers", environment.outcomes[1], environment.leftovers, { unit: "", rows: { records: "Documents" } });
    nodes.get("leftovers").querySelectorAll(".big, .unit").forEach((each) => each.remove());
  }
  box(byId("outputs"), "dead", "dead letters", environment.dead_letter_topic, { unit: "records/s", rows: { records: "Records", reasons: "Why" } });
}

export function renderFlow(update, environment) {
  const { job, links, account } = update;
  for (const topic of update.topics) {
    fill(nodes.get(topic.topic), { rate: rate(topic.rate), records: count(topic.records), lag: count(topic.lag) });
    nodes.get(topic.topic).classList.toggle("bad", links.kafka.up === false);
  }
  fill(byId("job"), {
    rate: rate(job.rate), state: WORDS[job.state], lag: count(job.lag), batch: count(job.batch),
    watermark: job.watermark ? time(job.watermark) : "–",
  });
  byId("job").classList.toggle("bad", ["silent", "stopped", "failed"].includes(job.state));
  fill(nodes.get("results"), { rate: rate(update.results.rate), records: count(account?.results) });
  if (environment.leftovers) fill(nodes.get("leftovers"), { records: count(account?.leftovers) });
  const reasons = Object.entries(update.dead.reasons).sort((a, b) => b[1] - a[1]);
  fill(nodes.get("dead"), {
    rate: rate(update.dead.rate), records: count(update.dead.count),
    reasons: reasons.slice(0, 3).map(([name, number]) => `${name} ${compact(number)}`).join(", ") || "–",
  });
  for (const key of ["results", "leftovers"]) nodes.get(key)?.classList.toggle("bad", links.mongo.up === false);
  nodes.get("dead").classList.toggle("bad", links.kafka.up === false);
  byId("pipe-in").toggleAttribute("data-flows", job.state === "running" && (job.rate > 0 || update.topics.some((t) => t.rate > 0)));
  byId("pipe-out").toggleAttribute("data-flows", job.state === "running" && (update.results.rate > 0 || update.dead.rate > 0));
  byId("empty").hidden = update.topics.some((topic) => topic.records === null || topic.records > 0);
}

const tiles = new Map();
function tile(key, name, value, remark) {
  let node = tiles.get(key);
  if (!node) {
    node = element("div", { class: "tile", "data-tile": key }, element("p", {}), element("b", {}), element("small", {}));
    byId("tiles").append(node);
    tiles.set(key, node);
  }
  setText(node.children[0], name.charAt(0).toUpperCase() + name.slice(1));
  setText(node.children[1], value);
  setText(node.children[2], remark);
}

export function renderTiles(update, environment) {
  const { results, account, job } = update;
  const about = update.sampled ? "≈" : "";
  tile("results", environment.noun, count(account?.results), "");
  tile("rate", `${environment.noun} a second`, rate(results.rate), "last 5 s");
  if (environment.money) tile("money", "Money a second", about + compact(results.money_rate), "last 5 s, amounts up to 1T");
  const past = results.rate > 0 && results.p50 === null;
  tile("p50", "Latency, half below", past ? "history" : seconds(results.p50), past ? "events of the past" : "last minute");
  tile("p99", "Latency, 99 % below", past ? "history" : seconds(results.p99), past ? "events of the past" : "last minute");
  tile("lag", "Lag", count(job.lag), "records");
  tile("late", "Late", count(job.late ?? (job.state === "never" ? 0 : null)), "records");
  tile("dead", "Dead letters", count(update.dead.count), "records");
}
