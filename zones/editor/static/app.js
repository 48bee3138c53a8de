// The page's state and what can be done with it. Parts of the page read it and call it; it calls their sync().

import { get, newest, post, Refused } from "./api.js";
import { bounds, middle } from "./geometry.js";
import { ringOf, Store } from "./store.js";
import { keyWords, t, told } from "./words.js";
import { View } from "./view.js";

const NOTHING = { valid: true, faults: [], remarks: [] };
const WAIT_MS = 60;

export class App {
  store = new Store();
  view = new View();
  judgement = NOTHING;
  verdicts = new Map();
  ground = null;
  probe = null;
  seen = null;
  seenState = "off";
  renewing = false;
  ui = { tool: null, tab: "zones", snap: true, hover: null, coarse: false, showVehicles: true, showGrid: false, vehicle: null, loupe: null, snapping: null };
  #said = null;

  constructor(parts) {
    this.parts = parts; // {stage, sync(), hint(text), where(text), toast(text), tools}
    this.ui.coarse = matchMedia("(pointer: coarse)").matches;
    this.ui.snap = localStorage.getItem("patrol-zones-snap") !== "off";
    this.store.addEventListener("change", () => this.#changed());
    this.store.addEventListener("choose", () => this.#chose());
    this.view.addEventListener("change", () => this.ask());
    const judge = newest((question) => post("judge", question), (answer, question) => this.#judged(answer, question), (error) => this.#lost(error));
    const ground = newest((question) => post("ground", question), (answer) => this.#grounded(answer), (error) => this.#lost(error));
    let timer = 0;
    this.judge = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (this.ended) return;
        const [width, height] = this.store.size;
        const vehicles = this.vehicles();
        this.judging = { data: this.store.data(), vehicles: vehicles.map(({ box, label }) => ({ box, label })) };
        this.judging.keys = vehicles.map(({ key }) => key);
        judge({ data: this.judging.data, vehicles: this.judging.vehicles });
        const calibration = this.store.doc.head.calibration;
        if (calibration && typeof calibration === "object") ground({ calibration, width, height });
        else this.ground = null;
      }, WAIT_MS);
    };
  }

  ask() {
    this.parts.stage?.ask();
  }

  /** Take up what the server read. */
  opened(answer) {
    const { data, schema, shot, can_renew: canRenew, detects, ...file } = answer;
    Object.assign(this, { file, schema, canRenew, shot });
    this.store.load(data);
    this.view.picture = this.store.size;
    this.view.fit();
    if (shot && detects) this.#look(shot);
  }

  // --- vehicles

  /** Detections and the trial vehicle, boxes in pixels of the file's picture. */
  vehicles() {
    const [w, h] = this.store.size;
    const from = this.seenIn ?? { width: w, height: h };
    const scale = [w / from.width, h / from.height];
    const list = (this.seen ?? []).map((one, n) => ({ key: `v${from.number}-${n}`, label: one.label, score: one.score, box: one.box.map((at, side) => at * scale[side % 2]) }));
    return this.probe ? [...list, this.probe] : list;
  }

  async #look(shot) {
    this.seenState = "busy";
    this.seen = null;
    try {
      const seen = await get(`seen/${shot.number}`);
      if (this.shot.number !== shot.number) return;
      [this.seen, this.seenIn, this.seenState] = [seen, shot, "done"];
      this.judge();
    } catch (error) {
      if (this.shot.number === shot.number) this.seenState = "failed";
    }
    this.parts.sync();
  }

  async renew() {
    this.renewing = true;
    this.parts.sync();
    try {
      const looks = this.seenState !== "off";
      this.shot = await post("renew");
      this.seen = null;
      if (looks) this.#look(this.shot);
      this.say(t("say.renewed"));
    } catch (error) {
      this.complain(error);
    }
    this.renewing = false;
    this.parts.sync();
    this.ask();
  }

  probeSize(y) {
    if (this.probe) return [this.probe.box[2] - this.probe.box[0], this.probe.box[3] - this.probe.box[1]];
    const near = this.vehicles().sort((a, b) => Math.abs(a.box[3] - y) - Math.abs(b.box[3] - y))[0];
    if (near) return [near.box[2] - near.box[0], near.box[3] - near.box[1]];
    const height = this.store.size[1] * 0.14;
    return [height * 1.6, height];
  }

  setProbe(box, label = this.probe?.label ?? "car") {
    this.probe = { key: "probe", label, box: box ?? this.probe.box };
    this.ui.vehicle = "probe";
    this.setShowVehicles(true);
    this.judge();
    this.parts.sync();
    this.ask();
  }

