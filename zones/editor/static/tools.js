// The tools: choose and move, draw a polygon, draw a rectangle, place a trial vehicle.

import { s } from "./dom.js";
import { add, area, clampTo, contains, distance, edgesOf, middle, minus, movementWithin, nearestOn, rounded, snapped } from "./geometry.js";
import { ringOf } from "./store.js";
import { t } from "./words.js";

/** Rings of all zones but one, and the picture's size: what new points may catch on. */
function surroundings(app, without) {
  const [width, height] = app.store.size;
  const rings = app.store.doc.zones.filter((zone) => zone.uid !== without).map((zone) => ringOf(zone.data));
  return { rings, width, height };
}

/** Where a point goes: caught, rounded and kept in the picture. Sets the guides that are drawn. */
function settled(app, told, { without = null, anchors = [] } = {}) {
  const [width, height] = app.store.size;
  let point = told.point;
  app.ui.snapping = null;
  if (app.ui.snap && !told.alt) {
    const found = snapped(point, surroundings(app, without), anchors, told.snapReach);
    if (found.guides.length || found.dot) app.ui.snapping = found;
    point = found.point;
    if (found.dot) return clampTo(point, width, height);
  }
  return clampTo(rounded(point, app.view.scale), width, height);
}

const zoneName = (zone) => zone.data.id || zone.data.name || "?";

export class Select {
  name = "select";
  showsHandles = true;

  constructor(app) {
    this.app = app;
  }

