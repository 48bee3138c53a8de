// Sends what waits on the phone. Runs in a page, or in the service worker when the browser says that the network is
// back; a lock keeps it to one of them, and the key of each item makes a repetition harmless even so.

import * as store from "./store.js";
import { REFUSED, judge, lanes, leftover } from "./outbox.js";

const SESSION = "/field/session";
const SUBMISSIONS = "/field/submissions";
const SESSION_MS = 10_000;
const PHOTO_MS = 90_000;

const channel = "BroadcastChannel" in self ? new BroadcastChannel("patrol-outbox") : null;

/** Hear of every change of the outbox, from other pages and the worker as well. */
export function listen(heard) {
  channel?.addEventListener("message", (event) => heard(event.data));
}

/** Tell other pages. */
export function tell(news) {
  channel?.postMessage(news);
}

/**
 * Send everything of the officer who is logged in.
 * Resolves with {state, waitMs}: "empty", "offline", "later", "log_in", "busy" (another page is at it).
 */
export function flush(heard = () => {}) {
  const report = (news) => {
    heard(news);
    tell(news);
  };
  if (!navigator.locks) return run(report);
  return navigator.locks.request("patrol-outbox", { ifAvailable: true }, (lock) =>
    lock ? run(report) : { state: "busy" },
  );
}

/** Who is logged in, with a fresh token and the centre's clock: {state: "ok", user, csrf, aheadMs}, or "offline", "log_in", "later". */
export async function session() {
  try {
    const asked = Date.now();
    const answer = await fetch(SESSION, options({}, SESSION_MS));
    const middle = (asked + Date.now()) / 2;
    if (answer.type === "opaqueredirect") return { state: "log_in" };
    const body = await json(answer);
    if (answer.status === 200 && body?.csrf) {
      return { state: "ok", user: body.user, csrf: body.csrf, aheadMs: Math.round(middle - body.now_ms) };
    }
    return { state: answer.status === 403 ? "log_in" : "later" };
  } catch {
    return { state: "offline" };
  }
}

/** A single form that nobody needs to be sure of, such as a position. */
export async function post(address, fields) {
  const who = await session();
  if (who.state !== "ok") return;
  const headers = { "X-CSRFToken": who.csrf, Accept: "application/json" };
  await fetch(address, options({ method: "POST", body: new URLSearchParams(fields), headers }, SESSION_MS));
}

async function run(report) {
  let who = await session();
  if (who.state !== "ok") return { state: who.state };
  let state = "empty";
  let waitMs = 0;
  for (const lane of lanes(await store.ofUser(who.user))) {
    for (const item of lane) {
      let judged;
      try {
        judged = await send(item, who);
        if (judged.verdict === "renew") {
          who = await session();
          if (who.state !== "ok") return { state: who.state };
          judged = who.user === item.user ? await send(item, who) : { verdict: "other_user" };
        }
      } catch {
        return { state: "offline" };
      }
      if (judged.verdict === "log_in" || judged.verdict === "other_user") return { state: "log_in" };
      if (judged.verdict === "later" || judged.verdict === "renew") {
        // What was done later on this task waits as well: a result never comes before its photos.
        state = "later";
        waitMs = Math.max(waitMs, judged.waitMs ?? 0);
        break;
      }
      if (judged.verdict === "done") await keepOrRemove(item, judged.body?.now_ms ?? Date.now() - who.aheadMs);
      else await store.put({ ...item, state: REFUSED, once: undefined, message: judged.message, code: judged.code });
      report({ verdict: judged.verdict, order: item.order, kind: item.kind, message: judged.message });
    }
  }
  return { state, waitMs };
}

async function keepOrRemove(item, now_ms) {
  const left = leftover(item, now_ms);
  if (left) await store.put(left);
  else await store.remove(item.seq);
}

async function send(item, who) {
  const form = new FormData();
  form.set("user", who.user);
  form.set("key", item.key);
  form.set("order", item.order);
  form.set("kind", item.kind);
  form.set("tapped_ms", item.tapped_ms);
  form.set("ahead_ms", who.aheadMs); // the phone's clock may be wrong
  for (const [name, value] of Object.entries(item.fields)) form.set(name, value);
  if (item.photo) form.set("photo", item.photo, item.name || "photo.jpg");
  const headers = { "X-CSRFToken": who.csrf, Accept: "application/json" };
  const answer = await fetch(SUBMISSIONS, options({ method: "POST", body: form, headers }, PHOTO_MS));
  return judge(
    {
      status: answer.status,
      redirected: answer.type === "opaqueredirect",
      body: await json(answer),
      retryAfterS: Number(answer.headers.get("Retry-After")) || 0,
    },
    item,
  );
}

function options(more, withinMs) {
  const within = "timeout" in AbortSignal ? { signal: AbortSignal.timeout(withinMs) } : {};
  return { redirect: "manual", credentials: "same-origin", cache: "no-store", ...within, ...more };
}

async function json(answer) {
  if (!(answer.headers.get("Content-Type") ?? "").startsWith("application/json")) return null;
  try {
    return await answer.json();
  } catch (error) {
    // A body that broke off is a network that broke off; anything else is not JSON of ours.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
