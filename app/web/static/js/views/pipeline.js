import { h } from "../dom.js";
export function pipeline() { return { element: h("p", {}, "soon"), dispose() {} }; }