  /** What is under a point: a vertex or the middle of an edge of the chosen zone, a zone, a vehicle. */
  #at({ point, reach }) {
    const { store, ui } = this.app;
    const chosen = store.zone();
    if (chosen) {
      const ring = ringOf(chosen.data);
      const near = (list) => {
        const found = list.map((p, n) => [distance(p, point), n]).sort((a, b) => a[0] - b[0])[0];
        return found && found[0] <= reach ? found[1] : null;
      };
      const vertex = near(ring);
      if (vertex !== null) return { zone: chosen, vertex };
      const edges = edgesOf(ring);
      const edge = near(edges.map(([a, b]) => (distance(a, b) * this.app.view.scale < 44 ? [Infinity, 0] : middle(a, b))));
      if (edge !== null) return { zone: chosen, edge };
    }
    if (ui.showVehicles && ui.tab === "vehicles") {
      const vehicle = this.app.vehicles().findLast(({ box }) => point[0] >= box[0] && point[0] <= box[2] && point[1] >= box[1] && point[1] <= box[3]);
      if (vehicle) return { vehicle };
    }
    const hit = store.doc.zones
      .filter((zone) => {
        const ring = ringOf(zone.data);
        return ring.length > 2 && (contains(ring, point) || edgesOf(ring).some(([a, b]) => distance(point, nearestOn(point, a, b)) <= reach / 2));
      })
      .sort((a, b) => (b.uid === store.chosen.uid) - (a.uid === store.chosen.uid) || area(ringOf(a.data)) - area(ringOf(b.data)));
    return hit.length ? { zone: hit[0], all: hit } : null;
  }

  down(told) {
    const { store } = this.app;
    const found = this.#at(told);
    this.grab = null;
    if (!found?.zone || found.zone.uid !== store.chosen.uid) return false;
    const ring = ringOf(found.zone.data);
    if (found.vertex !== undefined) {
      store.choose(found.zone.uid, found.vertex);
      this.grab = { uid: found.zone.uid, ring, vertex: found.vertex };
      this.#magnify(told, ring[found.vertex]);
      return true;
    }
    if (found.edge !== undefined) {
      const [a, b] = edgesOf(ring)[found.edge];
      const longer = [...ring.slice(0, found.edge + 1), rounded(middle(a, b), this.app.view.scale), ...ring.slice(found.edge + 1)];
      this.grab = { uid: found.zone.uid, ring: longer, vertex: found.edge + 1, fresh: true };
      return true;
    }
    this.grab = { uid: found.zone.uid, ring, whole: true, others: found.all };
    return true;
  }

  move(told, start) {
    const { store, ui } = this.app;
    const { uid, ring, vertex, whole } = this.grab;
    const [width, height] = store.size;
    if (whole) {
      const by = movementWithin(ring, rounded(minus(told.point, start.point), this.app.view.scale), width, height);
      store.preview(uid, (data) => ({ ...data, polygon: ring.map((p) => add(p, by)) }));
      return;
    }
    const last = ring.length - 1;
    const before = ring[vertex ? vertex - 1 : last];
    const after = ring[vertex < last ? vertex + 1 : 0];
    const grip = add(ring[vertex], minus(told.point, this.grab.fresh ? told.point : start.point));
    const point = settled(this.app, { ...told, point: this.grab.fresh ? told.point : grip }, {
      without: uid,
      anchors: [
        { from: before, before: ring[(vertex - 2 + ring.length) % ring.length] },
        { from: after, before: ring[(vertex + 2) % ring.length] },
      ],
    });
    store.preview(uid, (data) => ({ ...data, polygon: ring.with(vertex, point) }));
    if (store.chosen.vertex !== vertex) store.choose(uid, vertex);
    if (told.touch) ui.loupe = { at: point, finger: told.screen };
  }

  #magnify(told, at) {
    if (told.touch) this.app.ui.loupe = { at, finger: told.screen };
  }

  up(told, moved) {
    const { store, ui } = this.app;
    const { uid, vertex, whole, fresh } = this.grab;
    ui.loupe = ui.snapping = null;
    const zone = store.zone(uid);
    if (!moved) {
      if (fresh) this.app.addVertex(uid, vertex - 1);
      else if (whole) {
        // Another click goes through to the zone below.
        const others = this.grab.others;
        const next = others[(others.findIndex((one) => one.uid === uid) + 1) % others.length];
        store.choose(next.uid);
      }
      return;
    }
    const values = { id: zoneName(zone), n: vertex + 1 };
    store.settle({ key: whole ? "did.moveZone" : fresh ? "did.addVertex" : "did.moveVertex", ...values });
  }

  cancel() {
    this.app.ui.loupe = this.app.ui.snapping = null;
    this.app.store.unsettle();
  }

  tap(told) {
    const found = this.#at(told);
    const { store } = this.app;
    if (found?.vehicle) {
      this.app.chooseVehicle(found.vehicle.key);
      return;
    }
    store.choose(found?.zone?.uid ?? null);
  }

  hover(told) {
    const found = this.#at(told);
    const { ui, store } = this.app;
    const hover = found?.zone && found.vertex === undefined && found.zone.uid !== store.chosen.uid ? found.zone.uid : null;
    const grabs = Boolean(found?.zone && found.zone.uid === store.chosen.uid);
    this.app.stageClass("grab", grabs);
    this.app.where(told.point);
    if (ui.hover !== hover) {
      ui.hover = hover;
      this.app.ask();
    }
  }

  leave() {
    this.app.ui.hover = null;
    this.app.where(null);
    this.app.ask();
  }

  /** Arrow keys move the chosen vertex or zone, or else the picture. */
  arrow(dx, dy, step) {
    const { store, view } = this.app;
    const zone = store.zone();
    if (!zone) {
      view.pan(-dx * step * 6, -dy * step * 6);
      return;
    }
    const ring = ringOf(zone.data);
    const [width, height] = store.size;
    const { vertex } = store.chosen;
    const id = zoneName(zone);
    if (vertex === null) {
      const by = movementWithin(ring, [dx * step, dy * step], width, height);
      const moved = ring.map((p) => add(p, by));
      store.changeZone(zone.uid, { key: "did.moveZone", id }, (data) => ({ ...data, polygon: moved }), { merge: `nudge ${zone.uid}` });
      return;
    }
    const point = clampTo(add(ring[vertex], [dx * step, dy * step]), width, height);
    store.changeZone(zone.uid, { key: "did.moveVertex", id, n: vertex + 1 }, (data) => ({ ...data, polygon: ring.with(vertex, point) }), {
      merge: `nudge ${zone.uid} ${vertex}`,
    });
    view.reveal(point);
    this.app.say(t("say.vertexAt", { n: vertex + 1, x: point[0], y: point[1] }), true);
  }
}

/** Shared by what is drawn point by point: a cursor for the keyboard. */
class Drawing {
  cursor = null;

  constructor(app) {
    this.app = app;
  }

  enter() {
    this.cursor = null;
  }

  arrow(dx, dy, step) {
    const { store, view } = this.app;
    const [width, height] = store.size;
    this.cursor ??= this.start();
    this.cursor = clampTo(add(this.cursor.map(Math.round), [dx * step, dy * step]), width, height);
    view.reveal(this.cursor);
    this.app.say(t("say.cursorAt", { x: this.cursor[0], y: this.cursor[1] }), true);
    this.app.ask();
  }

