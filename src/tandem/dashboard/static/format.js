// Formats numbers and times; "–" if unknown.
const NONE = "–";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

const known = (value) => value !== null && value !== undefined;
export const count = (value) => (known(value) ? whole.format(value) : NONE);
export const compact = (value) => (known(value) ? (Math.abs(value) < 10000 ? whole.format(value) : Math.abs(value) < 1e15 ? short.format(value) : value.toExponential(1)) : NONE);
export const rate = (value) => (known(value) ? (value > 0 && value < 9.95 ? value.toFixed(1) : compact(value)) : NONE);
export const bytes = (value) => (known(value) ? `${value < 1e6 ? (value / 1e3).toFixed(0) + " kB" : (value / 1e6).toFixed(value < 1e7 ? 1 : 0) + " MB"}` : NONE);
export function seconds(value) {
  if (!known(value)) return NONE;
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 120) return `${value.toFixed(value < 10 ? 2 : 0)} s`;
  return `${Math.round(value / 60)} min`;
}
export function time(ms) {
  if (!known(ms)) return NONE;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString().slice(0, 19).replace("T", " ");
}
export const clock = (ms) => time(ms).slice(11);
