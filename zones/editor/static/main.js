// The page: puts the parts together, and the bar, the keys, saving and leaving.

import { get, post, Refused } from "./api.js";
import { App } from "./app.js";
import { ask, askName, showChanges, showKeys } from "./dialogs.js";
import { h, icon, replace } from "./dom.js";
import { Draft } from "./draft.js";
import { DrawPolygon, DrawRectangle, Probe } from "./drawing.js";
import { FilePane, GroundPane } from "./filepane.js";
import { Gestures } from "./gestures.js";
import { keys } from "./keys.js";
import { Pick } from "./picktool.js";
import { Select } from "./select.js";
import { Stage } from "./stage.js";
import { VehiclePane } from "./vehiclepane.js";
import { currentLanguage, loadWords, relabel, setLanguage, t, told } from "./words.js";
import { ZonePane } from "./zonepane.js";

const $ = (id) => document.getElementById(id);
const TABS = ["zones", "vehicles", "ground", "file"];
const parts = {};
const app = new App(parts);
let draft = null;
let leaving = false;

// --- what the page says

let quietTimer = 0;
parts.say = (words, quiet) => {
  clearTimeout(quietTimer);
  quietTimer = setTimeout(() => ($("say").textContent = words), quiet ? 400 : 0);
};
let toastTimer = 0;
parts.toast = (words) => {
  $("toast").textContent = words;
  $("toast").classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => $("toast").classList.remove("on"), 4200);
};
parts.banner = (words, actions) => {
  $("banner").hidden = !words;
  replace($("banner"), words ? [h("span", { class: "grow", textContent: words }), ...actions.map(({ label, go }) => h("button", { type: "button", class: "plain", onclick: go }, label))] : []);
};
parts.hint = (words) => {
  $("hint").hidden = !words;
  $("hint").textContent = words;
  if (words) parts.say(words);
};
parts.where = (words) => ($("where").textContent = words);
parts.focusStage = () => $("stage").focus({ preventScroll: true });

// --- panel

const isPhone = () => matchMedia("(max-width: 899px)").matches;

parts.openTab = (name, open = true) => {
  app.ui.tab = name;
  for (const tab of TABS) {
    $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    $(`pane-${tab}`).hidden = tab !== name;
  }
  if (open && isPhone()) openSheet(true);
  if (name === "ground" && app.ui.tool?.name !== "pick") app.useTool("pick");
  else if (name !== "ground" && app.ui.tool?.name === "pick") app.useTool("select");
  parts.sync();
  app.ask();
};

function openSheet(open) {
  $("panel").classList.toggle("open", open);
  $("sheet").setAttribute("aria-expanded", String(open));
  $("sheet").setAttribute("aria-label", t(open ? "sheet.close" : "sheet.open"));
  $("panes").inert = isPhone() && !open;
}

parts.focusGround = (path) => {
  parts.openTab("ground");
  const field = document.querySelector(`[data-path="${CSS.escape(path)}"]`) ?? document.querySelector(`[data-path^="${CSS.escape(path)}"]`);
  field?.querySelector("input")?.focus();
  field?.scrollIntoView({ block: "center" });
};

function buildPanel() {
  parts.zonePane = new ZonePane(app);
  parts.panes = { zones: parts.zonePane, vehicles: new VehiclePane(app), ground: new GroundPane(app), file: new FilePane(app) };
  const tabs = TABS.map((name) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `pane-${name}`, onclick: () => parts.openTab(name) }));
  $("tabs").replaceChildren(...tabs);
  $("tabs").addEventListener("keydown", (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    e.preventDefault();
    const next = TABS[(TABS.indexOf(app.ui.tab) + by + TABS.length) % TABS.length];
    parts.openTab(next);
    $(`tab-${next}`).focus();
  });
  $("panes").replaceChildren(
    ...TABS.map((name) => h("section", { role: "tabpanel", id: `pane-${name}`, "aria-labelledby": `tab-${name}`, tabindex: "-1" }, parts.panes[name].element)),
  );
  $("sheet").addEventListener("click", () => openSheet(!$("panel").classList.contains("open")));
}

