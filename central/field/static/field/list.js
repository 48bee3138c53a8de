// The list: by deadline or by distance, what waits on the phone marked, and what a tunnel needs kept beforehand.

import { changed, notice, say, user, watch } from "./core.js";
import { post } from "./sender.js";

const EARTH_M = 6_371_008.8;
const BY_DISTANCE = "patrol-by-distance";

const AGAIN_MS = 120_000;

let position = null;
let list = null;

export function startList() {
  list = document.getElementById("tasks");
  if (!list) return;
  document.querySelector("[data-sort=distance]")?.addEventListener("click", byDistance);
  document.querySelector("[data-sort=deadline]")?.addEventListener("click", byDeadline);
  document.body.addEventListener("htmx:afterSwap", refresh);
  document.body.addEventListener("patrol-sent", () => window.htmx?.trigger("#tasks", "field-sent"));
  navigator.serviceWorker?.addEventListener("controllerchange", keep);
  watch(marks);
  setInterval(countDown, 1000);
  setInterval(() => position && document.visibilityState === "visible" && byDistance(), AGAIN_MS);
  refresh();
  // Asked for once by a tap, the phone may go on telling within this visit; it is never asked on its own.
  if (sessionStorage.getItem(BY_DISTANCE)) byDistance();
}

function refresh() {
  sort();
  countDown();
  badge();
  keep();
  changed();
}

function byDistance() {
  if (!navigator.geolocation) return notice(say("no_position"), "warning");
  navigator.geolocation.getCurrentPosition(
    ({ coords, timestamp }) => {
      position = { latitude: coords.latitude, longitude: coords.longitude };
      sessionStorage.setItem(BY_DISTANCE, "1");
      sort();
      tellDispatch(coords, timestamp);
    },
    () => {
      byDeadline();
      notice(say("no_position"), "warning");
    },
    { enableHighAccuracy: false, maximumAge: 60_000, timeout: 10_000 },
  );
}

/** Whoever is on duty may be nearest to a task; off duty the centre keeps nothing. Lost without a network: it grows old. */
function tellDispatch({ longitude, latitude, accuracy }, atMs) {
  const fields = { longitude, latitude, accuracy_m: accuracy, at_ms: Math.round(atMs) };
  post("/dispatch/position/", fields).catch(() => {});
}

function byDeadline() {
  position = null;
  sessionStorage.removeItem(BY_DISTANCE);
  sort();
}

/** Metres on the ground between two WGS-84 points (haversine; a street is short and the earth round). */
export function metres(from, to) {
  const rad = Math.PI / 180;
  const north = ((to.latitude - from.latitude) * rad) / 2;
  const east = ((to.longitude - from.longitude) * rad) / 2;
  const part =
    Math.sin(north) ** 2 + Math.cos(from.latitude * rad) * Math.cos(to.latitude * rad) * Math.sin(east) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(part)));
}

function sort() {
  for (const group of list.querySelectorAll("[data-group]")) {
    const jobs = [...group.querySelectorAll(".job")];
    for (const job of jobs) {
      const { lat, lon } = job.dataset;
      const far = position && lat ? metres(position, { latitude: Number(lat), longitude: Number(lon) }) : null;
      job.metres = far;
      const shown = job.querySelector("[data-far]");
      shown.textContent = far === null ? "" : distance(far);
      shown.hidden = far === null;
    }
    const due = (job) => Number(job.dataset.due);
    const order = position
      ? (a, b) => (a.metres ?? EARTH_M) - (b.metres ?? EARTH_M) || due(a) - due(b)
      : (a, b) => due(a) - due(b);
    const sorted = [...jobs].sort(order);
    if (sorted.some((job, at) => job !== jobs[at])) for (const job of sorted) job.parentNode.append(job);
  }
  for (const button of document.querySelectorAll("[data-sort]")) {
    button.setAttribute("aria-pressed", String((button.dataset.sort === "distance") === Boolean(position)));
  }
}

function distance(far) {
  if (far < 995) return say("metres", { count: Math.max(10, Math.round(far / 10) * 10) });
  return say("kilometres", { count: (far / 1000).toFixed(far < 9950 ? 1 : 0) });
}

/** Offers that end by themselves. */
function countDown() {
  for (const shown of list.querySelectorAll("[data-ends]")) {
    const left = Math.max(0, Math.round((Number(shown.dataset.ends) - Date.now()) / 1000));
    const digits = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    const text = left ? say("left", { time: digits }) : say("over");
    if (shown.textContent !== text) shown.textContent = text;
  }
}

function badge() {
  const count = list.querySelectorAll("[data-group=mine] .job, [data-group=offers] .job").length;
  document.title = document.title.replace(/^(\(\d+\) )?/, count ? `(${count}) ` : "");
  if (count) navigator.setAppBadge?.(count).catch(() => {});
  else navigator.clearAppBadge?.().catch(() => {});
}

/** Give the service worker what this officer needs in a tunnel. */
function keep() {
  const worker = navigator.serviceWorker?.controller;
  if (!worker) return;
  const jobs = [...list.querySelectorAll(".job")];
  const pages = jobs.map((job) => ({ url: new URL(job.href).pathname, stamp: job.dataset.stamp }));
  const whole = { url: window.location.pathname, stamp: digest(pages.map((page) => page.url + page.stamp).join(" ")) };
  const pictures = jobs.flatMap((job) => (job.dataset.pictures ?? "").split(" ").filter(Boolean));
  worker.postMessage({ type: "keep", user: String(user), pages: [whole, ...pages], pictures });
}

function digest(text) {
  let sum = 5381;
  for (let at = 0; at < text.length; at += 1) sum = (sum * 33 + text.charCodeAt(at)) >>> 0;
  return `${text.length}-${sum}`;
}

function marks(items) {
  for (const job of list.querySelectorAll(".job")) {
    const order = Number(job.dataset.job);
    const ours = items.filter((item) => item.order === order);
    const mark = job.querySelector("[data-waits]");
    mark.hidden = !ours.length;
    mark.classList.toggle("refused", ours.some((item) => item.state === "refused"));
  }
}
