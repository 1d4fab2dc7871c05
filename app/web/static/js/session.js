// Who looks at the page: what a sign-in may see, and the way to sign in again when it has ended.

import { get, onAnswer } from "./api.js";

const UNAUTHORIZED = 401;

/** {name, scope: staff | organization, organizationId, canSignOut}; staff where the worker cannot say. */
export async function session() {
  try {
    return await get("/session");
  } catch (failure) {
    if (failure.status === undefined) throw failure;
    return { name: "", scope: "staff", canSignOut: false };
  }
}

/** Lead to the sign-in, and from there back to this view, as soon as the worker asks for a token. */
export function signInWhenAsked() {
  let isLeaving = false;
  onAnswer((failure) => {
    if (failure?.status !== UNAUTHORIZED || isLeaving) return;
    isLeaving = true;
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  });
}

/** Show who is signed in, with the button that ends it, in the form of the header. */
export function showSession(form, { name, canSignOut }) {
  form.hidden = !canSignOut;
  form.querySelector("button").title = `Signed in as ${name}`;
}
