// Draws the picture, the zones and everything over them. The world is in pixels of the picture; what must keep its
// size on the screen - handles, names, vehicles - is drawn over it in pixels of the screen.

import { replace, s, set } from "./dom.js";
import { area, bounds, edgesOf, innerPoint, middle } from "./geometry.js";
import { ringOf } from "./store.js";
import { t, valueWords } from "./words.js";

const path = (ring) => (ring.length ? `M${ring.map((p) => p.join(" ")).join("L")}Z` : "");
const points = (ring) => ring.map((p) => p.join(",")).join(" ");
const inner = new WeakMap();

function labelPoint(zone, ring) {
  if (!inner.has(zone.data)) inner.set(zone.data, innerPoint(ring));
  return inner.get(zone.data);
}

const wide = (text) => [...text].reduce((sum, letter) => sum + (letter.codePointAt(0) > 0x2e7f ? 12.8 : 7.3), 0);

/** A short text on a dark plate, so that it can be read on any picture. */
export function tag(text, [x, y], classes = "", anchor = "middle") {
  const width = wide(text) + 22;
  const left = anchor === "middle" ? x - width / 2 : x;
  return s(
    "g",
    { class: `tag ${classes}`, transform: `translate(${left.toFixed(1)} ${(y - 11).toFixed(1)})` },
    s("rect", { width, height: 22, rx: 6 }),
    s("path", { class: "stripe", d: "M0 6a6 6 0 0 1 5-6v22a6 6 0 0 1-5-6z" }),
    s("text", { x: 10, y: 11.500, textContent: text }),
  );
}

export class Stage {
  constructor(svg, loupe, app) {
    this.svg = svg;
    this.loupe = loupe;
    this.app = app;
    this.zones = new Map();
    this.image = s("image", { x: 0, y: 0, preserveAspectRatio: "none" });
    this.sheet = s("rect", { class: "sheet" });
    this.sheetGrid = s("path", { class: "sheet-grid" });
    this.clip = s("rect");
    this.grid = s("g", { class: "ground-grid", "clip-path": "url(#picture-clip)" });
    this.zoneLayer = s("g");
    this.frame = s("rect", { class: "frame" });
    this.world = s("g", { id: "world" }, this.sheet, this.sheetGrid, this.image, this.grid, this.zoneLayer, this.frame);
    this.over = s("g", { id: "over" });
    svg.append(s("defs", {}, s("clipPath", { id: "picture-clip" }, this.clip)), this.world, this.over);
    this.lens = s("g", {}, s("use", { href: "#world" }));
    const cross = "M66 48v14M66 70v14M48 66h14M70 66h14";
    loupe.append(this.lens, s("path", { class: "cross", d: cross }), s("path", { class: "cross-in", d: cross }));
    this.waiting = false;
    new ResizeObserver(() => this.measure()).observe(svg);
    this.measure();
  }

  measure() {
    const box = this.svg.getBoundingClientRect();
    this.app.view.resize(box.width, box.height);
  }

