// What the pages do beyond plain HTML: clocks that run, forms that are sent once, a word when the line is lost.
(function () {
  "use strict";
  const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const words = {
    zh: { now: "不到 1 分钟", min: (m) => m + " 分钟", hour: (h, m) => h + " 小时 " + m + " 分钟", day: (d) => d + " 天", long: (d, h) => d + " 天 " + h + " 小时" },
    en: { now: "under a minute", min: (m) => m + " min", hour: (h, m) => h + " h " + m + " min", day: (d) => d + " days", long: (d, h) => d + " d " + h + " h" },
  }[language];

  function duration(ms) {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return words.now;
    if (minutes < 60) return words.min(minutes);
    if (minutes < 2880) return words.hour(Math.floor(minutes / 60), minutes % 60);
    return words.day(Math.floor(minutes / 1440));
  }

  // The server's clock counts, not this machine's. An answer tells it late by its journey, so the largest lead is nearest.
  let lead = null;
  function hear(at) {
    const heard = at - Date.now();
    if (!Number.isFinite(heard)) return;
    // A jump means that this machine's clock was set: what was known is worth nothing then.
    if (lead === null || heard > lead || heard < lead - 5000) lead = heard;
  }
  const now = () => Date.now() + (lead || 0);
  window.patrol = { now, hear, clock };

  function clock(left) {
    const sign = left < 0 ? "+" : "";
    const seconds = Math.floor(Math.abs(left) / 1000);
    const two = (n) => String(n).padStart(2, "0");
    if (seconds >= 86400) return sign + words.long(Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24);
    const hours = Math.floor(seconds / 3600);
    const rest = two(Math.floor(seconds / 60) % 60) + ":" + two(seconds % 60);
    return sign + (hours ? hours + ":" + rest : rest);
  }

  const SOON = 600000;
  const STATES = ["u-late", "u-soon", "u-calm"];
  function tick() {
    const at = now();
    for (const time of document.querySelectorAll("time[data-due]")) {
      const left = Number(time.dataset.due) - at;
      const text = clock(left);
      if (time.textContent !== text) time.textContent = text;
      const holder = time.closest(".u-late, .u-soon, .u-calm");
      const state = left <= 0 ? "u-late" : left <= SOON ? "u-soon" : "u-calm";
      if (holder && !holder.classList.contains(state)) {
        holder.classList.remove(...STATES);
        holder.classList.add(state);
      }
    }
  }

  function hearPage() {
    for (const part of document.querySelectorAll("[data-now]")) hear(Number(part.dataset.now));
  }

  function refreshAges() {
    const now = Date.now() + (lead || 0);
    for (const time of document.querySelectorAll("time[data-age]")) {
      const text = duration(Math.abs(now - Number(time.dataset.age)));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !("once" in form.dataset)) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });

  // Back from the browser's cache: the form may be sent again.
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  });

  function line(isLost) {
    const banner = document.getElementById("offline");
    if (banner) banner.hidden = !isLost;
  }

  let lost;
  document.addEventListener("htmx:sseError", function () {
    clearTimeout(lost);
    lost = setTimeout(line, 2500, true);
  });
  document.addEventListener("htmx:sseOpen", function () {
    clearTimeout(lost);
    line(false);
  });
  document.addEventListener("htmx:sendError", () => line(true));
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful) line(false);
    // The session has ended: the answer was the log-in page, so show it as a page.
    const answered = event.detail.xhr && event.detail.xhr.responseURL;
    if (answered && new URL(answered).pathname.startsWith("/login/")) window.location.reload();
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    const answered = event.detail.xhr.responseURL;
    if (answered && new URL(answered).pathname.startsWith("/login/")) event.detail.shouldSwap = false;
  });

  // A part of a page that one writes in waits with what is new until the form is shut or sent; a refusal stands in its place.
  const writing = (slot) => slot.querySelector("details[open] form") !== null;
  // What was done is still read when the change that it made comes back as news.
  const READ_MS = 15000;
  const said = new WeakMap();
  document.addEventListener("htmx:beforeSwap", function (event) {
    const slot = event.detail.target;
    if (!slot.classList.contains("slot")) return;
    const asked = event.detail.requestConfig.verb;
    if (asked === "get" && writing(slot)) {
      event.detail.shouldSwap = false;
      slot.dataset.behind = "1";
    } else {
      if (event.detail.xhr.getResponseHeader("X-Patrol-Part")) event.detail.shouldSwap = true;
      if (event.detail.shouldSwap) delete slot.dataset.behind;
      const done = asked === "get" ? slot.querySelector(".note.success") : null;
      const focused = done !== null && document.activeElement === done;
      if (done && (focused || Date.now() - Number(done.dataset.at) < READ_MS)) {
        said.set(slot, { done, focused, heading: done.previousElementSibling.id });
      }
    }
  });
  document.addEventListener("toggle", function (event) {
    const slot = event.target.closest && event.target.closest(".slot");
    if (slot && "behind" in slot.dataset && !writing(slot)) window.htmx.trigger(slot, "written");
  }, true);
  document.addEventListener("htmx:afterSwap", function (event) {
    const slot = event.detail.target;
    const kept = said.get(slot);
    said.delete(slot);
    const heading = kept && document.getElementById(kept.heading);
    if (heading) {
      heading.after(kept.done);
      if (kept.focused) kept.done.focus({ preventScroll: true });
    }
    for (const done of slot.querySelectorAll(".slot .note.success:not([data-at])")) done.dataset.at = String(Date.now());
    for (const part of event.detail.elt.querySelectorAll("[data-now]")) hear(Number(part.dataset.now));
    refreshAges();
    tick();
  });
  hearPage();
  tick();
  setInterval(refreshAges, 10000);
  setInterval(tick, 1000);

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
  // A menu closes when one looks elsewhere, and by Escape.
  document.addEventListener("click", function (event) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
