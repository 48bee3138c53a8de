// Which part of the picture is seen, and how large.

const MOST = 48;

export class View extends EventTarget {
  scale = 1;
  x = 0;
  y = 0;
  width = 1;
  height = 1;
  picture = [1280, 720];
  insets = { left: 0, top: 0, right: 0, bottom: 0 };
  #fitted = true;

  toScreen([x, y]) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  toPicture([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  resize(width, height) {
    if (!width || !height || (width === this.width && height === this.height)) return;
    const middle = this.toPicture([this.width / 2, this.height / 2]);
    [this.width, this.height] = [width, height];
    if (this.#fitted) this.fit();
    else this.#put(this.scale, middle, [width / 2, height / 2]);
  }

  get #whole() {
    const { left, top, right, bottom } = this.insets;
    const [w, h] = this.picture;
    return Math.min((this.width - left - right) / w, (this.height - top - bottom) / h);
  }

  /** The whole picture, as large as it goes. */
  fit() {
    const { left, top, right, bottom } = this.insets;
    this.#put(Math.max(0.01, this.#whole), [this.picture[0] / 2, this.picture[1] / 2], [
      left + (this.width - left - right) / 2,
      top + (this.height - top - bottom) / 2,
    ]);
    this.#fitted = true;
  }

  /** Larger or smaller around a point of the screen. */
  zoom(factor, at = [this.width / 2, this.height / 2]) {
    const scale = Math.min(MOST, Math.max(this.#whole * 0.5, this.scale * factor));
    this.#put(scale, this.toPicture(at), at);
  }

  pan(dx, dy) {
    this.#put(this.scale, this.toPicture([0, 0]), [dx, dy]);
  }

  /** Bring a point of the picture into sight, if it is out of it. */
  reveal(point, margin = 48) {
    const [x, y] = this.toScreen(point);
    const off = (at, size) => (at < margin ? margin - at : at > size - margin ? size - margin - at : 0);
    const [dx, dy] = [off(x, this.width), off(y, this.height)];
    if (dx || dy) this.pan(dx, dy);
  }

  /** A part of the picture, with air around it; never nearer than makes sense. */
  show([left, top, right, bottom]) {
    const inside = [[left, top], [right, bottom]].every((corner) => {
      const [x, y] = this.toScreen(corner);
      return x >= 0 && y >= 0 && x <= this.width && y <= this.height;
    });
    if (inside) return;
    const scale = Math.min(this.scale, (0.8 * this.width) / Math.max(1, right - left), (0.8 * this.height) / Math.max(1, bottom - top));
    this.#put(scale, [(left + right) / 2, (top + bottom) / 2], [this.width / 2, this.height / 2]);
  }

  #put(scale, point, at) {
    this.#fitted = false;
    this.scale = scale;
    this.x = at[0] - point[0] * scale;
    this.y = at[1] - point[1] * scale;
    // A good part of the picture always stays in sight.
    const [w, h] = [this.picture[0] * scale, this.picture[1] * scale];
    const keep = 80;
    this.x = Math.min(this.width - keep, Math.max(keep - w, this.x));
    this.y = Math.min(this.height - keep, Math.max(keep - h, this.y));
    this.dispatchEvent(new Event("change"));
  }
}