  /** Draw at the next occasion. */
  ask() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const { store, view, ui, shot } = this.app;
    const [w, h] = store.size;
    set(this.world, "transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
    for (const rect of [this.sheet, this.frame, this.clip]) {
      set(rect, "width", w);
      set(rect, "height", h);
    }
    this.#drawPicture(shot, w, h, view.scale);
    this.#drawGrid();
    this.#drawZones();
    const parts = [];
    if (ui.showVehicles) parts.push(...this.#vehicles());
    parts.push(...this.#tags());
    if (ui.tool.showsHandles) parts.push(...this.#handles());
    parts.push(...(ui.tool.draw?.() ?? []), ...this.#guides());
    replace(this.over, parts);
    this.#drawLoupe();
  }

  #drawPicture(shot, w, h, scale) {
    if (shot) {
      set(this.image, "width", w);
      set(this.image, "height", h);
      set(this.image, "href", `api/shot/${shot.number}`);
      set(this.image, "class", scale * (w / shot.width) >= 3 ? "crisp" : "");
      this.sheetGrid.removeAttribute("d");
      return;
    }
    this.image.removeAttribute("href");
    let lines = "";
    const step = 10 ** Math.floor(Math.log10(Math.max(w, h) / 4));
    for (let x = step; x < w; x += step) lines += `M${x} 0V${h}`;
    for (let y = step; y < h; y += step) lines += `M0 ${y}H${w}`;
    set(this.sheetGrid, "d", lines);
  }

  #drawGrid() {
    const { ground, ui } = this.app;
    const lines = ui.showGrid || ui.tab === "ground" ? (ground?.grid ?? []) : [];
    if (this.drawnGrid === lines) return;
    this.drawnGrid = lines;
    replace(this.grid, [s("path", { class: "grid-line", d: lines.map((line) => `M${line.map((p) => p.join(" ")).join("L")}`).join("") })]);
  }

  #drawZones() {
    const { store, judgement } = this.app;
    const order = [];
    for (const [number, zone] of store.doc.zones.entries()) {
      let group = this.zones.get(zone.uid);
      if (!group) {
        group = s("g", {}, s("path", { class: "rim" }), s("path", { class: "face" }));
        this.zones.set(zone.uid, group);
      }
      const bad = judgement.faults.some((fault) => fault.zone === number);
      const chosen = zone.uid === store.chosen.uid;
      const hover = zone.uid === this.app.ui.hover;
      const kind = typeof zone.data.kind === "string" ? zone.data.kind.replace(/[^a-z_]/g, "") : "no_parking";
      set(group, "class", `zone kind-${kind}${chosen ? " chosen" : ""}${bad ? " bad" : ""}${hover ? " hover" : ""}`);
      const ring = ringOf(zone.data);
      const d = path(ring);
      for (const line of group.children) set(line, "d", d);
      order.push([area(ring), group]);
    }
    // Small zones lie on large ones, so that a bay on a pavement keeps its colour.
    order.sort((a, b) => b[0] - a[0]);
    const groups = order.map(([, group]) => group);
    for (const [uid] of this.zones) if (store.number(uid) < 0) this.zones.delete(uid);
    replace(this.zoneLayer, [...groups, this.#badEdges()]);
  }

  #badEdges() {
    const { store, judgement } = this.app;
    const lines = judgement.faults.flatMap((fault) => {
      const zone = store.doc.zones[fault.zone];
      if (!zone || fault.vertices.length < 4) return [];
      const edges = edgesOf(ringOf(zone.data));
      return fault.vertices
        .filter((n) => fault.vertices.includes((n + 1) % edges.length) && edges[n])
        .map((n) => `M${edges[n][0].join(" ")}L${edges[n][1].join(" ")}`);
    });
    return lines.length ? s("path", { class: "bad-edge", d: lines.join("") }) : null;
  }

  #tags() {
    const { store, view, ui } = this.app;
    return store.doc.zones.flatMap((zone) => {
      const ring = ringOf(zone.data);
      if (ring.length < 3) return [];
      // Where the handles need the room, the list names the zone.
      const [left, , right] = bounds(ring);
      if (zone.uid === store.chosen.uid && ui.tool.showsHandles && (right - left) * view.scale < 220) return [];
      const at = view.toScreen(labelPoint(zone, ring));
      const kind = zone.data.kind ?? "no_parking";
      const text = `${zone.data.id ?? "?"} · ${valueWords(kind)}`;
      return [tag(text, at, `kind-${kind}`)];
    });
  }

  #handles() {
    const { store, view, judgement } = this.app;
    const zone = store.zone();
    if (!zone) return [];
    const ring = ringOf(zone.data).map((p) => view.toScreen(p));
    const number = store.number(zone.uid);
    const bad = new Set(judgement.faults.filter((f) => f.zone === number).flatMap((f) => f.vertices));
    const size = this.app.ui.coarse ? 9 : 6;
    const parts = [];
    for (const [a, b] of edgesOf(ring)) {
      if (Math.hypot(a[0] - b[0], a[1] - b[1]) < 44) continue;
      const [x, y] = middle(a, b);
      parts.push(s("circle", { class: "mid", cx: x, cy: y, r: size - 1 }));
      parts.push(s("path", { class: "mid-plus", d: `M${x - 3} ${y}h6M${x} ${y - 3}v6` }));
    }
    for (const [n, [x, y]] of ring.entries()) {
      const chosen = n === store.chosen.vertex;
      parts.push(s("circle", { class: `handle${chosen ? " chosen" : ""}${bad.has(n) ? " bad" : ""}`, cx: x, cy: y, r: chosen ? size + 2 : size }));
    }
    if (store.chosen.vertex !== null && ring[store.chosen.vertex]) {
      const [x, y] = ring[store.chosen.vertex];
      parts.push(tag(t("vertex.n", { n: store.chosen.vertex + 1 }), [x + 12, y - 20], "", "start"));
    }
    return parts;
  }

