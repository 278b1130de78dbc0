// The environment that this page shows.
import { byId, element, setText } from "./dom.js";

let rows = null;
let linked = "";

export function describeEnvironment(environment) {
  document.documentElement.toggleAttribute("data-cloud", environment.cloud);
  document.title = `Tandem: ${environment.title} (${environment.profile})`;
  byId("title").textContent = environment.title;
  byId("profile").textContent = environment.cloud ? `${environment.profile}: the cloud` : environment.profile;
  rows = new Map();
  const fixed = {
    Profile: `${environment.profile}: ${environment.description}`, Pipeline: environment.pipeline, Tandem: environment.tandem,
    Kafka: environment.kafka, MongoDB: "–", Database: `${environment.database} at ${environment.mongo}`,
    Spark: "–", Java: "–", Python: "–", Parity: "–", Pages: "–",
  };
  byId("environment").replaceChildren(...Object.entries(fixed).map(([name, value]) => {
    const text = element("dd", {}, value);
    rows.set(name, text);
    return element("div", {}, element("dt", {}, name), text);
  }));
}

export function renderEnvironment(update) {
  const { runtime } = update.job;
  setText(rows.get("MongoDB"), update.links.mongo.up === false ? "does not answer" : update.links.mongo.detail || "–");
  renderLinks(update.other_pages);
  if (!runtime) return;
  setText(rows.get("Spark"), `${runtime.spark} (Scala ${runtime.scala})`);
  setText(rows.get("Java"), runtime.java);
  setText(rows.get("Python"), `${runtime.python} (the job's)`);
  setText(rows.get("Parity"), runtime.differs.length
    ? `differs from Dataproc image ${runtime.image}: ${runtime.differs.join("; ")}`
    : `same versions as Dataproc image ${runtime.image}`);
}

// Links to other programs' pages that answer now.
function renderLinks(pages) {
  const text = JSON.stringify(pages);
  if (text === linked) return;
  linked = text;
  const links = pages.flatMap(({ name, url }) => [", ", element("a", { href: url, target: "_blank", rel: "noopener" }, name)]);
  rows.get("Pages").replaceChildren(...(pages.length ? links.slice(1) : ["–"]));
}
