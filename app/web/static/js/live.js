// The live connection: server-sent events, and polling while they do not come.

import { get, queryString } from "./api.js";
import { everySecond, now, whenVisible } from "./clock.js";

const SILENCE_MS = 20_000; // more than one heartbeat
const POLL_MS = 3_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 8_000;
const GAP_MS = 4_000;
const HIDDEN_MS = 15_000; // a browser allows six connections to a worker in all, so hidden tabs give theirs back

/**
 * Tells `counters` (live figures), `events` (a list of new events, oldest first) and `state` to its listeners, and
 * `renewed` when `events` may have passed by: what was asked for before may lack them, what is asked for now does not.
 */
export class Live extends EventTarget {
  #scope;
  #source;
  #retry;
  #retryMs = FIRST_RETRY_MS;
  #heardAt = 0;
  #polledAt = 0;
  #newest = 0;
  #isPolling = false;
  #hiding;
  #gap = null;

  constructor() {
    super();
    this.state = "connecting";
    this.reason = "";
    this.counters = null;
    everySecond(() => this.#beat());
    document.addEventListener("visibilitychange", () => this.#looked());
  }

  /** Follow one organisation, or all if undefined; what was followed before ends. */
  follow(organizationId) {
    if (this.#source && this.#scope === organizationId) return;
    this.#scope = organizationId;
    this.counters = null;
    this.#newest = 0;
    this.#become("connecting");
    this.#connect();
  }

  /** Age of the live figures in ms, or undefined before the first. */
  get ageMs() {
    return this.counters ? Math.max(0, now() - this.counters.asOf) : undefined;
  }

  #looked() {
    clearTimeout(this.#hiding);
    if (document.hidden) this.#hiding = setTimeout(() => this.#pause(), HIDDEN_MS);
  }

  #pause() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#become("paused");
    whenVisible(() => {
      this.#become("connecting");
      this.#connect();
    });
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource(`/api/v1/stream${queryString({ organizationId: this.#scope })}`);
    this.#source = source;
    this.#heardAt = Date.now();
    source.addEventListener("open", () => this.#heard(source));
    source.addEventListener("heartbeat", () => this.#heard(source));
    source.addEventListener("counters", (message) => this.#heard(source, () => this.#count(JSON.parse(message.data))));
    source.addEventListener("events", (message) => this.#heard(source, () => this.#list(JSON.parse(message.data))));
    source.addEventListener("following", () => this.#heard(source, () => this.#renew()));
    source.addEventListener("gap", () => this.#heard(source, () => this.#renewSoon()));
    source.addEventListener("recovering", (message) => this.#lost(source, JSON.parse(message.data)));
    source.addEventListener("error", () => this.#failed(source));
  }

  #heard(source, take = () => {}) {
    if (source !== this.#source) return;
    this.#heardAt = Date.now();
    this.#retryMs = FIRST_RETRY_MS;
    this.#become("live");
    take();
  }

  #lost(source, { message }) {
    if (source !== this.#source) return;
    this.#heardAt = Date.now();
    this.#become("recovering", message);
  }

  #failed(source) {
    if (source !== this.#source) return;
    if (this.state === "live" || this.state === "connecting") this.#become("reconnecting");
    // A browser tries again by itself only after some failures: an answer such as 503 ends its trying.
    if (source.readyState === EventSource.CLOSED) this.#again();
  }

  #again() {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #beat() {
    if (this.state === "live" && Date.now() - this.#heardAt > SILENCE_MS) {
      this.#become("reconnecting");
      this.#connect();
    }
    const isDue = Date.now() - this.#polledAt > POLL_MS && !this.#isPolling;
    if (isDue && !["live", "connecting", "paused"].includes(this.state)) this.#poll();
  }

  async #poll() {
    const scope = this.#scope;
    this.#isPolling = true;
    this.#polledAt = Date.now();
    try {
      const counters = await get("/metrics/realtime", { organizationId: scope });
      if (scope !== this.#scope || this.state === "live" || this.state === "paused") return;
      this.#become("polling");
      this.#count(counters);
      await this.#pollEvents(scope);
    } catch (failure) {
      if (failure.status === undefined) throw failure;
      if (scope !== this.#scope || this.state === "live" || this.state === "paused") return;
      if (failure.isRecovering) this.#become("recovering", failure.message);
      else this.#become(failure.status ? "reconnecting" : "unreachable", failure.message);
    } finally {
      this.#isPolling = false;
    }
  }

  async #pollEvents(scope) {
    const since = this.#newest || now() - 60_000;
    try {
      const found = await get("/events", { organizationId: scope, startTime: Math.floor(since), limit: 50 });
      if (scope === this.#scope && this.state === "polling") this.#list(found.page.toReversed());
    } catch (failure) {
      // Counters are live without the store; the panels say that it does not answer.
      if (failure.status === undefined) throw failure;
    }
  }

  #count(counters) {
    this.counters = counters;
    this.dispatchEvent(new CustomEvent("counters", { detail: counters }));
  }

  #list(events) {
    if (!events.length) return;
    this.#newest = Math.max(this.#newest, ...events.map((event) => event.timestamp));
    this.dispatchEvent(new CustomEvent("events", { detail: events }));
  }

  #renew() {
    clearTimeout(this.#gap);
    this.#gap = null;
    this.dispatchEvent(new CustomEvent("renewed"));
  }

  /** Where more events come than are sent there is a gap every second. */
  #renewSoon() {
    this.#gap ??= setTimeout(() => this.#renew(), GAP_MS);
  }

  #become(state, reason = "") {
    if (state === this.state && reason === this.reason) return;
    this.state = state;
    this.reason = reason;
    this.dispatchEvent(new CustomEvent("state"));
  }
}
