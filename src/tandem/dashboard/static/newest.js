// The newest documents. A click on the first column looks up the key.
import { byId, element } from "./dom.js";
import { count, time } from "./format.js";
import { search } from "./search.js";

let body = null, drawn = "";

export function buildNewest(environment) {
  const noun = document.querySelector("[data-noun]");
  noun.textContent = environment.noun;
  body = element("tbody", {});
  byId("newest").replaceChildren(
    element("caption", { class: "visually-hidden" }, `The newest ${environment.noun}, the last one first`),
    element("thead", {}, element("tr", {}, ...environment.columns.map((column) =>
      element("th", { scope: "col", class: column.shown === "money" ? "number" : null }, column.title)))), body);
}

export function renderNewest(rows, environment) {
  const text = JSON.stringify(rows);
  // Rows do not move while the pointer or the focus is in the table, and a note says so.
  const held = text !== drawn && body.contains(document.activeElement) && rows.length > 0;
  byId("held").hidden = !held;
  if (held || text === drawn) return;
  drawn = text;
  if (!rows.length) {
    body.replaceChildren(element("tr", {}, element("td", { colspan: environment.columns.length }, `No ${environment.noun} yet.`)));
    return;
  }
  body.replaceChildren(...rows.map((row) => element("tr", {}, ...row.map((value, i) => cell(value, environment.columns[i], environment)))));
}

function cell(value, column, environment) {
  if (column.field === environment.key && !environment.aggregates) {
    const button = element("button", { type: "button", title: "Look up" }, String(value));
    button.addEventListener("click", () => search(String(value), { go: true }));
    return element("td", { class: "text" }, button);
  }
  if (value !== null && typeof value === "object") return element("td", { class: "time" }, time(value.time));
  if (column.shown === "time") return element("td", { class: "time" }, time(value));
  if (column.shown === "money") return element("td", { class: "number" }, typeof value === "number" ? count(value) : String(value ?? "–"));
  return element("td", { class: "text" }, String(value ?? "–"));
}
