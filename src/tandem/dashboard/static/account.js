// The account: every record that the job has read is in exactly one row.
import { byId, element, setText } from "./dom.js";
import { clock, count } from "./format.js";

const add = (values) => (values.some((value) => value === null) ? null : values.reduce((sum, value) => sum + value, 0));
let drawn = "";

export function renderAccount(account, environment) {
  const table = byId("account");
  if (!account) {
    setText(byId("account-note"), "Not counted yet.");
    return;
  }
  const names = environment.streams.map((stream) => stream.name);
  const of = (row) => names.map((name) => account.streams[name]?.[row] ?? null);
  const split = (row) => [...of(row), add(of(row))];
  const rest = of("rest");
  const blank = names.map(() => null);
  const total = add(rest) - account.late;
  const restName = account.waiting ? "waiting or repeated" : "repeated";
  const rows = [
    ["consumed", split("consumed")],
    ...["matched", "unmatched"].slice(0, environment.outcomes.length).map((row, i) => [environment.outcomes[i], split(row)]),
    // The job does not report the stream of a late record.
    [restName, account.late ? [...blank, Math.max(0, total)] : [...rest, total]],
    ["late", account.late ? [...blank, account.late] : [...names.map(() => 0), 0]],
    ["dead", split("dead")],
    ["control", split("control")],
  ];
  const text = JSON.stringify(rows);
  if (text !== drawn) {
    drawn = text;
    const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "records"),
      ...[...names, "total"].map((name) => element("th", { scope: "col", class: "number" }, name))));
    const body = element("tbody", {}, ...rows.map(([name, values]) => element("tr", { "data-row": name.split(" ")[0], class: name === "consumed" ? "sum" : null },
      element("th", { scope: "row" }, name),
      ...values.map((value) => element("td", { class: "number" }, value === null ? "" : count(value))))));
    table.replaceChildren(element("caption", { class: "visually-hidden" }, "Records by stream and outcome"), head, body);
  }
  const waits = account.waiting
    ? " Waiting and repeated records are one number until no record waits for a match."
    : "";
  const sum = account.sound ? "The rows add up to the consumed records."
    : "A batch is running: its documents are counted now, its records after the commit; then the rows add up.";
  setText(byId("account-note"), `${sum} Counted at ${clock(account.at * 1000)} UTC.${waits} Run tandem verify to compare every document with the topics.`);
}