  removeProbe() {
    this.probe = null;
    this.judge();
    this.parts.sync();
    this.ask();
  }

  setShowVehicles(on) {
    this.ui.showVehicles = on;
    this.ask();
  }

  setShowGrid(on) {
    this.ui.showGrid = on;
    this.ask();
  }

  chooseVehicle(key) {
    this.ui.vehicle = key;
    this.setShowVehicles(true);
    const vehicle = this.vehicles().find((one) => one.key === key);
    if (vehicle) this.view.show(vehicle.box);
    this.parts.sync();
    this.ask();
  }

  // --- what the server said

  #judged(answer, question) {
    this.judgement = answer;
    const keys = this.judging?.vehicles.length === question.vehicles.length ? this.judging.keys : [];
    this.verdicts = new Map(answer.verdicts.map((verdict, n) => [keys[n], verdict]).filter(([key, verdict]) => key && verdict));
    if (this.disconnected) this.parts.banner("", []);
    this.disconnected = false;
    this.parts.sync();
    this.ask();
    const probe = this.verdicts.get("probe");
    if (this.ui.vehicle === "probe" && probe && told(probe.why) !== this.#said) this.say((this.#said = told(probe.why)), true);
  }

  /** Whether what stands here now can be saved: asked anew, because typing is faster than answers. */
  async judgeNow() {
    const doc = this.store.doc;
    const { valid } = await post("judge", { data: this.store.data(doc) });
    return valid && doc === this.store.doc;
  }

