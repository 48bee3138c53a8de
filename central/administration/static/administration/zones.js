// The administration's map: outlines of zones and the cameras that watch them. Needs `map.js` before it.
(function () {
  "use strict";
  if (!window.patrolMaps) return;
  const { AGAIN_MS, Outlines, ask, base, color, controls, pinOf, sayOn } = window.patrolMaps;

  // The zones of all cameras, by kind; a kind is told by its line as well as by its colour.
  const KINDS = {
    no_parking: { color: "late" },
    fire_lane: { color: "soon", dashArray: "9 4" },
    parking_bay: { color: "blue" },
    loading: { color: "green", dashArray: "3 4" },
    ignore: { color: "grey", dashArray: "1 5" },
  };

  // Names come from boxes: they are words, never markup.
  function text(words) {
    const span = document.createElement("span");
    span.textContent = words;
    return span;
  }

  async function start(element) {
    element.dataset.ready = "1";
    const say = JSON.parse(element.dataset.say);
    const map = base(element);
    map.options.tiled = Boolean(element.dataset.tiles);
    const outlines = new Outlines(map, element.dataset.grids);
    const layer = L.featureGroup().addTo(map);
    const tell = sayOn(element);
    const fit = () => {
      const bounds = layer.getBounds();
      if (bounds.isValid()) map.fitBounds(bounds.pad(0.08), { maxZoom: 18.5, animate: false });
    };
    map.setView([39.9, 116.4], 11);
    controls(map, say, fit);
    map.on("moveend", () => outlines.draw().catch(() => {}));
    const words = (title, listed) => {
      const box = document.createElement("div");
      const head = document.createElement("b");
      head.textContent = title;
      box.append(head);
      for (const zone of listed.slice(0, 12)) {
        const link = document.createElement("a");
        link.href = element.dataset.board + zone.cases;
        link.textContent = zone.name + " · " + zone.says;
        box.append(link);
      }
      return box;
    };
    const draw = (cameras) => {
      layer.clearLayers();
      let unplaced = 0;
      for (const camera of cameras) {
        const title = say.camera.replace("{n}", camera.name);
        for (const zone of camera.zones) {
          if (!zone.outline) {
            if (zone.kind !== "ignore") unplaced += 1; // the sky has no place, and nobody misses it
          } else {
            const { color: name, dashArray } = KINDS[zone.kind] || KINDS.ignore;
            const ring = zone.outline.coordinates[0].map(([x, y]) => [y, x]);
            const shape = L.polygon(ring, { color: color(name), dashArray, weight: 2.5, fillColor: color(name), fillOpacity: 0.18 });
            shape.bindTooltip(() => text(zone.name + " · " + zone.says), { sticky: true }).bindPopup(() => words(title, [zone])).addTo(layer);
          }
        }
        if (!camera.at) continue;
        const bad = camera.state === "live" || camera.state === "connecting" || camera.state === "ended" ? "" : " bad";
        const pin = L.marker([camera.at[1], camera.at[0]], { icon: pinOf("cam" + bad, 24, "◉"), title, alt: title });
        pin.bindPopup(() => words(title, camera.zones)).addTo(layer);
        pin.getElement().setAttribute("aria-label", title);
      }
      tell(unplaced ? say.unplaced.replace("{n}", unplaced) : "");
    };
    let known = null;
    const load = async () => {
      try {
        known = (await ask(element.dataset.zones)).body.cameras;
      } catch {
        tell(say.failed);
        setTimeout(load, AGAIN_MS);
        return;
      }
      draw(known);
      fit();
      element.dataset.ready = "drawn";
    };
    await load();
    outlines.draw().catch(() => {});
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      if (known) draw(known);
    });
  }

  for (const element of document.querySelectorAll(".map[data-zones]")) start(element);
})();