function labelTabs() {
  const faults = app.judgement.faults;
  const inside = (path) => faults.filter((fault) => fault.zone === null && (fault.path[0] === "calibration") === path).length;
  const counts = { zones: app.store.doc.zones.length, vehicles: app.vehicles().length, ground: 0, file: 0 };
  const wrong = { zones: faults.filter((fault) => fault.zone !== null).length, vehicles: 0, ground: inside(true), file: inside(false) };
  for (const name of TABS) {
    const count = wrong[name] || counts[name];
    const badge = count ? h("span", { class: `count${wrong[name] ? " bad" : ""}`, textContent: wrong[name] ? `! ${count}` : count }) : null;
    replace($(`tab-${name}`), [document.createTextNode(t(name)), badge]);
  }
}

// --- tools

function toolButton(name, sign, label, go, pressed = null) {
  const button = h("button", { type: "button", class: "icon", id: `tool-${name}`, "aria-label": t(label), title: t(label), onclick: go }, icon(sign));
  if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
  return button;
}

const toolbars = {};
function buildToolbars() {
  const focusOf = (bar) => document.activeElement?.closest(`#${bar}`) && document.activeElement.id;
  const focused = ["tools", "zoom", "context"].map(focusOf).find(Boolean);
  const tool = (name, sign) => toolButton(name, sign, `tool.${name}`, () => app.useTool(name, true), false);
  toolbars.tools = [tool("select", "select"), tool("polygon", "polygon"), tool("rectangle", "rect"), tool("probe", "probe")];
  toolbars.snap = toolButton("snap", "snap", "snap", () => app.toggleSnap(), app.ui.snap);
  toolbars.finish = toolButton("finish", "check", "tool.finish", () => app.ui.tool.finish());
  toolbars.back = toolButton("back", "unpoint", "tool.back", () => app.ui.tool.back());
  replace($("tools"), [...toolbars.tools, h("hr"), toolbars.snap]);
  const plus = toolButton("in", "plus", "zoom.in", () => app.view.zoom(1.4));
  const less = toolButton("out", "minus", "zoom.out", () => app.view.zoom(1 / 1.4));
  for (const one of [plus, less]) one.classList.add("more-zoom");
  replace($("zoom"), [plus, less, toolButton("fit", "fit", "fit", () => app.view.fit())]);
  toolbars.vertex = [toolButton("add-vertex", "point", "vertex.add", () => app.addVertex()), toolButton("remove-vertex", "unpoint", "vertex.remove", () => app.removeVertex())];
  toolbars.zone = [toolButton("copy", "copy", "zone.copy", () => app.copyZone()), toolButton("remove", "trash", "zone.remove", () => app.removeZone())];
  if (focused) $(focused)?.focus();
}

function syncToolbars() {
  const { ui, store } = app;
  for (const button of toolbars.tools) button.setAttribute("aria-pressed", String(button.id === `tool-${ui.tool?.name}`));
  toolbars.snap.setAttribute("aria-pressed", String(ui.snap));
  const drawing = ui.tool?.name === "polygon" && ui.tool.points.length > 0;
  const zone = ui.tool?.name === "select" && store.zone();
  $("context").hidden = !drawing && !zone;
  toolbars.finish.disabled = drawing && ui.tool.points.length < 3;
  toolbars.vertex[1].disabled = store.chosen.vertex === null;
  replace($("context"), drawing ? [toolbars.back, toolbars.finish] : zone ? [...toolbars.vertex, ...toolbars.zone] : []);
}

// --- bar

function syncBar() {
  const { store } = app;
  $("file-name").textContent = app.file.name;
  const words = store.dirty ? t("unsaved") : app.file.digest ? "" : t("new");
  replace($("dirty"), words ? [document.createTextNode("● "), h("span", { textContent: words })] : []);
  document.title = `${store.dirty ? "● " : ""}${app.file.name} · ${t("zones")}`;
  for (const [id, list, key] of [["undo", store.past, "undo"], ["redo", store.future, "redo"]]) {
    const last = list.at(-1);
    $(id).disabled = !last;
    const label = last ? t(`${key}.what`, { what: app.nameOf(last.name) }) : t(key);
    $(id).setAttribute("aria-label", label);
    $(id).title = label;
  }
  const blocked = !app.judgement.valid;
  $("save").disabled = blocked || (!store.dirty && Boolean(app.file.digest));
  $("save").title = blocked ? t("save.blocked") : "";
  $("changes").disabled = !store.dirty;
}

let asked = false;
parts.sync = () => {
  if (asked || !parts.panes) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (leaving) return;
    syncBar();
    syncToolbars();
    labelTabs();
    parts.panes[app.ui.tab].sync();
  });
};

