// Drawing: a polygon point by point, a rectangle by two corners, and a trial vehicle.

import { s } from "./dom.js";
import { add, clampTo, distance, minus } from "./geometry.js";
import { settled } from "./select.js";
import { t } from "./words.js";

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
