// The zone file in the making: an immutable document, what is chosen in it, and its history.
// Everything that changes the document goes through here, and every change has a name.

const MERGE_MS = 1200; // typing into one field, or holding an arrow key, is one change

let uids = 0;

/** Pairs of finite numbers; whatever a damaged file holds. */
export function ringOf(zone) {
  const raw = Array.isArray(zone?.polygon) ? zone.polygon : [];
  return raw.map((pair) => {
    const at = Array.isArray(pair) ? pair : [];
    return [Number.isFinite(at[0]) ? at[0] : 0, Number.isFinite(at[1]) ? at[1] : 0];
  });
}

export function getAt(data, path) {
  return path.reduce((value, key) => (value === null || value === undefined ? undefined : value[key]), data);
}

/** A copy with one value changed; undefined removes the key, and tables that became empty with it. */
export function setAt(data, path, value) {
  if (!path.length) return value;
  const [key, ...rest] = path;
  if (Array.isArray(data)) {
    const copy = [...data];
    copy[key] = setAt(copy[key], rest, value);
    return copy;
  }
  const inner = setAt(data?.[key], rest, value);
  const copy = { ...data };
  const emptied = rest.length && inner && typeof inner === "object" && !Array.isArray(inner) && !Object.keys(inner).length;
  if (inner === undefined || emptied) delete copy[key];
  else copy[key] = inner;
  return copy;
}

export class Store extends EventTarget {
  doc = { head: {}, zones: [] };
  chosen = { uid: null, vertex: null };
  past = [];
  future = [];
  origins = new Map();
  #saved = "";
  #texts = new WeakMap();
  #before = null;

  /** Begin with what the server read. */
  load(data, { keepHistory = false } = {}) {
    const { zone, ...head } = data;
    const zones = (Array.isArray(zone) ? zone : []).map((one) => ({
      uid: ++uids,
      data: one && typeof one === "object" && !Array.isArray(one) ? one : {},
    }));
    this.doc = { head, zones };
    this.origins = new Map(zones.map(({ uid }, number) => [uid, number]));
    this.chosen = { uid: null, vertex: null };
    if (!keepHistory) [this.past, this.future] = [[], []];
    this.#saved = this.#text(this.doc);
    this.#tell();
  }

  /** Take up a draft: its zones know which zones of the file they were. */
  restore(data, origins, name) {
    const { zone, ...head } = data;
    const known = new Map([...this.origins].map(([uid, number]) => [number, uid]));
    const zones = zone.map((one, n) => ({ uid: known.get(origins[n]) ?? ++uids, data: one }));
    this.change(name, { head, zones });
  }

  /** What was just written is what the file says now. */
  saved(doc = this.doc) {
    this.origins = new Map(doc.zones.map(({ uid }, number) => [uid, number]));
    this.#saved = this.#text(doc);
    this.#tell();
  }

  /** The whole as the server takes it. */
  data(doc = this.doc) {
    return { ...doc.head, zone: doc.zones.map((zone) => zone.data) };
  }

  originsOf(doc = this.doc) {
    return doc.zones.map(({ uid }) => this.origins.get(uid) ?? null);
  }

  get dirty() {
    return this.#text(this.doc) !== this.#saved;
  }

  zone(uid = this.chosen.uid) {
    return this.doc.zones.find((zone) => zone.uid === uid) ?? null;
  }

  number(uid) {
    return this.doc.zones.findIndex((zone) => zone.uid === uid);
  }

  get size() {
    const { width, height } = this.doc.head.picture ?? {};
    const sane = (n, other) => (Number.isFinite(n) && n >= 16 && n <= 16384 ? n : other);
    return [sane(width, 1280), sane(height, 720)];
  }

  /** A change with a name ({key, ...values}); changes with the same `merge` in quick succession are one. */
  change(name, doc, { merge = null, at = performance.now() } = {}) {
    const last = this.past.at(-1);
    if (merge && last?.merge === merge && at - last.at < MERGE_MS && !this.future.length) last.at = at;
    else this.past.push({ doc: this.doc, chosen: this.chosen, name, merge, at });
    this.future = [];
    this.doc = doc;
    this.#keepChosen();
    this.#tell();
  }

  /** Change one zone's data. */
  changeZone(uid, name, change, options) {
    this.change(name, this.#withZone(uid, change), options);
  }

  #withZone(uid, change) {
    return { ...this.doc, zones: this.doc.zones.map((zone) => (zone.uid === uid ? { ...zone, data: change(zone.data) } : zone)) };
  }

  /** While a hand moves something: shown at once, one change when it lets go. */
  preview(uid, change) {
    this.previewDoc(this.#withZone(uid, change));
  }

  previewDoc(doc) {
    this.#before ??= this.doc;
    this.doc = doc;
    this.#tell();
  }

  settle(name) {
    if (!this.#before) return;
    const [before, after] = [this.#before, this.doc];
    this.#before = null;
    this.doc = before;
    if (this.#text(before) === this.#text(after)) this.#tell();
    else this.change(name, after);
  }

  unsettle() {
    if (!this.#before) return;
    this.doc = this.#before;
    this.#before = null;
    this.#tell();
  }

  addZone(data, name) {
    const zone = { uid: ++uids, data };
    this.change(name, { ...this.doc, zones: [...this.doc.zones, zone] });
    this.choose(zone.uid);
    return zone.uid;
  }

  removeZone(uid, name) {
    const number = this.number(uid);
    const zones = this.doc.zones.filter((zone) => zone.uid !== uid);
    this.change(name, { ...this.doc, zones });
    this.choose(zones[Math.min(number, zones.length - 1)]?.uid ?? null);
  }

  undo() {
    this.unsettle();
    return this.#step(this.past, this.future);
  }

  redo() {
    this.unsettle();
    return this.#step(this.future, this.past);
  }

  #step(from, to) {
    const entry = from.pop();
    if (!entry) return null;
    to.push({ doc: this.doc, chosen: this.chosen, name: entry.name, merge: null, at: 0 });
    this.doc = entry.doc;
    this.chosen = entry.chosen;
    this.#keepChosen();
    this.#tell();
    return entry.name;
  }

  choose(uid, vertex = null) {
    if (this.chosen.uid === uid && this.chosen.vertex === vertex) return;
    this.chosen = { uid, vertex };
    this.dispatchEvent(new Event("choose"));
  }

  #keepChosen() {
    const zone = this.zone();
    const { uid, vertex } = this.chosen;
    if (!zone) this.chosen = { uid: null, vertex: null };
    else if (vertex !== null && vertex >= ringOf(zone.data).length) this.chosen = { uid, vertex: null };
  }

  #text(doc) {
    if (!this.#texts.has(doc)) this.#texts.set(doc, canonical(this.data(doc)));
    return this.#texts.get(doc);
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** The same text for the same meaning, whatever the order of keys. */
export function canonical(value) {
  return JSON.stringify(value, (_, inner) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
