// The service worker: the officer's list, open tasks and their pictures without a network, for this officer alone.
//
// The centre puts `const RELEASE = {version, shell, offline}` in front. Another release is another script and new caches.
// Whose pages are kept stands in a cache of its own; a log-out, a log-in page or another officer empties everything.
// What waits to be sent lies in IndexedDB and is not touched here, only sent.

import { makeItem, uuid } from "./outbox.js";
import { flush, tell } from "./sender.js";
import * as store from "./store.js";

const SHELL = `patrol-shell-${RELEASE.version}`;
const KEPT = `patrol-kept-${RELEASE.version}`;
const WHO = "patrol-who";
const WHO_KEY = "/who";
const USER = "X-Patrol-User";
const STAMP = "X-Patrol-Stamp";

const LIST = "/officer/";
const TASK = /^\/officer\/\d+\/$/;
const PICTURE = /^\/cases\/\d+\/(pictures|thumbnails)\/[0-9a-f]{64}\.jpg$/;
const FORM = /^\/officer\/(\d+)\/(accept|decline|close|note|photos)\/$/;
const KINDS = { accept: "accept", decline: "decline", close: "outcome", note: "note" };
const LOGIN = /^\/login\//;
const PATIENCE_MS = 5000;
const KEPT_PAGES = 24;
const KEPT_PICTURES = 72;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(SHELL);
      // Without cookies: what is kept for everybody must not name anybody.
      await cache.addAll(
        [...RELEASE.shell, RELEASE.offline].map((url) => new Request(url, { cache: "reload", credentials: "omit" })),
      );
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith("patrol-") && ![SHELL, KEPT, WHO].includes(name)) await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "POST" && url.pathname === "/logout/") {
    event.waitUntil(forget());
    return;
  }
  if (request.method === "POST" && request.mode === "navigate" && FORM.test(url.pathname)) {
    event.respondWith(form(request, url));
    return;
  }
  if (request.method !== "GET") return;
  if (request.mode === "navigate") event.respondWith(navigate(request, url, event));
  else if (url.pathname.startsWith("/static/")) event.respondWith(shell(request));
  else if (PICTURE.test(url.pathname)) event.respondWith(picture(request));
});

self.addEventListener("message", (event) => {
  const message = event.data ?? {};
  if (message.type === "keep") event.waitUntil(keep(message));
  if (message.type === "keep-too") event.waitUntil(keep(message, false));
  if (message.type === "forget") event.waitUntil(forget());
});

self.addEventListener("sync", (event) => {
  if (event.tag !== "patrol-outbox") return;
  event.waitUntil(
    flush().then(({ state }) => {
      // A rejected promise asks the browser to come again later.
      if (state === "offline" || state === "later") throw new Error(state);
    }),
  );
});

async function navigate(request, url, event) {
  const name = url.pathname === "/start/" || url.pathname === "/" ? LIST : url.pathname;
  const keeps = name === LIST || TASK.test(name);
  const known = keeps ? await mine(name) : undefined;
  let answer;
  try {
    answer = await within(fetch(request), known ? PATIENCE_MS : 0);
  } catch {
    return known ?? (await caches.match(RELEASE.offline)) ?? Response.error();
  }
  // A proxy whose centre is away; what was there before says more.
  if ([502, 503, 504].includes(answer.status) && known) return known;
  if (LOGIN.test(url.pathname) && answer.ok) event.waitUntil(forget()); // asked to log in: nobody is there
  const user = answer.headers.get(USER);
  if (answer.ok && user && keeps && name === url.pathname) {
    const copy = answer.clone();
    event.waitUntil(
      (async () => {
        await become(user);
        await (await caches.open(KEPT)).put(name, copy);
      })(),
    );
  }
  return answer;
}

/** A plain form, pressed before the page's script was there. Without a network it waits in the outbox like all else. */
async function form(request, url) {
  const copy = request.clone();
  try {
    return await fetch(request);
  } catch {
    const user = Number(await who());
    const [, order, step] = FORM.exec(url.pathname);
    if (user) await keepForm(await copy.formData(), user, Number(order), step);
    return Response.redirect(`/officer/${order}/`, 303);
  }
}

