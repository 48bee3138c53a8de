// What all parts of the officer's pages share: words, the outbox of this officer, sending, and who wants to know of it.

import * as store from "./store.js";
import { backoffMs, makeItem } from "./outbox.js";
import { flush, tell } from "./sender.js";

const root = document.getElementById("field");
const words = JSON.parse(root.dataset.words);
export const user = Number(root.dataset.user);

let timer = 0;
let tries = 0;
let line = "empty";
const watchers = [];

/** A sentence of the page's language, with its places filled. */
export function say(name, places = {}) {
  return (words[name] ?? name).replace(/\{(\w+)\}/g, (whole, place) => places[place] ?? whole);
}

export function mine() {
  return store.ofUser(user);
}

/** Keep an action and send it as soon as possible; resolves once it is safe on this phone. */
export async function act({ order, place, kind, fields, photo, name }) {
  const random = crypto.getRandomValues(new Uint8Array(16));
  const item = makeItem({ user, order, place, kind, fields, photo, name, now: Date.now(), random });
  try {
    item.seq = await store.add(item);
  } catch (error) {
    if (error?.name === "ConstraintError") notice(say("twice"), "warning");
    else if (error?.name === "QuotaExceededError") notice(say("no_space"), "error");
    else notice(say("no_store"), "error");
    return null;
  }
  navigator.storage?.persist?.();
  askForSync();
  await changed();
  tell({ verdict: "kept", order, kind });
  send(true);
  return item;
}

/** Show a sentence until the next one; read out by screen readers. */
export function notice(text, kind = "success") {
  const place = document.getElementById("field-notice");
  const note = document.createElement("p");
  note.className = `note ${kind}`;
  note.textContent = text;
  place.replaceChildren(note);
}

/** Call `look(items, line)` now and whenever the outbox changes. */
export function watch(look) {
  watchers.push(look);
}

let drawing = Promise.resolve();

/** Draw everything anew, one drawing after the other. */
export function changed() {
  drawing = drawing.then(draw, draw);
  return drawing;
}

async function draw() {
  const items = await mine();
  for (const look of watchers) await look(items, line);
}

/** Try to send. `anew` forgets how often it failed: something has happened that may have helped. */
export async function send(anew = false) {
  clearTimeout(timer);
  if (anew) tries = 0;
  const { state, waitMs = 0 } = await flush(heard);
  line = state;
  const left = (await mine()).some((item) => item.state === "waiting");
  await changed();
  if ((left || state === "offline") && state !== "log_in") {
    const soon = state === "busy" || state === "empty"; // somebody else sends, or something came meanwhile
    if (!soon) tries += 1;
    timer = setTimeout(send, soon ? 1000 : Math.max(waitMs, backoffMs(tries, Math.random())));
  }
}

export async function discard(seq) {
  await store.remove(seq);
  tell({ verdict: "discarded" });
  await changed();
}

/** Say what became of something, and show it. */
export function heard(news) {
  if (news.verdict === "done") notice(news.message);
  if (news.verdict === "refused") notice(news.message, "warning");
  changed();
  askTheServer();
}

/** A page from the phone's memory says how old it is. */
export function showAge(_items, state) {
  const shown = document.getElementById("field-old");
  const time = new Date(Number(root.dataset.now)).toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
  shown.hidden = state !== "offline";
  if (!shown.hidden) shown.textContent = say("old_page", { time });
}

/** Let the living parts of the page look again, because something of ours has reached the centre. */
export function askTheServer() {
  document.body.dispatchEvent(new CustomEvent("patrol-sent"));
}

async function askForSync() {
  try {
    const registration = await navigator.serviceWorker?.ready;
    await registration?.sync?.register("patrol-outbox");
  } catch {
    // The browser may refuse; then the page itself tries again.
  }
}
