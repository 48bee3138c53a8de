// The form for residents: a map to mark the place, and a submission that outlives a lost network. Without it the form works too.
(function () {
  "use strict";
  const form = document.getElementById("say");
  if (!form) return;
  const note = document.getElementById("waiting");
  const button = document.getElementById("send");
  const STORE = "voice";
  const PERSONAL = new Set(["csrfmiddlewaretoken"]);

  // What waits is kept in the browser's own database, photos as well: a page that is closed loses nothing.
  function store(mode, work) {
    return new Promise((resolve, reject) => {
      const open = indexedDB.open("patrol-voice", 1);
      open.onupgradeneeded = () => open.result.createObjectStore(STORE, { keyPath: "key" });
      open.onerror = () => reject(open.error);
      open.onsuccess = () => {
        const step = open.result.transaction(STORE, mode);
        const asked = work(step.objectStore(STORE));
        step.oncomplete = () => { open.result.close(); resolve(asked && asked.result); };
        step.onabort = step.onerror = () => { open.result.close(); reject(step.error); };
      };
    });
  }
  const keep = (one) => store("readwrite", (all) => all.put(one));
  const drop = (key) => store("readwrite", (all) => all.delete(key));
  const kept = () => store("readonly", (all) => all.getAll());

  function say(word) {
    note.hidden = !word;
    note.textContent = word ? note.dataset[word] || word : "";
  }

  async function send(one) {
    const body = new FormData();
    for (const [name, value] of one.fields) body.append(name, value);
    body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const answer = await fetch(one.address, { method: "POST", body, headers: { Accept: "application/json" }, credentials: "same-origin" });
    if (answer.status === 429 || answer.status >= 500) throw new Error("HTTP " + answer.status);
    const told = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, told };
  }

  async function deliver(one) {
    say("sending");
    button.setAttribute("aria-disabled", "true");
    let got;
    try {
      got = await send(one);
    } catch {
      await keep(one).catch(() => {});
      say("waits");
      button.removeAttribute("aria-disabled");
      return;
    }
    await drop(one.key).catch(() => {});
    if (got.ok) {
      window.location.assign(got.told.progress + "?new=1");
      return;
    }
    say(got.told.problem || "failed");
    note.className = "note error";
    button.removeAttribute("aria-disabled");
    for (const marked of form.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
    let wrong = got.told.field && form.elements[got.told.field];
    if (wrong instanceof RadioNodeList) wrong = wrong[0];
    if (wrong && wrong.focus) {
      const marked = wrong.type === "radio" ? wrong.closest("fieldset") : wrong;
      marked.setAttribute("aria-invalid", "true");
      marked.setAttribute("aria-describedby", "waiting");
      wrong.focus();
    } else note.scrollIntoView({ block: "center" });
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled")) return;
    const data = new FormData(form, event.submitter && event.submitter.name ? event.submitter : undefined);
    const fields = [...data].filter(([name]) => !PERSONAL.has(name));
    deliver({ key: form.elements.key.value, address: window.location.pathname, fields });
  });

  async function again() {
    for (const one of await kept().catch(() => [])) await deliver(one);
  }
  window.addEventListener("online", again);
  again();

  // Where it is: by the phone, and on the map where the centre has one.
  const marked = document.getElementById("marked");
  const locate = document.getElementById("locate");
  if (!locate) return;
  const place = document.getElementById("saymap");
  const box = place && typeof L !== "undefined" ? place.closest("details") : null;
  let map = null;
  let pin = null;

  function mark(at, word) {
    form.elements.longitude.value = at.lng.toFixed(6);
    form.elements.latitude.value = at.lat.toFixed(6);
    if (map) drawPin(at);
    marked.textContent = marked.dataset[word];
    document.body.dispatchEvent(new Event("placed"));
  }

  function drawPin(at) {
    if (pin) pin.setLatLng(at);
    else {
      pin = L.marker(at, { title: marked.dataset.marked, alt: marked.dataset.marked, draggable: true, keyboard: true, icon: L.divIcon({ className: "saypin", iconSize: [26, 26], iconAnchor: [13, 30] }) }).addTo(map);
      pin.getElement().setAttribute("aria-label", marked.dataset.marked);
      pin.on("dragend", () => mark(pin.getLatLng(), "marked"));
    }
  }

  function open() {
    if (!box.open || map) return;
    const known = form.elements.longitude.value ? [form.elements.latitude.value, form.elements.longitude.value] : null;
    const middle = place.dataset.latitude ? [place.dataset.latitude, place.dataset.longitude] : [39.9, 116.4];
    map = L.map(place, { zoomControl: true, attributionControl: Boolean(place.dataset.tiles && place.dataset.credit) }).setView((known || middle).map(Number), 15);
    if (map.attributionControl) map.attributionControl.setPrefix(false);
    if (place.dataset.tiles) L.tileLayer(place.dataset.tiles, { attribution: place.dataset.credit, maxZoom: 19 }).addTo(map);
    map.on("click", (event) => mark(event.latlng, "marked"));
    if (known) mark(map.getCenter(), "marked");
  }
  if (box) {
    box.addEventListener("toggle", open);
    open();
  }
  if (navigator.geolocation) {
    locate.hidden = false;
    locate.addEventListener("click", () => {
      navigator.geolocation.getCurrentPosition(
        (found) => {
          const at = { lat: found.coords.latitude, lng: found.coords.longitude };
          if (map) map.setView(at, 17);
          mark(at, "marked");
        },
        () => { marked.textContent = marked.dataset.denied; },
        { enableHighAccuracy: true, timeout: 10000 },
      );
    });
  }
})();