async function keepForm(given, user, order, step) {
  const fields = {};
  for (const name of ["result", "note", "reason"]) if (given.get(name)) fields[name] = given.get(name);
  const random = () => crypto.getRandomValues(new Uint8Array(16));
  const common = { user, order, place: `#${order}`, now: Date.now() };
  // The form's own keys: the centre may have taken it and only its answer was lost.
  const key = given.get("key") || uuid(random());
  const items =
    step === "photos"
      ? await Promise.all(
          given.getAll("photo").map(async (photo, number) => ({
            ...makeItem({ ...common, kind: "photo", photo, name: photo.name, random: random() }),
            key: await keyWithin(key, String(number)),
          })),
        )
      : [{ ...makeItem({ ...common, kind: KINDS[step], fields, random: random() }), key }];
  for (const item of items) {
    try {
      await store.add(item);
    } catch (error) {
      if (error?.name !== "ConstraintError") throw error; // it waits already
    }
  }
  tell({ verdict: "kept", order });
}

/** The version 5 UUID of a name within a UUID (RFC 9562), as the centre makes it for the photos of one form. */
async function keyWithin(space, name) {
  const head = space.replaceAll("-", "").match(/../g).map((pair) => parseInt(pair, 16));
  const hash = await crypto.subtle.digest("SHA-1", Uint8Array.from([...head, ...new TextEncoder().encode(name)]));
  const bytes = new Uint8Array(hash).slice(0, 16);
  return uuid(bytes).replace(/^(.{14})4/, "$15");
}

async function shell(request) {
  return (await caches.match(request, { cacheName: SHELL })) ?? fetch(request);
}

async function picture(request) {
  const here = Boolean(await who());
  const kept = async (url) => (here ? caches.match(url, { cacheName: KEPT, ignoreVary: true }) : undefined);
  const known = await kept(request.url);
  if (known) return known;
  try {
    return await fetch(request);
  } catch {
    // Of tasks that are nobody's yet only the small pictures are kept.
    return (await kept(request.url.replace("/pictures/", "/thumbnails/"))) ?? Response.error();
  }
}

/** Keep these pages and pictures of this officer, and no others. A page whose stamp is unchanged is not asked for again. */
async function keep({ user, pages, pictures }, andNoOthers = true) {
  await become(user);
  const cache = await caches.open(KEPT);
  const wanted = new Map(pages.slice(0, KEPT_PAGES).map((page) => [page.url, page.stamp]));
  const shown = new Set(pictures.slice(0, KEPT_PICTURES));
  for (const request of andNoOthers ? await cache.keys() : []) {
    const { pathname } = new URL(request.url);
    if (pathname !== LIST && !wanted.has(pathname) && !shown.has(pathname)) await cache.delete(request);
  }
  for (const [url, stamp] of wanted) {
    const known = await cache.match(url);
    if (known?.headers.get(STAMP) === stamp) continue;
    const answer = await asked(url);
    if (!answer) return; // no network, or no session: the rest would fail as well
    if (!answer.ok || answer.headers.get(USER) !== user || (await who()) !== user) continue;
    const headers = new Headers(answer.headers);
    headers.set(STAMP, stamp);
    await cache.put(url, new Response(await answer.blob(), { status: 200, headers }));
  }
  for (const url of shown) {
    if (await cache.match(url)) continue;
    const answer = await asked(url);
    if (!answer) return;
    if (answer.ok && (await who()) === user) await cache.put(url, answer);
  }
}

async function asked(url) {
  try {
    const answer = await fetch(url, { credentials: "same-origin", redirect: "manual" });
    return answer.type === "opaqueredirect" ? null : answer;
  } catch {
    return null;
  }
}

/** The kept page, if it is kept for the officer who is here. */
async function mine(name) {
  const user = await who();
  if (!user) return undefined;
  const kept = await caches.match(name, { cacheName: KEPT, ignoreVary: true });
  return kept?.headers.get(USER) === user ? kept : undefined;
}

async function who() {
  const known = await caches.match(WHO_KEY, { cacheName: WHO });
  return known ? known.text() : "";
}

/** This officer is here; what was kept for another goes first. */
async function become(user) {
  const before = await who();
  if (before === user) return;
  if (before) await forget();
  await (await caches.open(WHO)).put(WHO_KEY, new Response(user));
}

async function forget() {
  await caches.delete(WHO);
  for (const name of await caches.keys()) if (name.startsWith("patrol-kept-")) await caches.delete(name);
}

function within(promise, limitMs) {
  if (!limitMs) return promise;
  return Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error("too slow")), limitMs)),
  ]);
}
