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
    tell(byId("key").value);
  });
}

// With `go` the focus moves to the result: it is above the pressed row, maybe out of sight.
export async function tell(key, { go = false } = {}) {
  if (!key) return;
  const mine = (asked += 1);
  byId("key").value = key;
  show(element("p", {}, "Searching the topics and MongoDB…"));
  let parts;
  try {
    const answer = await fetch(`/api/story?${new URLSearchParams({ key, pipeline })}`);
    const story = await answer.json();
    parts = answer.ok ? told(story) : [element("p", { class: "verdict" }, `No answer: ${typeof story.detail === "string" ? story.detail : "the request was refused"}.`)];
  } catch {
    parts = [element("p", { class: "verdict" }, "The server does not answer; try again when the page is live again.")];
  }
  if (mine !== asked) return;
  show(...parts);
  if (go) byId("story").firstChild.focus();
}

function show(...parts) {
  byId("story").replaceChildren(element("div", { class: "story", tabindex: "-1" }, ...parts));
}

function told(story) {
  const close = element("button", { type: "button" }, "Close");
  close.addEventListener("click", () => { byId("story").replaceChildren(); byId("key").focus(); });
  return [
    element("h3", {}, `${title} ${story.key}`),
    element("p", { class: "verdict" }, story.verdict),
    ...section("Records in Kafka", story.records.length ? [table(story.records)] : []),
    ...story.results.flatMap((document) => section("Document", [fields(document)])),
    ...story.leftovers.flatMap((document) => section("Unmatched", [fields(document)])),
    ...story.notes.map((note) => element("p", { class: "note" }, note)),
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
      element("td", { class: "text" }, record.fate))))));
}

function fields(document) {
  return element("dl", {}, ...Object.entries(document).flatMap(([name, value]) => [
    element("dt", {}, name),
    element("dd", {}, value !== null && typeof value === "object" ? time(value.time) : String(value)),
  ]));
}