// --- language and theme

function dress() {
  relabel();
  $("language").textContent = currentLanguage() === "zh" ? "English" : "中文";
  $("language").lang = currentLanguage() === "zh" ? "en" : "zh-Hans";
  $("stage").setAttribute("aria-label", t("stage"));
  buildToolbars();
  buildMenu();
  for (const pane of Object.values(parts.panes)) pane.build();
  openSheet($("panel").classList.contains("open"));
  app.refreshHint();
  parts.sync();
  app.ask();
}

function switchLanguage() {
  setLanguage(currentLanguage() === "zh" ? "en" : "zh");
  dress();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme() {
  const chosen = localStorage.getItem("patrol-zones-theme");
  document.documentElement.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
}
function switchTheme() {
  localStorage.setItem("patrol-zones-theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  applyTheme();
}
applyTheme();
dark.addEventListener("change", applyTheme);

function buildMenu() {
  const item = (label, sign, go, key = "") =>
    h("button", { type: "button", role: "menuitem", onclick: () => {
      $("menu").hidePopover();
      go();
    } }, icon(sign), h("span", { textContent: label }), key ? h("span", { class: "key", "aria-hidden": "true", textContent: key }) : null);
  replace($("menu"), [
    item(t("changes"), "diff", () => changes()),
    item(t("saveas"), "saveas", () => saveAs()),
    app.canRenew ? item(t("vehicles.next"), "camera", () => app.renew()) : null,
    h("hr"),
    item(currentLanguage() === "zh" ? "English" : "中文", "lang", switchLanguage),
    item(t("theme"), "theme", switchTheme),
    item(t("keys"), "keys", showKeys, "?"),
    h("hr"),
    item(t("quit"), "power", quit),
  ]);
}
$("menu").addEventListener("keydown", (e) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!by) return;
  e.preventDefault();
  const items = [...$("menu").querySelectorAll("button")];
  items[(items.indexOf(document.activeElement) + by + items.length) % items.length].focus();
});
$("menu").addEventListener("toggle", (e) => e.newState === "open" && $("menu").querySelector("button").focus());

// --- saving

const question = (name) => ({ data: app.store.data(), origins: app.store.originsOf(), base: app.file.digest, ...(name ? { name } : {}) });

async function changes(valid = app.judgement.valid) {
  const steps = app.store.past.map(({ name }) => app.nameOf(name));
  const answer = await showChanges({ steps, ask: () => post("changes", question()), canSave: valid, dirty: app.store.dirty });
  if (answer === "save") await save();
}

/** Shows what would be written, then writes it. */
async function review() {
  try {
    if (!app.store.dirty && app.file.digest) app.say(t("save.nothing"));
    else if (!(await app.judgeNow())) {
      app.say(t("save.blocked"));
      parts.toast(t("save.blocked"));
    } else if (app.store.dirty) await changes(true);
    else await save();
  } catch (error) {
    app.complain(error);
  }
}

async function save(name = null) {
  try {
    const doc = app.store.doc;
    app.file = { ...app.file, ...(await post("save", question(name))) };
    app.store.saved(doc);
    draft.forget();
    draft = new Draft(app.file.path);
    parts.keepDraft();
    parts.banner("", []);
    parts.toast(t("saved", { name: app.file.name }));
    app.say(t("saved", { name: app.file.name }));
    parts.sync();
    return true;
  } catch (error) {
    if (error instanceof Refused && error.status === 409) await conflict();
    else if (name && error instanceof Refused && error.status === 400) await saveAs(name, told(error.error.problem));
    else app.complain(error);
    return false;
  }
}

async function saveAs(name = null, problem = "") {
  const [stem, ending] = app.file.name.match(/^(.*?)(\.[^.]+)$/)?.slice(1) ?? [app.file.name, ".toml"];
  const wanted = await askName(name ?? `${stem}-2${ending}`, problem);
  if (wanted) await save(wanted);
}

async function conflict() {
  const answer = await ask({
    title: t("conflict.title"),
    body: [h("p", { textContent: t("conflict.text", { name: app.file.name }) })],
    actions: [
      { value: null, label: t("cancel") },
      { value: "reload", label: t("conflict.reload"), kind: "danger" },
      { value: "as", label: t("saveas"), kind: "primary" },
    ],
  });
  if (answer === "reload") await reload();
  if (answer === "as") await saveAs();
}

