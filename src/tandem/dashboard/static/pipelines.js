// Links to the other pipelines' pages; none if there is one pipeline.
import { byId, element } from "./dom.js";

const BROKEN = ["silent", "stopped", "failed"];
let drawn = "";

export function renderPipelines(pipelines, environment) {
  const text = JSON.stringify(pipelines);
  if (text === drawn) return;
  drawn = text;
  byId("pipelines").hidden = pipelines.length < 2;
  byId("pipelines").replaceChildren(...pipelines.map(({ name, title, url, state }) => element("a", {
    href: url, "aria-current": name === environment.pipeline ? "page" : null, "data-state": BROKEN.includes(state) ? "broken" : null,
  }, title, ...(BROKEN.includes(state) ? [` (${state})`] : []))));
}
