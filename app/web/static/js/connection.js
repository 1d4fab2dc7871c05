// The line in the header that says whether figures are live, and how old they are if not.

import { everySecond } from "./clock.js";
import { age, clock } from "./format.js";

const STALE_MS = 10_000;
const NEWS_MS = 15_000;

function described(live) {
  const ageMs = live.ageMs;
  const old = ageMs === undefined ? "" : `, last update ${age(ageMs)} ago`;
  switch (live.state) {
    case "recovering":
      return ["recovering", `Recovering: ${live.reason}${old}`];
    case "unreachable":
      return ["offline", `No connection to the worker${old}`];
    case "reconnecting":
      return ["waiting", `Reconnecting${old}`];
    case "paused":
      return ["waiting", "Paused"];
    case "connecting":
      return ["waiting", "Connecting"];
    default:
      if (live.counters?.stale || ageMs > STALE_MS) return ["stale", `Stale${old}`];
      return ["live", live.state === "polling" ? "Live, by polling" : "Live"];
  }
}

/** Keep the element true; `news` is a polite live region that tells of changes and new events. */
export function showConnection(live, element, news) {
  const text = element.querySelector(".connection-text");
  let told = "";
  let fresh = 0;
  let saidAt = Date.now();
  const update = () => {
    const [state, words] = described(live);
    if (element.dataset.state !== state) element.dataset.state = state;
    if (text.textContent !== words) text.textContent = words;
    const asOf = live.counters ? `Live figures as of ${clock(live.counters.asOf)} UTC` : "";
    if (element.title !== asOf) element.title = asOf;
    if (state !== told) {
      if (told) news.textContent = words;
      told = state;
    } else if (fresh && Date.now() - saidAt > NEWS_MS) {
      news.textContent = `${fresh} new ${fresh === 1 ? "event" : "events"}`;
      fresh = 0;
      saidAt = Date.now();
    }
  };
  live.addEventListener("state", update);
  live.addEventListener("counters", update);
  live.addEventListener("events", ({ detail }) => {
    fresh += detail.length;
  });
  everySecond(update);
  update();
}