async function reload() {
  try {
    const answer = await post("open");
    draft.forget();
    app.opened(answer);
    parts.banner("", []);
    app.say(t("say.reloaded"));
  } catch (error) {
    app.complain(error);
  }
}

/** Somebody else may write the file meanwhile: told when one comes back to the page. */
async function checkDisk() {
  if (leaving || document.visibilityState !== "visible") return;
  try {
    const { digest } = await get("disk");
    if (app.disconnected) {
      app.disconnected = false;
      parts.banner("", []);
    }
    if (digest !== app.file.digest) parts.banner(t("conflict.text", { name: app.file.name }), [{ label: t("conflict.reload"), go: reload }, { label: t("saveas"), go: () => saveAs() }]);
  } catch {
    // The next question tells that the server is gone.
  }
}
addEventListener("focus", checkDisk);
document.addEventListener("visibilitychange", checkDisk);

async function quit() {
  if (app.store.dirty) {
    const answer = await ask({
      title: t("quit.title"),
      body: [h("p", { textContent: t("quit.text") })],
      actions: [
        { value: null, label: t("cancel") },
        { value: "leave", label: t("quit.without"), kind: "danger" },
        { value: "save", label: t("save"), kind: "primary" },
      ],
    });
    if (answer === null) return;
    if (answer === "save") {
      if (!(await save())) return;
    } else draft.forget();
  }
  leaving = app.ended = true;
  app.say = app.ask = () => {};
  await post("quit").catch(() => null);
  document.body.replaceChildren(h("main", { class: "goodbye" }, h("h1", { textContent: t("goodbye") }), h("p", { textContent: t("goodbye.text") })));
}

addEventListener("beforeunload", (e) => {
  if (leaving || !app.store.dirty) return;
  writeDraft();
  e.preventDefault();
});

const writeDraft = () => draft.write({ data: app.store.data(), origins: app.store.originsOf(), base: app.file.digest });
parts.keepDraft = () => {
  if (!draft) return;
  if (app.store.dirty) draft.keep(() => ({ data: app.store.data(), origins: app.store.originsOf(), base: app.file.digest }));
  else draft.forget();
};

async function offerDraft() {
  const kept = draft.read();
  if (!kept) return;
  const when = new Date(kept.at).toLocaleString(document.documentElement.lang);
  const changed = kept.base !== app.file.digest;
  const answer = await ask({
    title: t("draft.title"),
    body: [h("p", { textContent: t("draft.text", { when }) }), changed ? h("p", { class: "note bad", textContent: t("draft.changed") }) : null],
    actions: [
      { value: "discard", label: t("draft.discard"), kind: "danger" },
      { value: "restore", label: t("draft.restore"), kind: "primary" },
    ],
  });
  if (answer === "restore") app.store.restore(kept.data, changed ? kept.origins.map(() => null) : kept.origins, { key: "did.restore" });
  else if (answer === "discard") draft.forget();
}

// --- begin

async function begin() {
  await loadWords();
  const answer = await post("open");
  Object.assign(app, { schema: answer.schema, file: answer, canRenew: answer.can_renew, shot: answer.shot });
  parts.tools = { select: new Select(app), polygon: new DrawPolygon(app), rectangle: new DrawRectangle(app), probe: new Probe(app), pick: new Pick(app) };
  app.ui.tool = parts.tools.select;
  buildPanel();
  parts.stage = new Stage($("stage"), $("loupe"), app);
  app.view.insets = isPhone() ? { left: 8, top: 8, right: 8, bottom: 132 } : { left: 76, top: 16, right: 16, bottom: 40 };
  app.gestures = new Gestures($("stage"), app);
  dress();
  app.opened(answer);
  draft = new Draft(app.file.path);
  $("undo").addEventListener("click", () => app.undo());
  $("redo").addEventListener("click", () => app.redo());
  $("save").addEventListener("click", review);
  $("changes").addEventListener("click", () => changes());
  $("language").addEventListener("click", switchLanguage);
  $("theme").addEventListener("click", switchTheme);
  keys(app, { save: review, help: showKeys });
  parts.openTab("zones", false);
  document.documentElement.dataset.ready = "yes";
  await offerDraft();
}

begin().catch((error) => {
  parts.banner(error instanceof Refused && error.error.problem ? told(error.error.problem) : String(error), []);
  throw error;
});
