// Choosing and moving zones, vertices and edges; and where a hand-placed point goes.

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
export function settled(app, told, { without = null, anchors = [] } = {}) {
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