  start() {
    const { view, store } = this.app;
    return clampTo(view.toPicture([view.width / 2, view.height / 2]).map(Math.round), ...store.size);
  }

  cross() {
    if (!this.cursor) return [];
    const [x, y] = this.app.view.toScreen(this.cursor);
    const d = `M${x - 14} ${y}h9M${x + 5} ${y}h9M${x} ${y - 14}v9M${x} ${y + 5}v9`;
    return [s("path", { class: "cursor", d }), s("path", { class: "cursor-in", d })];
  }

  leave() {
    this.hovered = null;
    this.app.where(null);
    this.app.ask();
  }
}

export class DrawPolygon extends Drawing {
  name = "polygon";
  points = [];
  hovered = null;

  leaveTool() {
    this.points = [];
    this.hovered = null;
    this.app.ui.snapping = this.app.ui.loupe = null;
  }

  #anchors() {
    const from = this.points.at(-1);
    const anchors = from ? [{ from, before: this.points.at(-2) }] : [];
    if (this.points.length > 2) anchors.push({ from: this.points[0], before: this.points[1] });
    return anchors;
  }

  down(told) {
    // A finger hides what is under it: the loupe shows it, and the point is set where the finger lifts.
    if (told.touch) this.move(told);
    return true;
  }

  move(told) {
    this.hovered = settled(this.app, told, { anchors: this.#anchors() });
    if (told.touch) this.app.ui.loupe = { at: this.hovered, finger: told.screen };
    this.app.where(this.hovered);
  }

  hover(told) {
    this.move(told);
    this.app.ask();
  }

  cancel() {
    this.app.ui.loupe = this.app.ui.snapping = null;
    this.hovered = null;
  }

  up(told) {
    this.cursor = null;
    const { ui, view } = this.app;
    const close = this.points.length > 2 && distance(told.point, this.points[0]) <= told.reach;
    const twice = this.last && told.time - this.last.time < 380 && distance(told.screen, this.last.screen) < 12;
    this.last = told;
    const point = settled(this.app, told, { anchors: this.#anchors() });
    ui.loupe = ui.snapping = null;
    this.hovered = null;
    if (close || (twice && this.points.length > 2)) this.finish();
    else if (!twice && !(this.points.length && distance(point, this.points.at(-1)) * view.scale < 2)) this.place(point);
  }

  place(point) {
    this.points = [...this.points, point];
    this.app.say(t("say.placed", { n: this.points.length, x: point[0], y: point[1] }));
    this.app.refreshHint();
    this.app.ask();
  }

  /** Space sets a point at the keyboard's cursor. */
  space() {
    this.cursor ??= this.start();
    const first = this.points[0];
    if (this.points.length > 2 && first[0] === this.cursor[0] && first[1] === this.cursor[1]) this.finish();
    else if (this.points.length && distance(this.points.at(-1), this.cursor) === 0) return;
    else this.place(this.cursor);
  }

  finish() {
    if (this.points.length < 3) {
      this.app.say(t("say.needThree"));
      return;
    }
    const points = this.points;
    this.points = [];
    this.last = null;
    this.app.createZone(points);
  }

  back() {
    if (!this.points.length) return;
    this.points = this.points.slice(0, -1);
    this.app.say(t("say.tookBack", { n: this.points.length }));
    this.app.refreshHint();
    this.app.ask();
  }

  escape() {
    if (!this.points.length) return false;
    this.points = [];
    this.app.say(t("say.discarded"));
    this.app.refreshHint();
    return true;
  }

  get hint() {
    return this.points.length > 2 ? "hint.polygonClose" : this.points.length ? "hint.polygonNext" : "hint.polygon";
  }

  draw() {
    const { view, ui } = this.app;
    const loose = this.cursor ?? this.hovered;
    const ring = [...this.points, ...(loose ? [loose] : [])].map((p) => view.toScreen(p));
    const d = ring.length ? `M${ring.map((p) => p.join(" ")).join("L")}${this.points.length > 2 ? "Z" : ""}` : "";
    const size = ui.coarse ? 9 : 6;
    const parts = [s("path", { class: "making-rim", d }), s("path", { class: "making", d })];
    for (const [n, point] of this.points.entries()) {
      const [cx, cy] = view.toScreen(point);
      parts.push(s("circle", { class: n === 0 && this.points.length > 2 ? "handle chosen" : "handle", cx, cy, r: n === 0 ? size + 2 : size }));
    }
    return [...parts, ...this.cross()];
  }
}

export class DrawRectangle extends Drawing {
  name = "rectangle";
  hint = "hint.rectangle";
  from = null;
  to = null;

  leaveTool() {
    this.from = this.to = null;
    this.app.ui.snapping = this.app.ui.loupe = null;
  }

  down(told) {
    this.from = this.to = settled(this.app, told);
    return true;
  }

  move(told) {
    this.to = settled(this.app, told);
    if (told.touch) this.app.ui.loupe = { at: this.to, finger: told.screen };
    this.app.where(this.to);
  }

  hover(told) {
    settled(this.app, told);
    this.app.where(told.point);
    this.app.ask();
  }

  up(told, moved) {
    this.app.ui.loupe = this.app.ui.snapping = null;
    if (moved) this.#make();
    else this.from = this.to = null;
  }

  cancel() {
    this.leaveTool();
  }

  space() {
    this.cursor ??= this.start();
    if (!this.from) {
      this.from = this.to = this.cursor;
      this.app.say(t("say.corner", { x: this.cursor[0], y: this.cursor[1] }));
    } else this.finish();
    this.app.ask();
  }

  arrow(dx, dy, step) {
    super.arrow(dx, dy, step);
    if (this.from) this.to = this.cursor;
  }

  finish() {
    if (this.from) this.#make();
  }

  back() {
    this.from = this.to = null;
    this.app.ask();
  }

  escape() {
    const busy = Boolean(this.from);
    this.back();
    return busy;
  }

  #make() {
    const [[ax, ay], [bx, by]] = [this.from, this.to];
    this.from = this.to = null;
    if (ax === bx || ay === by) return;
    const [l, r, u, d] = [Math.min(ax, bx), Math.max(ax, bx), Math.min(ay, by), Math.max(ay, by)];
    this.app.createZone([[l, u], [r, u], [r, d], [l, d]]);
  }

  draw() {
    if (!this.from) return this.cross();
    const { view } = this.app;
    const [[ax, ay], [bx, by]] = [view.toScreen(this.from), view.toScreen(this.to)];
    const d = `M${ax} ${ay}H${bx}V${by}H${ax}Z`;
    return [s("path", { class: "making-rim", d }), s("path", { class: "making", d }), ...this.cross()];
  }
}

/** A trial vehicle: a box that is put anywhere, to see what would be said of it. */
export class Probe extends Drawing {
  name = "probe";
  hint = "hint.probe";

  down(told) {
    const box = this.app.probe?.box;
    const corner = box && distance(told.point, box.slice(2)) <= told.reach;
    const inside = box && told.point[0] > box[0] && told.point[0] < box[2] && told.point[1] > box[1] && told.point[1] < box[3];
    this.grab = corner ? { corner: true, box } : inside ? { box } : null;
    return true;
  }

  move(told, start) {
    if (!this.grab) this.#put(told.point);
    else if (this.grab.corner) {
      const [l, u] = this.grab.box;
      this.app.setProbe([l, u, Math.max(l + 4, told.point[0]), Math.max(u + 4, told.point[1])].map((n) => Math.round(n)));
    } else {
      const [dx, dy] = minus(told.point, start.point).map(Math.round);
      const [l, u, r, d] = this.grab.box;
      this.app.setProbe([l + dx, u + dy, r + dx, d + dy]);
    }
  }

  up(told, moved) {
    if (!moved && !this.grab) this.#put(told.point);
    this.grab = null;
  }

  hover(told) {
    this.app.where(told.point);
  }

  space() {
    this.cursor ??= this.start();
    this.#put(this.cursor);
  }

  arrow(dx, dy, step) {
    const box = this.app.probe?.box;
    if (!box) {
      super.arrow(dx, dy, step);
      return;
    }
    this.app.setProbe([box[0] + dx * step, box[1] + dy * step, box[2] + dx * step, box[3] + dy * step]);
    this.app.view.reveal([(box[0] + box[2]) / 2, box[3]]);
  }

  /** The wheels stand where the finger is; as large as the vehicle before, or as its neighbours. */
  #put([x, y]) {
    const [w, hgt] = this.app.probeSize(y);
    this.app.setProbe([x - w / 2, y - hgt, x + w / 2, y].map((n) => Math.round(n)));
  }

  draw() {
    const box = this.app.probe?.box;
    if (!box) return this.cross();
    const [cx, cy] = this.app.view.toScreen(box.slice(2));
    return [s("circle", { class: "handle", cx, cy, r: this.app.ui.coarse ? 9 : 6 })];
  }
}
