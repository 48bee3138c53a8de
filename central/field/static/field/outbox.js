// What the outbox decides: what an item looks like, in which order items go, what an answer means. Pure.

export const WAITING = "waiting";
export const REFUSED = "refused";
export const TAKEN = "taken";

const ONCE = new Set(["accept", "decline", "outcome"]);
const FINAL = new Set([400, 404, 409, 413, 422]);
const LONGEST_WAIT_MS = 60_000;

/** A new item. `random` gives 16 random bytes. */
export function makeItem({ user, order, place, kind, fields = {}, photo = null, name = "", now, random }) {
  const item = { key: uuid(random), user, order, place, kind, fields, photo, name, tapped_ms: now, state: WAITING };
  if (ONCE.has(kind)) item.once = `${user}:${order}:${kind === "decline" ? "accept" : kind}`;
  return item;
}

/** A version 4 UUID of 16 random bytes. `crypto.randomUUID` is missing where pages come by plain HTTP. */
export function uuid(random) {
  const bytes = Uint8Array.from(random);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * What stays of an item that the centre has taken at `now_ms` of its own clock: the network may go before the page hears
 * of it, and a page from the phone's memory must not offer again what is done. Null: nothing needs to stay.
 */
export function leftover(item, now_ms) {
  if (!item.once) return null;
  return { ...item, state: TAKEN, taken_ms: now_ms, once: undefined, photo: null };
}

/** What waits, one list a task, each in the order in which it was done. */
export function lanes(items) {
  const found = new Map();
  for (const item of items) {
    if (item.state !== WAITING) continue;
    if (!found.has(item.order)) found.set(item.order, []);
    found.get(item.order).push(item);
  }
  return [...found.values()];
}

/**
 * What an answer means for an item: "done", "refused" (final, with the centre's words), "log_in", "renew" (the form's
 * token has expired), "other_user", or "later". `answer` is {status, redirected, body, retryAfterS}; body is null where it was no
 * JSON of ours: a proxy's page or a hotel's log-in is never taken for an answer.
 */
export function judge(answer, item) {
  if (answer.redirected || answer.status === 401) return { verdict: "log_in" };
  const body = answer.body;
  if (answer.status === 200 && body?.key === item.key) return { verdict: "done", message: body.message, body };
  if (answer.status === 403) return { verdict: body?.code === "other_user" ? "other_user" : "renew" };
  if (FINAL.has(answer.status) && body?.code) {
    return { verdict: "refused", message: body.message, code: body.code, body };
  }
  return { verdict: "later", waitMs: (answer.retryAfterS || 0) * 1000 };
}

/** How long to wait before the n-th further try: doubling, with chance, so that phones leaving one tunnel spread. */
export function backoffMs(tries, chance) {
  const longest = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** Math.min(tries, 10));
  return Math.round(longest / 2 + (longest / 2) * chance);
}

/**
 * Where a task stands for its officer: the server's word, overtaken by what waits on the phone or was taken since.
 * "offer" may be accepted, "work" may be photographed and closed, "over" neither.
 */
export function step(state, mine, items) {
  const done = (kind) => items.some((item) => item.kind === kind && item.state !== REFUSED);
  if (state === "closed" || state === "retracted" || done("outcome") || done("decline")) return "over";
  if (state === "accepted" && !mine) return "over";
  if (state === "accepted" || done("accept")) return "work";
  return "offer";
}
