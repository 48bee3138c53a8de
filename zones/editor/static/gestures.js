// From pointers to meaning: one finger or the mouse works with the tool, two fingers, space or the middle button
// move the picture, wheel and pinch change its size.

const STILL = { mouse: 3, pen: 4, touch: 9 };

export class Gestures {
  constructor(svg, app) {
    this.svg = svg;
    this.app = app;
    this.pointers = new Map();
    this.drag = null;
    this.space = false;
    this.spaceUsed = false;
    svg.addEventListener("pointerdown", (e) => this.#down(e));
    svg.addEventListener("pointermove", (e) => this.#move(e));
    svg.addEventListener("pointerup", (e) => this.#up(e));
    svg.addEventListener("pointercancel", (e) => this.#cancel(e));
    svg.addEventListener("pointerleave", () => app.ui.tool.leave?.());
    svg.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
    svg.addEventListener("contextmenu", (e) => e.preventDefault());
  }

  /** What a tool needs to know of a pointer. */
  #told(e) {
    const box = this.svg.getBoundingClientRect();
    const screen = [e.clientX - box.left, e.clientY - box.top];
    const touch = e.pointerType === "touch";
    return {
      screen,
      point: this.app.view.toPicture(screen),
      touch,
      alt: e.altKey,
      reach: (touch ? 24 : 10) / this.app.view.scale,
      snapReach: (touch ? 14 : 9) / this.app.view.scale,
      time: e.timeStamp,
    };
  }

  #down(e) {
    if (e.pointerType === "mouse" && e.button !== 0 && e.button !== 1) return;
    this.svg.focus({ preventScroll: true });
    this.svg.setPointerCapture(e.pointerId);
    const told = this.#told(e);
    this.pointers.set(e.pointerId, told.screen);
    this.app.ui.coarse = told.touch;
    if (this.pointers.size === 2) {
      if (this.drag?.claimed) this.app.ui.tool.cancel?.();
      this.drag = { pinch: true };
      return;
    }
    if (this.pointers.size > 2) return;
    const pans = this.space || e.button === 1;
    this.spaceUsed ||= this.space;
    this.drag = { id: e.pointerId, start: told, last: told.screen, moved: false, still: STILL[e.pointerType] ?? 4, pans };
    if (!pans) this.drag.claimed = Boolean(this.app.ui.tool.down?.(told));
    if (e.button === 1) e.preventDefault();
    this.app.ask();
  }

  #move(e) {
    const told = this.#told(e);
    if (!this.pointers.has(e.pointerId)) {
      if (e.pointerType !== "touch") this.app.ui.tool.hover?.(told);
      return;
    }
    const before = this.pointers.get(e.pointerId);
    if (this.drag?.pinch) {
      this.#pinch(e.pointerId, before, told.screen);
      return;
    }
    this.pointers.set(e.pointerId, told.screen);
    const drag = this.drag;
    if (!drag || drag.id !== e.pointerId) return;
    const [dx, dy] = [told.screen[0] - drag.start.screen[0], told.screen[1] - drag.start.screen[1]];
    if (!drag.moved && Math.hypot(dx, dy) < drag.still) return;
    drag.moved = true;
    if (drag.claimed) this.app.ui.tool.move?.(told, drag.start);
    else {
      this.svg.classList.add("panning");
      this.app.view.pan(told.screen[0] - drag.last[0], told.screen[1] - drag.last[1]);
    }
    drag.last = told.screen;
    this.app.ask();
  }

  #pinch(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    this.pointers.set(id, now);
    if (!other) return;
    const span = (p) => Math.max(12, Math.hypot(p[0] - other[0], p[1] - other[1]));
    const centre = (p) => [(p[0] + other[0]) / 2, (p[1] + other[1]) / 2];
    const [from, to] = [centre(before), centre(now)];
    this.app.view.pan(to[0] - from[0], to[1] - from[1]);
    this.app.view.zoom(span(now) / span(before), to);
  }

  #up(e) {
    if (!this.pointers.delete(e.pointerId)) return;
    this.svg.classList.remove("panning");
    const drag = this.drag;
    if (drag?.pinch) {
      if (!this.pointers.size) this.drag = null;
      return;
    }
    this.drag = null;
    if (!drag || drag.pans) return;
    const told = this.#told(e);
    if (drag.claimed) this.app.ui.tool.up?.(told, drag.moved);
    else if (!drag.moved) this.app.ui.tool.tap?.(told);
    this.app.ask();
  }

  #cancel(e) {
    if (!this.pointers.delete(e.pointerId)) return;
    if (this.drag?.claimed) this.app.ui.tool.cancel?.();
    if (!this.pointers.size) this.drag = null;
    this.app.ask();
  }

  #wheel(e) {
    e.preventDefault();
    const { screen } = this.#told(e);
    // A mouse turns in large steps, a touchpad moves in small ones and pinches with the control key.
    if (e.ctrlKey || e.deltaMode || (Math.abs(e.deltaY) >= 50 && !e.deltaX)) {
      this.app.view.zoom(Math.exp(-Math.max(-240, Math.min(240, e.deltaY * (e.deltaMode ? 33 : 1))) * (e.ctrlKey ? 0.01 : 0.0018)), screen);
    } else this.app.view.pan(-e.deltaX, -e.deltaY);
  }
}
