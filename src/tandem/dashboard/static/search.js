// The lookup of one key: its records in Kafka, their outcomes, and the reasons.
import { byId, element } from "./dom.js";
import { time } from "./format.js";

let title = "key", pipeline = "", asked = 0;

export function listen(environment) {
  title = environment.key_title;
  pipeline = environment.pipeline;
  byId("key-label").textContent = title;
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    search(byId("key").value);
  });
}

// With `go` the focus moves to the result: it is above the pressed row, maybe out of sight.
export async function search(key, { go = false } = {}) {
  if (!key) return;
  const mine = (asked += 1);
  byId("key").value = key;
  show(element("p", {}, "Searching the topics and MongoDB…"));
  let parts;
  try {
    const answer = await fetch(`/api/search?${new URLSearchParams({ key, pipeline })}`);
    const found = await answer.json();
    parts = answer.ok ? resultOf(found) : [element("p", { class: "verdict" }, `No answer: ${typeof found.detail === "string" ? found.detail : "the request was refused"}.`)];
  } catch {
    parts = [element("p", { class: "verdict" }, "The server does not answer; try again when the page is live again.")];
  }
  if (mine !== asked) return;
  show(...parts);
  if (go) byId("search-result").firstChild.focus();
}

function show(...parts) {
  byId("search-result").replaceChildren(element("div", { class: "search-result", tabindex: "-1" }, ...parts));
}

function resultOf(found) {
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => { byId("search-result").replaceChildren(); byId("key").focus(); });
  return [
    element("h3", {}, `${title} ${found.key}`),
    element("p", { class: "verdict" }, found.verdict),
    ...section("Records in Kafka", found.records.length ? [table(found.records)] : []),
    ...found.results.flatMap((document) => section("Document", [fields(document)])),
    ...found.leftovers.flatMap((document) => section("Unmatched", [fields(document)])),
    ...found.notes.map((note) => element("p", { class: "note" }, note)),
    close,
  ];
}

const section = (name, parts) => (parts.length ? [element("div", {}, element("h4", {}, name), ...parts)] : []);

function table(records) {
  const heads = ["Topic", "Partition", "Offset", "Arrived", "Event time", "Outcome"];
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Records" }, element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...records.map((record) => element("tr", {},
      element("td", { class: "text" }, record.topic), element("td", {}, String(record.partition)), element("td", {}, String(record.offset)),
      element("td", { class: "time" }, time(record.at)), element("td", { class: "time" }, time(record.event_time)),
      element("td", { class: "text" }, record.outcome))))));
}

function fields(document) {
  return element("dl", {}, ...Object.entries(document).flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, value !== null && typeof value === "object" ? time(value.time) : String(value)),
  ]));
}
