import { h } from "../dom.js";
export function events() { return { element: h("p", {}, "soon"), dispose() {} }; }
