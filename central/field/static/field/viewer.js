// Pictures over the whole screen: two fingers zoom, one moves, a swipe shows the next. Without it a tap opens the file.

import { say } from "./core.js";

const LARGEST = 8;
const DOUBLE_TAP_MS = 300;
const SWIPE_PX = 60;

let dialog = null;
let image = null;
let shots = [];
let current = 0;
let view = { scale: 1, x: 0, y: 0 };
let lastTap = 0;
let swiped = 0;
const fingers = new Map();

export function startViewer() {
  shots = [...document.querySelectorAll("a.shot")];
  if (!shots.length || !("HTMLDialogElement" in window)) return;
  build();
  document.addEventListener("click", (event) => {
    const shot = event.target.closest?.("a.shot");
    if (!shot || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    shots = [...document.querySelectorAll("a.shot")];
    open(shots.indexOf(shot));
  });
}

function build() {
  dialog = document.createElement("dialog");
  dialog.className = "viewer";
  image = document.createElement("img");
  const close = control("×", say("close"), () => dialog.close());
  close.className = "viewer-close";
  const before = control("‹", "", () => turn(-1));
  const after = control("›", "", () => turn(1));
  before.className = "viewer-before";
  after.className = "viewer-after";
  const caption = document.createElement("p");
  caption.className = "viewer-caption";
  const stage = document.createElement("div");
  stage.className = "viewer-stage";
  stage.append(image);
  dialog.append(stage, close, before, after, caption);
  document.body.append(dialog);
  stage.addEventListener("pointerdown", down);
  stage.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, up);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX, event.clientY);
  });
  dialog.addEventListener("keydown", (event) => {
    const middle = [window.innerWidth / 2, window.innerHeight / 2];
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
    if (event.key === "+") zoom(1.5, ...middle);
    if (event.key === "-") zoom(1 / 1.5, ...middle);
  });
}

function control(text, label, pressed) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", pressed);
  return button;
}

function open(number) {
  current = number;
  show();
  if (!dialog.open) dialog.showModal();
}

function show() {
  const shot = shots[current];
  const places = (number) => ({ number: number + 1, count: shots.length });
  image.src = shot.href;
  image.alt = shot.querySelector("img")?.alt ?? "";
  dialog.setAttribute("aria-label", image.alt);
  dialog.querySelector(".viewer-caption").textContent = `${image.alt} · ${say("picture_of", places(current))}`;
  const neighbour = (name, by) => {
    const button = dialog.querySelector(name);
    button.hidden = !shots[current + by];
    button.setAttribute("aria-label", say("picture_of", places(current + by)));
  };
  neighbour(".viewer-before", -1);
  neighbour(".viewer-after", 1);
  view = { scale: 1, x: 0, y: 0 };
  apply();
}

function turn(by) {
  if (!shots[current + by]) return;
  current += by;
  show();
}

function apply() {
  image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
}

/** Zoom so that the point under the fingers stays there. The picture's origin is the middle of the stage. */
function zoom(by, x, y) {
  const scale = Math.min(LARGEST, Math.max(1, view.scale * by));
  const ratio = scale / view.scale;
  const fromMiddle = { x: x - window.innerWidth / 2, y: y - window.innerHeight / 2 };
  view.x = fromMiddle.x - (fromMiddle.x - view.x) * ratio;
  view.y = fromMiddle.y - (fromMiddle.y - view.y) * ratio;
  view.scale = scale;
  if (scale === 1) view = { scale: 1, x: 0, y: 0 };
  apply();
}

function down(event) {
  event.currentTarget.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  swiped = 0;
  if (fingers.size === 1) {
    if (event.timeStamp - lastTap < DOUBLE_TAP_MS) zoom(view.scale > 1 ? 0 : 3, event.clientX, event.clientY);
    lastTap = event.timeStamp;
  }
}

function move(event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = { x: event.clientX, y: event.clientY };
  if (fingers.size === 2) {
    const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)[1];
    const span = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
    zoom(span(now) / span(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else if (view.scale > 1) {
    view.x += now.x - before.x;
    view.y += now.y - before.y;
    apply();
  } else {
    swiped += now.x - before.x;
  }
  fingers.set(event.pointerId, now);
}

function up(event) {
  fingers.delete(event.pointerId);
  if (view.scale === 1 && Math.abs(swiped) > SWIPE_PX) turn(swiped < 0 ? 1 : -1);
  swiped = 0;
}
