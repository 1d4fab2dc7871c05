// The worker's time as far as it differs from this machine's, and the second's beat that keeps shown ages true.

import { onAnswer } from "./api.js";
import { ago } from "./format.js";

const TOLERATED_MS = 2_000; // the Date header has whole seconds, and the way takes time

let offset = 0;

onAnswer((failure, at) => {
  if (!failure && at) {
    const seen = at - Date.now();
    offset = Math.abs(seen) > TOLERATED_MS ? seen : 0;
  }
});

/** The worker's time, in epoch milliseconds. */
export const now = () => Date.now() + offset;

const beats = new Set();

/** Call `beat` every second until the returned function is called. */
export function everySecond(beat) {
  beats.add(beat);
  return () => beats.delete(beat);
}

setInterval(() => {
  for (const beat of beats) beat();
}, 1_000);

/** Call `begin` once the page is looked at: now, or when its tab comes to the front. Returns a function that forgets it. */
export function whenVisible(begin) {
  if (!document.hidden) {
    begin();
    return () => {};
  }
  const look = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    begin();
  };
  document.addEventListener("visibilitychange", look);
  return () => document.removeEventListener("visibilitychange", look);
}

everySecond(() => {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const text = ago(Number(element.dataset.ago), now());
    if (element.textContent !== text) element.textContent = text;
  }
});
