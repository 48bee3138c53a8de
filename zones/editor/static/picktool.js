// Marks what is known of the ground: the corners of a rectangle of known size, or points known in metres.

import { s } from "./dom.js";
import { clampTo, distance, rounded } from "./geometry.js";
import { setAt } from "./store.js";
import { t } from "./words.js";

export class Pick {
  name = "pick";
  mode = null;
  corners = [];
  cursor = null;

  constructor(app) {
    this.app = app;
  }

  enter() {
    this.corners = [];
    this.cursor = null;
  }

  leaveTool() {
    this.mode = null;
    this.corners = [];
    this.app.ui.loupe = null;
  }

  get hint() {
    if (this.mode === "rectangle") return `hint.corner${this.corners.length + 1}`;
    return this.mode === "point" ? "hint.point" : null;
  }

  begin(mode) {
    this.mode = mode;
    this.corners = [];
    this.app.refreshHint();
    this.app.ask();
  }

  /** The marks of the file, each with the path of its place. */
  pins() {
    const calibration = this.app.store.doc.head.calibration ?? {};
    const sane = (at) => Array.isArray(at) && at.length === 2 && at.every(Number.isFinite);
    const corners = (Array.isArray(calibration.rectangle?.picture) ? calibration.rectangle.picture : []).map((at, n) => ({ at, path: ["calibration", "rectangle", "picture", n] }));
    const points = (Array.isArray(calibration.point) ? calibration.point : []).map((one, n) => ({ at: one?.picture, path: ["calibration", "point", n, "picture"] }));
    return [...corners, ...points].filter(({ at }) => sane(at));
  }

  down(told) {
    const near = this.pins().sort((a, b) => distance(a.at, told.point) - distance(b.at, told.point))[0];
    this.grab = !this.mode && near && distance(near.at, told.point) <= told.reach ? near : null;
    if (this.grab || this.mode) {
      this.#magnify(told);
      return true;
    }
    return false;
  }

  #settle(told) {
    return clampTo(rounded(told.point, Math.max(4, this.app.view.scale)), ...this.app.store.size);
  }

  #magnify(told) {
    if (told.touch) this.app.ui.loupe = { at: told.point, finger: told.screen };
  }

  move(told) {
    this.#magnify(told);
    if (!this.grab) return;
    const { store } = this.app;
    store.previewDoc({ ...store.doc, head: setAt(store.doc.head, this.grab.path, this.#settle(told)) });
  }

  up(told, moved) {
    this.app.ui.loupe = null;
    if (this.grab) {
      this.grab = null;
      if (moved) this.app.store.settle({ key: "did.movePin" });
      return;
    }
    this.#put(this.#settle(told));
  }

  cancel() {
    this.app.ui.loupe = null;
    this.grab = null;
    this.app.store.unsettle();
  }

  #put(point) {
    const { store } = this.app;
    if (this.mode === "point") {
      const points = Array.isArray(store.doc.head.calibration?.point) ? store.doc.head.calibration.point : [];
      const head = setAt(store.doc.head, ["calibration", "point"], [...points, { picture: point, ground: ["", ""] }]);
      this.mode = null;
      store.change({ key: "did.addPin", n: points.length + 1 }, { ...store.doc, head });
      this.app.focusGround(`calibration.point.${points.length}.ground`);
    } else if (this.mode === "rectangle") {
      this.corners = [...this.corners, point];
      this.app.say(t("say.cornerN", { n: this.corners.length }));
      if (this.corners.length === 4) {
        const known = store.doc.head.calibration?.rectangle ?? {};
        const rectangle = { width_m: "", length_m: "", ...known, picture: this.corners };
        this.mode = null;
        this.corners = [];
        store.change({ key: "did.setRectangle" }, { ...store.doc, head: setAt(store.doc.head, ["calibration", "rectangle"], rectangle) });
        this.app.focusGround("calibration.rectangle.width_m");
      }
    }
    this.app.refreshHint();
    this.app.ask();
  }

  hover(told) {
    this.app.where(told.point);
  }

  arrow(dx, dy, step) {
    const { store, view } = this.app;
    if (!this.mode) {
      view.pan(-dx * step * 6, -dy * step * 6);
      return;
    }
    const from = this.cursor ?? view.toPicture([view.width / 2, view.height / 2]).map(Math.round);
    this.cursor = clampTo([from[0] + dx * step, from[1] + dy * step], ...store.size);
    view.reveal(this.cursor);
    this.app.say(t("say.cursorAt", { x: this.cursor[0], y: this.cursor[1] }), true);
    this.app.ask();
  }

  space() {
    if (this.mode) this.#put(this.cursor ?? clampTo(this.app.view.toPicture([this.app.view.width / 2, this.app.view.height / 2]).map(Math.round), ...this.app.store.size));
  }

  back() {
    this.corners = this.corners.slice(0, -1);
    this.app.refreshHint();
    this.app.ask();
  }

  escape() {
    if (!this.mode) return false;
    this.begin(null);
    return true;
  }

  draw() {
    const { view } = this.app;
    const pins = this.pins();
    const ring = (list) => list.map((p) => view.toScreen(p));
    const parts = [];
    const rectangle = this.corners.length ? this.corners : pins.filter(({ path }) => path[1] === "rectangle").map(({ at }) => at);
    if (rectangle.length > 1) parts.push(s("polygon", { class: "pin-shape", points: ring(rectangle).map((p) => p.join(",")).join(" ") }));
    const all = [...pins.map(({ at }) => at), ...this.corners];
    for (const [n, at] of all.entries()) {
      const [x, y] = view.toScreen(at);
      parts.push(s("path", { class: "cursor", d: `M${x - 11} ${y}h22M${x} ${y - 11}v22` }), s("circle", { class: "pin", cx: x, cy: y, r: 7 }));
      parts.push(s("g", { class: "tag", transform: `translate(${x + 11} ${y - 25})` }, s("rect", { width: 24, height: 20, rx: 6 }), s("text", { x: 12, y: 10.500, "text-anchor": "middle", textContent: (n % Math.max(1, pins.length || 4)) + 1 })));
    }
    if (this.mode && this.cursor) {
      const [x, y] = view.toScreen(this.cursor);
      const d = `M${x - 14} ${y}h9M${x + 5} ${y}h9M${x} ${y - 14}v9M${x} ${y + 5}v9`;
      parts.push(s("path", { class: "cursor", d }), s("path", { class: "cursor-in", d }));
    }
    return parts;
  }
}
