// Plane geometry in pixels of the picture. Pure.

export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
export const add = (a, b) => [a[0] + b[0], a[1] + b[1]];
export const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];
export const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/** Nearest point of the segment a-b. */
export function nearestOn(point, a, b) {
  const along = minus(b, a);
  const length = along[0] ** 2 + along[1] ** 2;
  if (!length) return a;
  const share = ((point[0] - a[0]) * along[0] + (point[1] - a[1]) * along[1]) / length;
  const at = Math.min(1, Math.max(0, share));
  return [a[0] + along[0] * at, a[1] + along[1] * at];
}

export function contains(ring, [x, y]) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[i];
    const [bx, by] = ring[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

export function area(ring) {
  let sum = 0;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) sum += ring[j][0] * ring[i][1] - ring[i][0] * ring[j][1];
  return Math.abs(sum) / 2;
}

export function bounds(points) {
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** A point well inside the ring, for its label: the best of a coarse grid, by distance from the outline. */
export function innerPoint(ring) {
  const [left, top, right, bottom] = bounds(ring);
  let best = null;
  let most = -1;
  for (let row = 1; row < 10; row++) {
    for (let column = 1; column < 10; column++) {
      const point = [left + ((right - left) * column) / 10, top + ((bottom - top) * row) / 10];
      if (!contains(ring, point)) continue;
      const room = edgesOf(ring).reduce((least, [a, b]) => Math.min(least, distance(point, nearestOn(point, a, b))), Infinity);
      if (room > most) [best, most] = [point, room];
    }
  }
  return best ?? [(left + right) / 2, (top + bottom) / 2];
}

export const edgesOf = (ring) => ring.map((a, n) => [a, ring[(n + 1) % ring.length]]);

export const clampTo = ([x, y], width, height) => [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];

/** As many decimals as a person can mean at this magnification. */
export function rounded([x, y], scale) {
  const steps = scale >= 4 ? 10 : scale >= 1.5 ? 2 : 1;
  return [Math.round(x * steps) / steps, Math.round(y * steps) / steps];
}

/** The largest part of a movement that keeps all points in the picture. */
export function movementWithin(points, [dx, dy], width, height) {
  const [left, top, right, bottom] = bounds(points);
  const fit = (d, low, high, size) => (high - low > size ? 0 : Math.min(size - high, Math.max(-low, d)));
  return [fit(dx, left, right, width), fit(dy, top, bottom, height)];
}

/**
 * Where a point wants to be: on vertices and edges of other zones, on the picture's border, or on a line at 45° or
 * at a right angle to the edge before.
 *
 * @param point where the hand is.
 * @param world {rings, width, height}: rings of the other zones.
 * @param anchors [{from, before}]: points that the new edges start from, and the point before each, if any.
 * @param reach pixels of the picture.
 * @returns {point, guides: [[a, b]], dot} `dot` where it caught a vertex.
 */
export function snapped(point, world, anchors, reach) {
  let best = null;
  for (const ring of world.rings) {
    for (const vertex of ring) {
      const off = distance(point, vertex);
      if (off <= reach && (!best || off < best.off)) best = { off, point: vertex };
    }
  }
  if (best) return { point: best.point, guides: [], dot: best.point };

  const { width, height } = world;
  const frame = [[0, 0], [width, 0], [width, height], [0, height]];
  const lines = [...edgesOf(frame), ...world.rings.flatMap(edgesOf)];
  for (const [a, b] of lines) {
    const foot = nearestOn(point, a, b);
    const off = distance(point, foot);
    if (off <= reach && (!best || off < best.off)) best = { off, point: foot, line: [a, b] };
  }

  const rays = anchors.flatMap(({ from, before }) => raysOf(from, before).map((direction) => ({ from, direction })));
  const caught = rays
    .map((ray) => ({ ...ray, ...onRay(point, ray) }))
    .filter((ray) => ray.off <= reach)
    .sort((a, b) => a.off - b.off);
  if (best && caught.length) {
    // An edge and an angle at once: where they meet, if that is near.
    const meet = meeting(best.line, caught[0]);
    if (meet && distance(meet, point) <= reach * 1.5) return { point: meet, guides: [best.line, [caught[0].from, meet]], dot: meet };
  }
  if (best) return { point: best.point, guides: [best.line], dot: null };
  if (caught.length > 1) {
    const other = caught.find((ray) => ray.from !== caught[0].from);
    const meet = other && meeting([other.from, add(other.from, other.direction)], caught[0], true);
    if (meet && distance(meet, point) <= reach * 1.5) return { point: meet, guides: [[caught[0].from, meet], [other.from, meet]], dot: meet };
  }
  if (caught.length) return { point: caught[0].foot, guides: [[caught[0].from, caught[0].foot]], dot: null };
  return { point, guides: [], dot: null };
}

function raysOf(from, before) {
  const angles = [0, 1, 2, 3].map((n) => (n * Math.PI) / 4);
  if (before && distance(from, before) > 1) {
    const base = Math.atan2(from[1] - before[1], from[0] - before[0]);
    angles.push(base, base + Math.PI / 2);
  }
  return angles.map((angle) => [Math.cos(angle), Math.sin(angle)]);
}

function onRay(point, { from, direction }) {
  const [dx, dy] = minus(point, from);
  const along = dx * direction[0] + dy * direction[1];
  const foot = [from[0] + along * direction[0], from[1] + along * direction[1]];
  // Close to its start every direction is near; nothing is caught there.
  return { foot, off: Math.abs(along) < 6 ? Infinity : distance(point, foot) };
}

function meeting([a, b], { from, direction }, endless = false) {
  const along = minus(b, a);
  const cross = along[0] * direction[1] - along[1] * direction[0];
  if (Math.abs(cross) < 1e-9) return null;
  const share = ((from[0] - a[0]) * direction[1] - (from[1] - a[1]) * direction[0]) / cross;
  if (!endless && (share < 0 || share > 1)) return null;
  return [a[0] + along[0] * share, a[1] + along[1] * share];
}
