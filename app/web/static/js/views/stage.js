import { h } from "../dom.js";
export function stage() { return { element: h("p", {}, "soon"), dispose() {} }; }
