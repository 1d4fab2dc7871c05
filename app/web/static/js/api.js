// Questions to the worker that served this page. Answers are JSON; failures carry the worker's own sentence.

const ANSWER_MS = 15_000;

/** An answer other than success; `status` 0 means that no answer came. */
export class ApiFailure extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** True while the worker says that its figures are not complete yet. */
  get isRecovering() {
    return this.status === 503 && this.code === "recovering";
  }

  /** True if the same question may be answered soon. */
  get isPassing() {
    return this.status === 503 || this.status === 504;
  }
}

/** Parameters as a query string: undefined, null and "" are left out, lists repeat the name. */
export function queryString(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "" && each !== false) query.append(name, String(each));
    }
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

const listeners = new Set();

/** Call `listener` with a failure, or with null and the worker's time after a success. */
export function onAnswer(listener) {
  listeners.add(listener);
}

function tell(failure, at) {
  for (const listener of listeners) listener(failure, at);
}

async function failureOf(response) {
  let error = {};
  try {
    error = (await response.json()).error ?? {};
  } catch {
    // Not the worker's own shape, so something between us answered: the status says all there is.
  }
  return new ApiFailure(response.status, error.code ?? "unknown", error.message ?? `the worker answered ${response.status}`);
}

let open = 0;
const waiting = [];

/** Return as soon as no question is under way. */
export function whenQuiet() {
  return open ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
}

/** The JSON answer to a GET below /api/v1. Throws ApiFailure, or AbortError when `signal` ends it. */
export async function get(path, parameters, signal) {
  open += 1;
  try {
    return await answer(path, parameters, signal);
  } finally {
    open -= 1;
    if (!open) for (const resolve of waiting.splice(0)) resolve();
  }
}

async function answer(path, parameters, signal) {
  const limit = AbortSignal.timeout(ANSWER_MS);
  let response;
  try {
    response = await fetch(`/api/v1${path}${queryString(parameters)}`, {
      headers: { Accept: "application/json" },
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const failure = new ApiFailure(0, "unreachable", "the worker does not answer");
    tell(failure);
    throw failure;
  }
  if (!response.ok) {
    const failure = await failureOf(response);
    tell(failure);
    throw failure;
  }
  tell(null, Date.parse(response.headers.get("Date") ?? ""));
  return response.json();
}
