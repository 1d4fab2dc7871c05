// Cards: one figure each, with its unit, window and scope.

import { h } from "../dom.js";

/** A card [{name, value, detail, tone, link}]; `detail` says window and unit, `tone` is good, slow, bad or none. */
export function cards(list) {
  return h("dl", { class: "cards" }, list.map((card) =>
    h("div", { class: `card ${card.tone ? `card-${card.tone}` : ""}`, "data-card": card.key },
      h("dt", {}, card.name),
      h("dd", { class: "value" }, card.value),
      h("dd", { class: "detail" }, card.detail))));
}
