// Receives the server's updates and hands them to the parts of the page. Every value is set as text, never as HTML.
import { Charts } from "./charts.js";
import { renderAccount } from "./account.js";
import { describeEnvironment, renderEnvironment } from "./environment.js";
import { buildFlow, renderFlow, renderTiles } from "./flow.js";
import { buildNewest, renderNewest } from "./newest.js";
import { renderPipelines } from "./pipelines.js";
import { byId, element } from "./dom.js";
import { listen } from "./search.js";
import { clock } from "./format.js";

// The server speaks at least once a second.
const SILENT_MS = 4000;
const RETRY_MS = 1000;
let charts = null, environment = null, heardAt = 0, connected = false, said = "";

connect();

function connect() {
  const source = new EventSource(`/api/events${location.search}`);
  source.addEventListener("hello", begin);
  source.addEventListener("update", show);
  source.addEventListener("error", () => {
    connected = false;
    showLink();
    // After a refusal the browser does not reconnect by itself; the pipeline may be back in a moment.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
}

function begin(event) {
  const hello = JSON.parse(event.data);
  const first = environment === null;
  // The built elements belong to another pipeline, or to an older version of this one.
  if (!first && JSON.stringify(hello.environment) !== JSON.stringify(environment)) location.reload();
  environment = hello.environment;
  if (first) {
    describeEnvironment(environment);
    buildFlow(environment);
    buildNewest(environment);
    charts = new Charts(byId("charts"), environment);
    listen(environment);
  }
  charts.reset(hello.points, hello.batches);
  heard();
}

function show(event) {
  const update = JSON.parse(event.data);
  heard();
  performance.mark("update-begins");
  renderProblems(update.problems);
  renderPipelines(update.pipelines, environment);
  renderFlow(update, environment);
  renderTiles(update, environment);
  renderAccount(update.account, environment);
  renderNewest(update.newest, environment);
  renderEnvironment(update, environment);
  charts.add(update);
  performance.measure("update", "update-begins");
  // Observers get the measures anyway; the browser would keep them until the page is closed.
  performance.clearMarks();
  performance.clearMeasures();
}

setInterval(showLink, 500);

function heard() {
  heardAt = Date.now();
  connected = true;
  showLink();
}

function showLink() {
  const silent = Date.now() - heardAt;
  const live = connected && silent < SILENT_MS;
  const since = heardAt ? `; the numbers are from ${clock(heardAt)}` : "";
  const text = live ? "Live" : connected ? `No updates from the server${since}` : `Disconnected, reconnecting${since}`;
  document.body.toggleAttribute("data-stale", !live);
  const link = byId("link");
  link.dataset.state = live ? "live" : heardAt || !connected ? "off" : "connecting";
  if (said !== text) link.textContent = said = text;
}

// A problem's numbers are updated in place. A screen reader announces each problem once, and when all are resolved.
const shown = new Map();
function renderProblems(problems) {
  const place = byId("problems"), before = shown.size, fresh = [];
  for (const [code, node] of shown) {
    if (!problems.some((problem) => problem.code === code)) { node.remove(); shown.delete(code); }
  }
  for (const problem of problems) {
    let node = shown.get(problem.code);
    if (!node) {
      node = element("div", { class: "problem" }, element("b", {}), element("span", {}));
      place.append(node);
      shown.set(problem.code, node);
      fresh.push(problem.text);
    }
    node.dataset.level = problem.level;
    node.dataset.code = problem.code;
    node.firstChild.textContent = problem.level === "error" ? "Error:" : "Warning:";
    if (node.lastChild.textContent !== problem.text) node.lastChild.textContent = problem.text;
  }
  if (fresh.length) byId("said").textContent = fresh.join(" ");
  else if (before && !shown.size) byId("said").textContent = "All problems are resolved.";
}
