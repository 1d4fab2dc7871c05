import { h } from "../dom.js";
export function metrics() { return { element: h("p", {}, "soon"), dispose() {} }; }
