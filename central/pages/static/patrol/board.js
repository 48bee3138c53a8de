// The command centre: the panel beside the list, the keyboard, filters that follow the address, the wall display.
(function () {
  "use strict";
  const centre = document.querySelector(".centre");
  const panel = document.getElementById("panel");
  const desk = window.matchMedia("(min-width: 1024px)");
  const wall = document.body.classList.contains("wall");
  const TURN_MS = 20000;
  let chosen = 0;

  const links = () => [...document.querySelectorAll(".row .cover")];
  const numberOf = (link) => Number(link.id.slice(5));
  const map = () => window.patrolMap;

  function mark() {
    for (const row of document.querySelectorAll(".row")) row.classList.toggle("picked", row.id === "case-" + chosen);
  }

  function remember() {
    const address = new URL(window.location.href);
    if (chosen) address.searchParams.set("case", String(chosen));
    else address.searchParams.delete("case");
    window.history.replaceState(window.history.state, "", address);
  }

  function open(id) {
    chosen = id;
    mark();
    remember();
    panel.hidden = false;
    panel.setAttribute("aria-busy", "true");
    const address = document.querySelector(".map[data-case]").dataset.case.replace("/0/", "/" + id + "/");
    window.htmx.ajax("GET", address, { target: "#panel", swap: "innerHTML" }).then(function () {
      panel.removeAttribute("aria-busy");
      panel.scrollTop = 0;
    });
    if (map()) map().choose(id);
  }

  function shut() {
    if (!chosen) return false;
    const back = document.getElementById("open-" + chosen);
    chosen = 0;
    panel.hidden = true;
    panel.replaceChildren();
    mark();
    remember();
    if (map()) map().choose(0);
    if (back) back.focus({ preventScroll: true });
    return true;
  }

  document.addEventListener("patrol:show", function (event) {
    if (!desk.matches || wall) return;
    event.preventDefault();
    open(event.detail.id);
  });

  document.addEventListener("click", function (event) {
    if (event.target.closest("#shut")) {
      shut();
      return;
    }
    if (event.target.closest("#help")) {
      document.getElementById("keys").showModal();
      return;
    }
    const link = event.target.closest(".row .cover");
    if (!link || !desk.matches || wall) return;
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(numberOf(link));
  });

  // The keyboard. Letters are left alone while somebody writes.
  function writes(target) {
    return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
  }

  function step(by) {
    const all = links();
    if (!all.length) return;
    const here = all.findIndex((link) => link === document.activeElement || (document.activeElement === document.body && numberOf(link) === chosen));
    const next = all[Math.max(0, Math.min(all.length - 1, here < 0 ? 0 : here + by))];
    next.focus();
    next.closest(".row").scrollIntoView({ block: "nearest" });
    if (chosen && desk.matches) open(numberOf(next));
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      if (document.querySelector("dialog[open], details.menu[open]")) return;
      if (writes(event.target)) event.target.blur();
      else if (!shut() && wall) document.getElementById("wall-link").click();
      return;
    }
    if (writes(event.target) || document.querySelector("dialog[open]")) return;
    const does = {
      j: () => step(1),
      k: () => step(-1),
      "/": () => document.getElementById("q").focus(),
      "?": () => document.getElementById("keys").showModal(),
      w: () => document.getElementById("wall-link").click(),
      o: function () {
        const link = links().find((each) => each === document.activeElement) || document.getElementById("open-" + chosen);
        if (link) window.location.assign(link.href);
      },
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });

  // The form follows the address, whichever link changed it.
  function follow() {
    const given = new URLSearchParams(window.location.search);
    for (const field of document.querySelectorAll("#filters [name]")) {
      if (field === document.activeElement) continue;
      const value = given.get(field.name) || { show: "all", sort: "urgency" }[field.name] || "";
      if (field.tagName === "SELECT" && value && ![...field.options].some((option) => option.value === value)) {
        field.add(new Option(value, value));
      }
      field.value = value;
    }
  }
  document.addEventListener("htmx:pushedIntoHistory", function () {
    follow();
    remember();
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.id !== "board") return;
    mark();
    dressWall();
    const listing = document.querySelector(".listing");
    if (map() && listing) map().load(listing.dataset.map);
  });

  // The wall display turns its pages only when somebody has asked for it.
  let turning = false;
  function dressWall() {
    const box = document.querySelector("#turn input");
    if (box) box.checked = turning;
  }
  document.addEventListener("change", function (event) {
    if (event.target.closest("#turn")) turning = event.target.checked;
  });
  if (wall) {
    setInterval(function () {
      if (!turning) return;
      const listing = document.querySelector(".listing");
      const older = document.getElementById("older");
      const first = new URLSearchParams(listing.dataset.address);
      first.delete("before");
      const next = (older ? new URL(older.href).search : "?" + first) + "&wall=1";
      window.htmx.ajax("GET", window.location.pathname + next, { target: "#board", swap: "innerHTML" });
    }, TURN_MS);
    document.addEventListener("click", function (event) {
      if (event.target.closest("#full") && document.fullscreenEnabled) {
        if (document.fullscreenElement) document.exitFullscreen();
        else document.documentElement.requestFullscreen();
      }
    });
  }
  dressWall();

  const named = new URLSearchParams(window.location.search).get("case");
  if (named && !panel.hidden) {
    chosen = Number(named);
    mark();
    if (!desk.matches) window.location.replace(document.querySelector(".map[data-case]").dataset.case.replace("/0/", "/" + chosen + "/"));
  } else if (centre) follow();
})();
