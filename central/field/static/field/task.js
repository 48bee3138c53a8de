// One task: its forms go through the outbox, and the page shows at once where the task stands for its officer.

import { act, changed, notice, say, user, watch } from "./core.js";
import { step } from "./outbox.js";
import * as store from "./store.js";
import { shrink } from "./photo.js";

let page = null;
let before = Promise.resolve();

/** One thing after the other: a result never overtakes a photo that is still being made smaller. */
function inTurn(work) {
  before = before.then(work, work);
  return before;
}

export function startTask() {
  page = document.querySelector("[data-order]");
  if (!page) return;
  for (const form of page.querySelectorAll("form[data-kind]")) form.addEventListener("submit", submit);
  for (const input of page.querySelectorAll("input[data-photo]")) {
    input.addEventListener("change", takePhotos);
  }
  document.body.addEventListener("htmx:afterSwap", () => changed());
  document.body.addEventListener("patrol-sent", () => window.htmx?.trigger("#live", "field-sent"));
  watch(show);
  navigator.serviceWorker?.addEventListener("controllerchange", keep);
  keep();
}

/** This page and its pictures, in case the list had no time to have them kept. */
function keep() {
  const pictures = [...page.querySelectorAll(".swipe a.shot")].map((shot) => new URL(shot.href).pathname);
  const pages = [{ url: window.location.pathname, stamp: "" }];
  navigator.serviceWorker?.controller?.postMessage({ type: "keep-too", user: String(user), pages, pictures });
}

const about = () => ({ order: Number(page.dataset.order), place: page.dataset.place });

async function submit(event) {
  event.preventDefault();
  const form = event.currentTarget;
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  try {
    const given = new FormData(form);
    const fields = {};
    for (const name of ["result", "note", "reason"]) if (given.get(name)) fields[name] = given.get(name);
    const kept = await inTurn(() => act({ ...about(), kind: form.dataset.kind, fields }));
    if (kept && form.dataset.kind === "note") form.reset();
    if (kept && form.dataset.kind !== "accept") window.scrollTo({ top: 0 });
  } finally {
    delete form.dataset.busy;
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
}

function takePhotos(event) {
  const input = event.currentTarget;
  const files = [...input.files]; // once it is their turn, the next photos may stand there
  return inTurn(() => keepPhotos(input, files));
}

async function keepPhotos(input, files) {
  const status = page.querySelector("[data-photo-status]");
  status.textContent = say("shrinking");
  try {
    for (const file of files) {
      if (file.type && !file.type.startsWith("image/")) {
        notice(say("not_a_photo"), "warning");
        continue;
      }
      const photo = await shrink(file);
      const kept = await act({ ...about(), kind: "photo", photo, name: photo === file ? file.name : "photo.jpg" });
      if (!kept) return; // the reason is shown, and the input still holds the photos
    }
    if (files.every((file, at) => file === input.files[at])) input.value = "";
  } finally {
    status.textContent = "";
  }
}

/** Which part is shown: what the server said last, overtaken by what waits on this phone or was taken since. */
async function show(items) {
  const order = Number(page.dataset.order);
  const ours = items.filter((item) => item.order === order);
  const taken = [];
  for (const item of (await store.taken(user)).filter((each) => each.order === order)) {
    const live = page.querySelector("[data-state]");
    if (live && item.taken_ms <= Number(live.dataset.said)) await store.remove(item.seq);
    else taken.push(item);
  }
  const live = page.querySelector("[data-state]");
  if (!live) return;
  const isMine = live.dataset.mine === "1" || taken.some((item) => item.kind === "accept");
  const now = step(live.dataset.state, isMine, [...taken, ...ours]);
  const note = page.querySelector("[data-kind=outcome] textarea");
  const later = page.querySelector("[data-kind=note] textarea");
  if (now === "over" && note?.value && later && !later.value && !ours.some((item) => item.kind === "outcome")) {
    later.value = note.value; // what was being written when the task ended is not lost
  }
  for (const part of page.querySelectorAll("[data-step]")) {
    const over = part.dataset.step === "over" && !isMine && !later?.value && !ours.length;
    part.hidden = part.dataset.step !== now || over;
  }
  page.querySelector("[data-waits]").hidden = !ours.some((item) => item.state === "waiting");
}