  #grounded(answer) {
    this.ground = answer;
    this.parts.sync();
    this.ask();
  }

  #lost(error) {
    if (this.ended) return;
    if (error instanceof Refused) this.complain(error);
    else if (!this.disconnected) {
      this.disconnected = true;
      this.parts.banner(t("lost"), []);
    }
  }

  complain(error) {
    const words = error instanceof Refused ? [told(error.error.problem), told(error.error.mend)].filter(Boolean).join(" ") || error.message : t("lost");
    this.parts.toast(words);
    this.say(words);
  }

  // --- zones

  #changed() {
    this.judge();
    this.view.picture = this.store.size;
    this.parts.sync();
    this.parts.keepDraft?.();
    this.ask();
  }

  #chose() {
    const zone = this.store.zone();
    if (zone) this.say(t(this.store.chosen.vertex === null ? "say.choseZone" : "say.choseVertex", { name: zone.data.name ?? zone.data.id ?? "?", n: this.store.chosen.vertex + 1 }), true);
    this.parts.sync();
    this.ask();
  }

  chooseZone(uid) {
    this.store.choose(uid);
    const ring = ringOf(this.store.zone()?.data);
    if (ring.length) this.view.show(bounds(ring));
    this.useTool("select");
  }

  createZone(points) {
    const ids = new Set(this.store.doc.zones.map((zone) => zone.data.id));
    let number = 1;
    while (ids.has(`P${number}`)) number++;
    const id = `P${number}`;
    this.store.addZone({ id, name: t("zones.newName", { n: number }), polygon: points }, { key: "did.draw", id });
    this.useTool("select");
    this.parts.openTab("zones");
    this.say(t("say.drew", { id, n: points.length }));
  }

  copyZone() {
    const zone = this.store.zone();
    if (!zone) return;
    const ids = new Set(this.store.doc.zones.map((one) => one.data.id));
    const stem = String(zone.data.id ?? "P").slice(0, 58);
    let number = 2;
    while (ids.has(`${stem}-${number}`)) number++;
    const ring = ringOf(zone.data);
    const [width, height] = this.store.size;
    const [, , right, bottom] = bounds(ring);
    const by = [right + 16 <= width ? 16 : -16, bottom + 16 <= height ? 16 : -16];
    const polygon = ring.map(([x, y]) => [Math.min(width, Math.max(0, x + by[0])), Math.min(height, Math.max(0, y + by[1]))]);
    this.store.addZone({ ...structuredClone(zone.data), id: `${stem}-${number}`, polygon }, { key: "did.copy", id: zone.data.id ?? "?" });
    this.say(t("say.copied", { id: zone.data.id }));
  }

  removeZone() {
    const zone = this.store.zone();
    if (!zone) return;
    const id = zone.data.id ?? zone.data.name ?? "?";
    this.store.removeZone(zone.uid, { key: "did.removeZone", id });
    this.say(t("did.removeZone", { id }));
    this.parts.toast(t("say.removedUndo", { id }));
  }

  /** A vertex in the middle of the edge after vertex `n`. */
  addVertex(uid = this.store.chosen.uid, n = this.store.chosen.vertex ?? 0) {
    const zone = this.store.zone(uid);
    const ring = ringOf(zone?.data);
    if (ring.length < 2) return;
    const point = middle(ring[n], ring[(n + 1) % ring.length]).map(Math.round);
    this.store.changeZone(uid, { key: "did.addVertex", id: zone.data.id ?? "?", n: n + 2 }, (data) => ({ ...data, polygon: [...ring.slice(0, n + 1), point, ...ring.slice(n + 1)] }));
    this.store.choose(uid, n + 1);
  }

  removeVertex() {
    const { uid, vertex } = this.store.chosen;
    const zone = this.store.zone();
    const ring = ringOf(zone?.data);
    if (vertex === null) return;
    if (ring.length <= 3) {
      this.say(t("say.keepThree"));
      this.parts.toast(t("say.keepThree"));
      return;
    }
    this.store.changeZone(uid, { key: "did.removeVertex", id: zone.data.id ?? "?", n: vertex + 1 }, (data) => ({ ...data, polygon: ring.filter((_, n) => n !== vertex) }));
    this.store.choose(uid, Math.max(0, vertex - 1));
  }

  stepZone(by) {
    const { zones } = this.store.doc;
    if (!zones.length) return;
    const now = this.store.number(this.store.chosen.uid);
    this.chooseZone(zones[now < 0 ? (by > 0 ? 0 : zones.length - 1) : (now + by + zones.length) % zones.length].uid);
  }

  stepVertex(by) {
    const zone = this.store.zone();
    if (!zone) return;
    const count = ringOf(zone.data).length;
    const { vertex } = this.store.chosen;
    const next = vertex === null ? (by > 0 ? 0 : count - 1) : (vertex + by + count) % count;
    this.store.choose(zone.uid, next);
    this.view.reveal(ringOf(zone.data)[next]);
  }

  undo() {
    const name = this.store.undo();
    this.say(name ? t("say.undid", { what: this.nameOf(name) }) : t("say.nothingToUndo"));
  }

  redo() {
    const name = this.store.redo();
    this.say(name ? t("say.redid", { what: this.nameOf(name) }) : t("say.nothingToRedo"));
  }

  /** A change in words. */
  nameOf(name) {
    const [model, key] = (name.field ?? "").split(".");
    const schema = model === "Zone" ? this.schema.$defs.Zone.properties[key] : this.schema.properties[key];
    return t(name.key, { ...name, field: key ? keyWords(model, key, schema ?? {}).title : "" });
  }

  showFault(fault) {
    const zone = this.store.doc.zones[fault.zone];
    if (!zone) {
      this.parts.openTab(fault.path[0] === "calibration" ? "ground" : "file");
      return;
    }
    this.parts.openTab("zones");
    this.chooseZone(zone.uid);
    if (fault.path[0] === "polygon" && fault.vertices.length) this.store.choose(zone.uid, fault.vertices[0]);
    else this.parts.zonePane.focusField(fault.path);
  }

  showRemark(uid, remark) {
    this.chooseZone(uid);
    if (remark.vertex) this.store.choose(uid, remark.vertex - 1);
  }

  // --- tools

  useTool(name, focus = false) {
    const next = this.parts.tools[name];
    if (this.ui.tool !== next) {
      this.ui.tool?.leaveTool?.();
      this.ui.tool = next;
      next.enter?.();
    }
    if (name === "probe" && this.ui.tab !== "vehicles") this.parts.openTab("vehicles", false);
    this.stageClass("draw", name !== "select");
    this.stageClass("grab", false);
    if (focus) this.parts.focusStage();
    this.refreshHint();
    this.parts.sync();
    this.ask();
  }

  pick(mode) {
    this.useTool("pick", true);
    this.ui.tool.begin(mode);
  }

  focusGround(path) {
    this.parts.focusGround(path);
  }

  toggleSnap() {
    this.ui.snap = !this.ui.snap;
    localStorage.setItem("patrol-zones-snap", this.ui.snap ? "on" : "off");
    this.say(t(this.ui.snap ? "say.snapOn" : "say.snapOff"));
    this.parts.sync();
  }

  stageClass(name, on) {
    this.parts.stage?.svg.classList.toggle(name, on);
  }

  refreshHint() {
    const { hint } = this.ui.tool ?? {};
    this.parts.hint(hint ? t(hint) : "");
    this.parts.sync();
  }

  where(point) {
    this.parts.where(point ? `${Math.round(point[0])}, ${Math.round(point[1])}` : "");
  }

  /** Tell whoever listens to the page; `quiet` for what comes often. */
  say(words, quiet = false) {
    this.parts.say(words, quiet);
  }
}
