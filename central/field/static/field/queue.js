// What waits on this phone, always in sight: a bar that says how much, and a list with each item and the centre's reasons.

import { changed, discard, say, send } from "./core.js";
import { preview } from "./photo.js";

const icons = { waiting: "…", refused: "!" };

/** Draw the bar and the list anew. */
export async function showQueue(items, line) {
  const bar = document.getElementById("field-queue");
  if (!bar) return;
  const waiting = items.filter((item) => item.state === "waiting");
  const refused = items.filter((item) => item.state === "refused");
  bar.hidden = !items.length;
  bar.classList.toggle("refused", refused.length > 0);
  if (!items.length) return;
  bar.querySelector("[data-say]").textContent = sentence(waiting.length, refused.length, line);
  const button = bar.querySelector("[data-try]");
  button.hidden = !waiting.length;
  button.textContent = line === "log_in" ? say("log_in_button") : say("try_now");
  button.onclick = () => {
    if (line === "log_in") window.location.assign(`/login/?next=${encodeURIComponent(window.location.pathname)}`);
    else send(true);
  };
  const list = bar.querySelector("ul");
  const known = new Map([...list.children].map((row) => [row.dataset.seq, row]));
  list.replaceChildren(...(await Promise.all(items.map((item) => known.get(mark(item)) ?? row(item)))));
}

function sentence(waiting, refused, line) {
  if (refused) return refused === 1 ? say("refused_one") : say("refused_many", { count: refused });
  if (line === "log_in") return say("log_in");
  return waiting === 1 ? say("waiting_one") : say("waiting_many", { count: waiting });
}

/** Which row shows which item in which state. */
const mark = (item) => `${item.seq}-${item.state}`;

async function row(item) {
  const row = document.createElement("li");
  row.dataset.seq = mark(item);
  row.className = item.state;
  if (item.photo) {
    const small = await preview(item.photo, 120);
    if (small) {
      small.setAttribute("role", "img");
      small.setAttribute("aria-label", say("photo"));
      row.append(small);
    }
  }
  const text = document.createElement("p");
  const title = document.createElement("b");
  title.textContent = `${icons[item.state]} ${say(item.kind)}`;
  const place = document.createElement("span");
  place.textContent = `${item.place} · ${clock(item.tapped_ms)}`;
  text.append(title, place);
  if (item.fields.note || item.fields.reason) {
    const note = document.createElement("q");
    note.textContent = item.fields.note || item.fields.reason;
    text.append(note);
  }
  if (item.message) {
    const why = document.createElement("strong");
    why.textContent = item.message;
    text.append(why);
  }
  row.append(text);
  const tools = document.createElement("div");
  if (item.photo && item.state === "refused") tools.append(button(say("save_photo"), () => savePhoto(item)));
  if (item.state === "refused") tools.append(button(say("understood"), () => discard(item.seq)));
  else {
    tools.append(
      button(say("discard"), async () => {
        if (confirm(say("discard_sure"))) await discard(item.seq);
        await changed();
      }),
    );
  }
  row.append(tools);
  return row;
}

function button(text, pressed) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "small-button";
  made.textContent = text;
  made.addEventListener("click", pressed);
  return made;
}

function savePhoto(item) {
  const address = URL.createObjectURL(item.photo);
  const link = document.createElement("a");
  link.href = address;
  link.download = `${new Date(item.tapped_ms).toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hour12: false });
}