  #guides() {
    const { view, ui } = this.app;
    const snap = ui.snapping;
    if (!snap) return [];
    const parts = snap.guides.map(([a, b]) => {
      const [p, q] = [view.toScreen(a), view.toScreen(b)];
      return s("path", { class: "guide", d: `M${p.join(" ")}L${q.join(" ")}` });
    });
    if (snap.dot) {
      const [cx, cy] = view.toScreen(snap.dot);
      parts.push(s("circle", { class: "guide-dot", cx, cy, r: 9 }));
    }
    return parts;
  }

  #vehicles() {
    const { view, verdicts, ui } = this.app;
    const parts = [];
    for (const vehicle of this.app.vehicles()) {
      const verdict = verdicts.get(vehicle.key);
      const [a, b] = [view.toScreen(vehicle.box.slice(0, 2)), view.toScreen(vehicle.box.slice(2))];
      const stands = verdict?.inside ? " stands" : "";
      const size = { x: a[0], y: a[1], width: Math.max(0, b[0] - a[0]), height: Math.max(0, b[1] - a[1]) };
      const mark = s("g", { class: `vehicle-mark${vehicle.key === ui.vehicle ? " chosen" : ""}` });
      if (verdict) mark.append(s("polygon", { class: `foot${stands}`, points: points(verdict.footprint.map((p) => view.toScreen(p))) }));
      mark.append(s("rect", { class: "vehicle-rim", rx: 3, ...size }), s("rect", { class: `vehicle-box${stands}`, rx: 3, ...size }));
      if (verdict && (verdict.ratio > 0 || vehicle.key === ui.vehicle || vehicle.key === "probe")) {
        const share = verdict.zone ? ` ${Math.round(verdict.ratio * 100)}% ${verdict.zone}` : "";
        mark.append(tag(`${valueWords(vehicle.label)}${share}`, [a[0], a[1] - 13], stands, "start"));
      }
      parts.push(mark);
    }
    return parts;
  }

  #drawLoupe() {
    const { ui, view } = this.app;
    if (!ui.loupe) {
      this.loupe.toggleAttribute("hidden", true);
      return;
    }
    const [x, y] = view.toScreen(ui.loupe.at);
    set(this.lens, "transform", `translate(66 66) scale(2.5) translate(${-x} ${-y})`);
    // Above the finger, or beside it where there is no room.
    const [fx, fy] = ui.loupe.finger;
    const above = fy > 190;
    const left = above ? fx - 66 : fx > view.width / 2 ? fx - 190 : fx + 58;
    this.loupe.style.left = `${Math.min(view.width - 138, Math.max(6, left))}px`;
    this.loupe.style.top = `${Math.max(6, above ? fy - 184 : fy - 66)}px`;
    this.loupe.toggleAttribute("hidden", false);
  }
}
