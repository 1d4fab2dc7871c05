import { h } from "../dom.js";
export function artifact() { return { element: h("p", {}, "soon"), dispose() {} }; }
