import { h } from "../dom.js";
export function artifacts() { return { element: h("p", {}, "soon"), dispose() {} }; }
