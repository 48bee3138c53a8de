// The maps: outlines of grids as the ground, cameras, and live cases gathered into pins. Needs no tile server.
(function () {
  "use strict";
  if (typeof L === "undefined") return;

  const SCALE = 100000;
  const CELL = 54; // pixels within which cases share a pin
  const AGAIN_MS = 10000;
  const LABELS = 70;
  const SOON = 600000;
  const RANK = { late: 3, soon: 2, calm: 1, watched: 0 };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  async function ask(address, known) {
    const headers = known && known.mark ? { "If-None-Match": known.mark } : {};
    const answer = await fetch(address, { headers, cache: "no-store", credentials: "same-origin" });
    if (answer.status === 304) return known;
    if (!answer.ok || answer.redirected) throw new Error("HTTP " + answer.status);
    return { mark: answer.headers.get("ETag"), body: await answer.json() };
  }

  // Rings come as a first point and steps.
  function ring(flat, scale) {
    const points = [];
    let x = 0;
    let y = 0;
    for (let i = 0; i < flat.length; i += 2) {
      x += flat[i];
      y += flat[i + 1];
      points.push([y / scale, x / scale]);
    }
    return points;
  }

  function base(element) {
    const map = L.map(element, {
      zoomControl: false,
      attributionControl: Boolean(element.dataset.tiles && element.dataset.credit),
      zoomAnimation: !still,
      fadeAnimation: !still,
      markerZoomAnimation: !still,
      zoomSnap: 0.25,
      minZoom: 8,
      maxZoom: 19,
      preferCanvas: true,
      keyboardPanDelta: 120,
    });
    if (map.attributionControl) map.attributionControl.setPrefix(false);
    if (element.dataset.tiles) {
      L.tileLayer(element.dataset.tiles, { attribution: element.dataset.credit, maxZoom: 19 }).addTo(map);
    }
    return map;
  }

  function controls(map, say, fit) {
    L.control.zoom({ zoomInTitle: say.in, zoomOutTitle: say.out, position: "topleft" }).addTo(map);
    const all = L.control({ position: "topleft" });
    all.onAdd = () => {
      const bar = L.DomUtil.create("div", "leaflet-bar");
      const button = L.DomUtil.create("a", "", bar);
      button.href = "#map";
      button.role = "button";
      button.title = say.all;
      button.setAttribute("aria-label", say.all);
      button.textContent = "⤢";
      L.DomEvent.on(button, "click", (event) => {
        L.DomEvent.stop(event);
        fit();
      });
      return bar;
    };
    all.addTo(map);
  }

  function sayOn(element) {
    const word = document.createElement("p");
    word.className = "mapsay";
    word.setAttribute("role", "status");
    word.hidden = true;
    element.append(word);
    return (text) => {
      word.hidden = !text;
      word.textContent = text;
    };
  }

  class Outlines {
    constructor(map, address) {
      this.map = map;
      this.address = address;
      this.levels = new Map();
      this.shown = 0;
      this.layer = L.layerGroup().addTo(map);
      this.labels = L.layerGroup().addTo(map);
      const dark = window.matchMedia("(prefers-color-scheme: dark)");
      dark.addEventListener("change", () => this.restyle().catch(() => {}));
    }

    async get(level) {
      if (!this.levels.has(level)) {
        const found = ask(this.address.replace(/1\/$/, level + "/")).then((known) => known.body);
        this.levels.set(level, found);
        found.catch(() => this.levels.delete(level));
      }
      return this.levels.get(level);
    }

    // The finest level whose grids are still wide enough to be told apart.
    async choose() {
      if (this.whole === undefined) {
        for (const level of [1, 2, 3, 4]) {
          const body = await this.get(level);
          if (!body.code.length) continue;
          this.whole = L.latLngBounds(body.rings.flat().flatMap((flat) => ring(flat, body.scale)));
          break;
        }
        this.whole = this.whole || null;
        this.counts = {};
      }
      return this.whole;
    }

    async draw() {
      const whole = await this.choose();
      if (!whole) return;
      const corners = [whole.getSouthWest(), whole.getNorthEast()].map((at) => this.map.project(at));
      const area = Math.abs((corners[1].x - corners[0].x) * (corners[1].y - corners[0].y));
      let level = 1;
      for (const finer of [2, 3, 4]) {
        const known = this.counts[finer];
        // A level has several times as many grids as the one above; ask for it only when there is room.
        const expected = known === undefined ? (this.counts[finer - 1] || 1) * 2 : known;
        if (expected && Math.sqrt(area / expected) < 64) break;
        const body = await this.get(finer);
        this.counts[finer] = body.code.length;
        if (body.code.length && Math.sqrt(area / body.code.length) >= 64) level = finer;
      }
      this.counts[1] = (await this.get(1)).code.length;
      const body = await this.get(level);
      if (this.shown !== level) {
        this.shown = level;
        this.layer.clearLayers();
        const style = { color: color("mapline"), weight: level < 3 ? 2 : 1.2, fillColor: color("mapfill"), fillOpacity: this.map.options.tiled ? 0 : 1, interactive: false, smoothFactor: 0.6 };
        // They are the ground, whenever they are drawn: what lies on them stays to be seen.
        for (const rings of body.rings) L.polygon(rings.map((flat) => ring(flat, body.scale)), style).addTo(this.layer).bringToBack();
      }
      this.name(body);
    }

    name(body) {
      this.labels.clearLayers();
      const view = this.map.getBounds();
      const seen = [];
      body.at.forEach(([x, y], index) => {
        const at = L.latLng(y / body.scale, x / body.scale);
        if (view.contains(at)) seen.push([at, body.name[index]]);
      });
      if (seen.length > LABELS) return;
      for (const [at, text] of seen) {
        const words = document.createElement("span");
        words.textContent = text;
        L.marker(at, { icon: L.divIcon({ className: "maplabel", html: words, iconSize: [0, 0] }), interactive: false, keyboard: false }).addTo(this.labels);
      }
    }

    restyle() {
      this.shown = 0;
      return this.draw();
    }
  }

  function pinOf(kind, size, text, label) {
    const holder = document.createElement("span");
    holder.textContent = text;
    return L.divIcon({ className: "pin " + kind, html: holder, iconSize: [size, size] });
  }

  class Live {
    constructor(element) {
      this.element = element;
      this.say = JSON.parse(element.dataset.say);
      this.map = base(element);
      this.map.options.tiled = Boolean(element.dataset.tiles);
      this.outlines = new Outlines(this.map, element.dataset.grids);
      this.pins = L.layerGroup().addTo(this.map);
      this.boxes = L.layerGroup().addTo(this.map);
      this.known = null;
      this.places = [];
      this.query = "";
      this.tell = sayOn(element);
      controls(this.map, this.say, () => this.fit());
      this.map.on("moveend", () => {
        this.outlines.draw().catch(() => {});
        this.gather();
      });
    }

    async start(query) {
      this.query = query;
      // A view of its own before anything is known, because Leaflet draws nothing without one.
      this.map.setView([39.9, 116.4], 11);
      try {
        await this.outlines.choose();
      } catch {
        this.tell(this.say.failed);
      }
      await this.load();
      this.fit();
      this.element.dataset.ready = "1";
      this.seeCameras();
    }

    fit() {
      const bounds = L.latLngBounds(this.places.map((place) => place.at));
      const whole = this.outlines.whole;
      if (bounds.isValid()) this.map.fitBounds(bounds.pad(0.08), { maxZoom: 17, animate: false });
      else if (whole) this.map.fitBounds(whole, { animate: false, padding: [8, 8] });
    }

    async load(query) {
      if (query !== undefined && query !== this.query) {
        this.query = query;
        this.known = null;
      }
      clearTimeout(this.later);
      try {
        const before = this.known;
        this.known = await ask(this.element.dataset.cases + this.query, this.known);
        if (this.known !== before) {
          this.read(this.known.body);
          this.gather();
        }
        this.tell(this.places.length ? (this.known.body.more ? this.say.more : "") : this.say.none);
      } catch {
        this.tell(this.say.failed);
        this.later = setTimeout(() => this.load(), AGAIN_MS);
      }
    }

    read(body) {
      if (window.patrol) window.patrol.hear(body.now);
      const states = body.state;
      this.places = body.id.map((id, index) => ({
        id,
        at: L.latLng(body.lat[index] / body.scale, body.lon[index] / body.scale),
        due: body.due[index] === null ? null : body.now + body.due[index] * 1000,
        watched: states[index] === "w",
      }));
    }

    tone(place) {
      if (place.watched) return "watched";
      if (place.due === null) return "calm";
      const left = place.due - (window.patrol ? window.patrol.now() : Date.now());
      return left <= 0 ? "late" : left <= SOON ? "soon" : "calm";
    }

    gather() {
      const zoom = this.map.getZoom();
      const view = this.map.getBounds().pad(0.15);
      const cells = new Map();
      for (const place of this.places) {
        if (!view.contains(place.at)) continue;
        const point = this.map.project(place.at, zoom);
        const key = Math.floor(point.x / CELL) + ":" + Math.floor(point.y / CELL);
        const cell = cells.get(key) || { members: [], x: 0, y: 0, tone: "watched", late: 0 };
        const tone = this.tone(place);
        cell.members.push(place);
        cell.x += point.x;
        cell.y += point.y;
        if (tone === "late") cell.late += 1;
        if (RANK[tone] > RANK[cell.tone]) cell.tone = tone;
        cells.set(key, cell);
      }
      const had = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.pin : undefined;
      this.pins.clearLayers();
      for (const [key, cell] of cells) this.pin(key, cell, zoom, had);
    }

    pin(key, cell, zoom, had) {
      const count = cell.members.length;
      const at = this.map.unproject([cell.x / count, cell.y / count], zoom);
      const size = count === 1 ? 20 : Math.min(52, 26 + 5 * Math.log2(count));
      let label = count === 1 ? this.say.case.replace("{n}", cell.members[0].id) : this.say.cases.replace("{n}", count);
      if (cell.late) label += ", " + this.say.late.replace("{n}", cell.late);
      const kind = cell.tone + (count === 1 ? " single" : "") + (cell.members.some((place) => place.id === this.chosen) ? " picked" : "");
      const text = count > 1 ? String(count) : cell.tone === "late" ? "!" : "";
      const marker = L.marker(at, { icon: pinOf(kind, size, text), title: label, alt: label, riseOnHover: true, zIndexOffset: 100 * RANK[cell.tone] });
      marker.on("click", () => this.open(cell, at));
      marker.on("keydown", (event) => {
        const key = event.originalEvent.key;
        if (key !== "Enter" && key !== " ") return;
        event.originalEvent.preventDefault();
        event.originalEvent.stopPropagation();
        this.open(cell, at);
      });
      marker.addTo(this.pins);
      const node = marker.getElement();
      node.setAttribute("aria-label", label);
      node.dataset.pin = key;
      if (key === had) node.focus({ preventScroll: true });
    }

    open(cell, at) {
      if (cell.members.length === 1) {
        this.show(cell.members[0].id);
        return;
      }
      const bounds = L.latLngBounds(cell.members.map((place) => place.at));
      const apart = this.map.getBoundsZoom(bounds.pad(0.1));
      if (apart > this.map.getZoom() + 0.2 && this.map.getZoom() < 18.9) {
        this.map.fitBounds(bounds.pad(0.2), { maxZoom: 19 });
        return;
      }
      const list = document.createElement("div");
      const head = document.createElement("b");
      head.textContent = this.say.here;
      list.append(head);
      for (const place of cell.members.slice(0, 12)) {
        const link = document.createElement("a");
        link.href = this.element.dataset.case.replace("/0/", "/" + place.id + "/");
        link.textContent = this.say.case.replace("{n}", place.id) + (place.due === null ? "" : " · " + window.patrol.clock(place.due - window.patrol.now()));
        link.addEventListener("click", (event) => {
          if (this.show(place.id)) event.preventDefault();
        });
        list.append(link);
      }
      L.popup().setLatLng(at).setContent(list).openOn(this.map);
    }

    // Whether somebody took it; else the case's own page opens.
    show(id) {
      const asked = new CustomEvent("patrol:show", { detail: { id }, cancelable: true });
      if (!document.dispatchEvent(asked)) return true;
      window.location.assign(this.element.dataset.case.replace("/0/", "/" + id + "/"));
      return false;
    }

    choose(id) {
      this.chosen = id;
      this.gather();
    }

    async seeCameras() {
      let found;
      try {
        found = (await ask(this.element.dataset.cameras)).body.cameras;
      } catch {
        return;
      }
      this.boxes.clearLayers();
      for (const [name, lon, lat, state] of found) {
        const label = this.say.camera.replace("{n}", name);
        const bad = state === "live" || state === "connecting" || state === "ended" ? "" : " bad";
        L.marker([lat / SCALE, lon / SCALE], { icon: pinOf("cam" + bad, 14, ""), title: label, alt: label, keyboard: false, interactive: false, zIndexOffset: -500 }).addTo(this.boxes);
      }
    }
  }

  // The small map of one case: the spot, and the grid that it lies in.
  async function spot(element) {
    element.dataset.ready = "1";
    const at = L.latLng(Number(element.dataset.lat), Number(element.dataset.lon));
    const map = base(element);
    map.scrollWheelZoom.disable();
    map.options.tiled = Boolean(element.dataset.tiles);
    map.setView(at, 16);
    L.control.zoom({ position: "topleft" }).addTo(map);
    const outlines = new Outlines(map, element.dataset.grids);
    const own = element.dataset.outline ? JSON.parse(element.dataset.outline) : [];
    const rings = own.map((flat) => ring(flat, SCALE));
    if (rings.length) {
      map.fitBounds(L.latLngBounds(rings.flat()).extend(at), { padding: [16, 16], maxZoom: 17, animate: false });
    }
    await outlines.draw().catch(() => {});
    map.on("moveend", () => outlines.draw().catch(() => {}));
    if (rings.length) {
      const look = () => ({ color: color("brand"), weight: 2.5, fillColor: color("brand"), fillOpacity: 0.1, interactive: false });
      const mine = L.polygon(rings, look()).addTo(map);
      window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => mine.setStyle(look()));
    }
    L.marker(at, { icon: pinOf("late single", 20, ""), keyboard: false, interactive: false, zIndexOffset: 900 }).addTo(map);
  }

  function startSpots() {
    for (const element of document.querySelectorAll(".map[data-lat]:not([data-ready])")) spot(element);
  }

  // For maps of other pages.
  window.patrolMaps = { AGAIN_MS, Outlines, ask, base, color, controls, pinOf, sayOn };
  document.addEventListener("htmx:afterSwap", startSpots);
  startSpots();
  const element = document.querySelector(".map[data-cases]");
  if (element) {
    const live = new Live(element);
    window.patrolMap = live;
    const listing = document.querySelector(".listing");
    live.start(listing ? listing.dataset.map : "");
    setInterval(() => live.gather(), 30000);
  }
})();
