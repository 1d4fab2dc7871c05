// The questions of this page to the API, one function each; all take (parameters, signal).

import { get } from "./api.js";

const LISTS = new Set(["active", "failed", "stuck"]);

/** One segment of a path; an id that reads like a list's name is told from it by its encoding. */
export function segment(text) {
  if (LISTS.has(text)) return `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`;
  return encodeURIComponent(text);
}

export const realtime = (parameters, signal) => get("/metrics/realtime", parameters, signal);
export const history = (parameters, signal) => get("/metrics/history", parameters, signal);
export const minutes = (parameters, signal) => get("/minutes", parameters, signal);
export const overview = (parameters, signal) => get("/overview", parameters, signal);
export const stages = (parameters, signal) => get("/stages", parameters, signal);
export const stageErrors = ({ stage, ...rest }, signal) => get(`/stages/${segment(stage)}/errors`, rest, signal);
export const organizations = (parameters, signal) => get("/organizations", parameters, signal);
export const funnel = (parameters, signal) => get("/funnel", parameters, signal);
export const confidence = (parameters, signal) => get("/confidence", parameters, signal);
export const channels = (parameters, signal) => get("/channels", parameters, signal);
export const events = (parameters, signal) => get("/events", parameters, signal);
export const artifacts = (parameters, signal) => get("/artifacts", parameters, signal);
export const active = (parameters, signal) => get("/artifacts/active", parameters, signal);
export const failed = (parameters, signal) => get("/artifacts/failed", parameters, signal);
export const stuck = (parameters, signal) => get("/artifacts/stuck", parameters, signal);
export const artifact = ({ id }, signal) => get(`/artifacts/${segment(id)}`, {}, signal);
export const timeline = ({ id }, signal) => get(`/artifacts/${segment(id)}/timeline`, {}, signal);
export const retries = ({ id }, signal) => get(`/artifacts/${segment(id)}/retries`, {}, signal);
