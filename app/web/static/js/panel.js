// A part of a page that asks a question and shows the answer, and says so while there is none.

import { everySecond, now, whenVisible } from "./clock.js";
import { h, replace, spoken } from "./dom.js";
import { age } from "./format.js";

const OLD_MS = 30_000;
const RETRY_MS = 3_000;
const SOON_MS = 4_000;

/**
 * A titled section. `load(signal)` asks, `render(answer)` gives elements; `isEmpty` and `empty` describe an answer
 * without content, `failures` by status those that are answers in truth. It asks again every `everyMs`, after `refresh()`, and a few seconds after a failure; an old answer
 * stays on the screen with its age meanwhile.
 */
export class Panel {
  #options;
  #body;
  #notice;
  #asking = null;
  #timer = null;
  #soon = null;
  #wanted = false;
  #shown;
  #askedAt = 0;
  #endBeat;
  #forget = () => {};

  constructor(options) {
    this.#options = { everyMs: 30_000, skeleton: 3, isEmpty: () => false, empty: "Nothing here.", ...options };
    this.#body = h("div", { class: "panel-body" });
    this.#notice = h("p", { class: "notice", role: "status", hidden: true });
    const heading = h("div", { class: "panel-head" }, this.#heading(), options.tools);
    const name = typeof options.title === "string" ? options.title : options.label;
    this.element = h("section", { class: `panel ${options.class ?? ""}`, "aria-label": name },
      heading, this.#notice, this.#body);
    this.#skeleton();
    this.#endBeat = everySecond(() => this.#beat());
    this.refresh();
  }

  #heading() {
    const { title, note } = this.#options;
    if (!title) return null;
    return h("div", { class: "titles" }, h("h2", {}, title), note ? h("p", { class: "note" }, note) : null);
  }

  #skeleton() {
    this.element.setAttribute("aria-busy", "true");
    const lines = Array.from({ length: this.#options.skeleton }, () => h("div", { class: "skeleton-line" }));
    this.#body.replaceChildren(h("div", { class: "skeleton" }, spoken("Loading"), lines));
  }

  /** Ask again from the beginning, e.g. because the filters have changed. */
  restart() {
    this.#asking?.abort();
    this.#asking = null;
    this.#shown = undefined;
    this.#skeleton();
    this.refresh();
  }

  /** Ask now, or as soon as the question under way is answered. */
  refresh() {
    if (this.#asking) {
      this.#wanted = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#forget();
    this.#forget = whenVisible(() => this.#ask());
  }

  /** Ask within some seconds; many such wishes are one question. */
  soon() {
    if (this.#soon === null) {
      this.#soon = setTimeout(() => {
        this.#soon = null;
        this.refresh();
      }, SOON_MS);
    }
  }

  /** Show the last answer, changed by `change`, without a question. */
  show(change = (answer) => answer) {
    if (this.answer === undefined) return;
    this.answer = change(this.answer);
    const text = JSON.stringify(this.answer);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#draw();
  }

  /** End; a question under way is dropped. */
  dispose() {
    this.#asking?.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    this.#forget();
    this.#endBeat();
  }

  async #ask() {
    const asking = new AbortController();
    this.#asking = asking;
    this.#wanted = false;
    let pause = this.#options.everyMs;
    try {
      const answer = await this.#options.load(asking.signal);
      if (asking.signal.aborted) return;
      this.#take(answer);
    } catch (failure) {
      if (asking.signal.aborted) return;
      if (failure.status === undefined) throw failure;
      this.#failed(failure);
      pause = RETRY_MS;
    } finally {
      if (this.#asking === asking) this.#asking = null;
    }
    this.#timer = setTimeout(() => this.refresh(), this.#wanted ? 0 : pause);
  }

  #take(answer) {
    this.#askedAt = now();
    this.failure = null;
    this.#notice.hidden = true;
    this.element.setAttribute("aria-busy", "false");
    this.answer = answer;
    const text = JSON.stringify(answer);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#draw();
  }

  #draw() {
    const { isEmpty, empty, render } = this.#options;
    if (isEmpty(this.answer)) replace(this.#body, emptyState(empty));
    else replace(this.#body, render(this.answer));
  }

  #failed(failure) {
    this.failure = failure;
    this.element.setAttribute("aria-busy", "false");
    const known = this.#options.failures?.[failure.status];
    if (this.#shown === undefined) replace(this.#body, known ? emptyState(known) : failureState(failure));
    this.#beat();
  }

  #beat() {
    const isOld = this.#shown !== undefined && this.failure && now() - this.#askedAt > RETRY_MS;
    const isSilent = this.#shown !== undefined && now() - this.#askedAt > Math.max(OLD_MS, 2 * this.#options.everyMs);
    this.#notice.hidden = !(isOld || isSilent);
    if (this.#notice.hidden) return;
    const reason = this.failure ? `: ${this.failure.message}` : "";
    const text = `Last update ${age(now() - this.#askedAt)} ago${reason}`;
    if (this.#notice.textContent !== text) this.#notice.textContent = text;
  }
}

/** What is shown instead of nothing. */
export function emptyState(text) {
  return h("p", { class: "empty" }, text);
}

/** What is shown instead of an answer. */
export function failureState(failure) {
  const ours = failure.isPassing ? "Not to be had now" : "This question failed";
  const title = failure.isRecovering ? "Recovering" : failure.status ? ours : "No connection";
  return h("div", { class: failure.isPassing ? "failure recovering" : "failure" },
    h("strong", {}, title), h("p", {}, `${failure.message}. The page tries again by itself.`));
}
