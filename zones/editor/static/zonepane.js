// The list of zones, what is wrong or odd, and the form of the chosen zone.

import { h, icon, replace } from "./dom.js";
import { fieldsOf, keyNames, UnknownKeys } from "./form.js";
import { getAt, setAt } from "./store.js";
import { keyWords, t, told, valueWords } from "./words.js";

/** How the keys of a zone are grouped; a key that is not named here appears under "more". */
const GROUPS = {
  meaning: ["id", "name", "kind", "place"],
  presence: ["classes", "enter_ratio", "leave_ratio", "min_height_px", "min_length_m", "priority"],
  hours: ["hours", "exempt"],
  times: ["confirm_after_s", "grace_s", "recheck_window_s", "renotice_after_s"],
  after: ["unnotifiable", "unverified"],
};

export class ZonePane {
  constructor(app) {
    this.app = app;
    this.opened = new Set(["meaning"]);
    this.list = h("ul", { class: "zone-list" });
    this.problems = h("div", { class: "problems" });
    this.form = h("div", { class: "form" });
    this.rows = new Map();
    this.element = h("div", { class: "pane" });
    this.build();
  }

  /** Build again in the page's language. */
  build() {
    const { app } = this;
    this.rows.clear();
    this.formOf = null;
    const draw = (name, tool) => h("button", { type: "button", class: "plain", onclick: () => app.useTool(tool, true) }, icon(tool === "polygon" ? "polygon" : "rect"), h("span", { textContent: t(name) }));
    this.empty = h("div", { class: "empty" }, h("p", { textContent: t("zones.empty") }), h("div", { class: "row" }, draw("tool.polygon", "polygon"), draw("tool.rectangle", "rectangle")));
    this.title = h("h2", { class: "unseen", textContent: t("zones") });
    replace(this.element, [this.title, this.empty, this.list, this.problems, this.form]);
  }

  sync() {
    const { store } = this.app;
    this.empty.hidden = store.doc.zones.length > 0;
    this.#syncList();
    this.#syncProblems();
    this.#syncForm();
  }

  #syncList() {
    const { store, judgement } = this.app;
    const items = store.doc.zones.map((zone, number) => {
      let row = this.rows.get(zone.uid);
      if (!row) {
        const parts = { swatch: h("span", { class: "swatch" }), name: h("strong"), facts: h("small"), badge: h("span", { class: "badge" }) };
        const button = h("button", { type: "button", class: "zone-item", onclick: () => this.app.chooseZone(zone.uid) }, parts.swatch, h("span", {}, parts.name, parts.facts), parts.badge);
        row = { ...parts, button, item: h("li", {}, button) };
        this.rows.set(zone.uid, row);
      }
      const kind = zone.data.kind ?? "no_parking";
      const wrong = judgement.faults.filter((fault) => fault.zone === number).length;
      const odd = judgement.remarks.filter((remark) => remark.zone === zone.data.id).length;
      row.swatch.className = `swatch kind-${kind}`;
      row.name.textContent = zone.data.name || zone.data.id || t("zones.unnamed");
      row.facts.textContent = `${zone.data.id ?? "?"} · ${valueWords(kind)}`;
      row.badge.hidden = !wrong && !odd;
      row.badge.className = `badge ${wrong ? "bad" : "odd"}`;
      row.badge.textContent = wrong ? t("count.errors", { n: wrong }) : t("count.remarks", { n: odd });
      if (zone.uid === store.chosen.uid) row.button.setAttribute("aria-current", "true");
      else row.button.removeAttribute("aria-current");
      return row.item;
    });
    replace(this.list, items);
  }

  #syncProblems() {
    const { store, judgement } = this.app;
    const key = JSON.stringify([judgement.faults, judgement.remarks]);
    if (this.shownProblems === key && this.problems.lang === document.documentElement.lang) return;
    this.shownProblems = key;
    this.problems.lang = document.documentElement.lang;
    const button = (bad, zone, problem, mend, go) =>
      h("button", { type: "button", class: `problem ${bad ? "bad" : "odd"}`, onclick: go }, icon(bad ? "error" : "warn"), h("span", {}, zone ? h("strong", { textContent: `${zone}: ` }) : null, told(problem), mend ? h("small", { textContent: told(mend) }) : null));
    const wrong = judgement.faults.map((fault) => {
      const zone = store.doc.zones[fault.zone];
      const name = zone ? (zone.data.id ?? `#${fault.zone + 1}`) : "";
      const key = fault.path.length && fault.path[0] !== "polygon" ? keyWords(zone ? "Zone" : "ZoneFile", fault.path[0], {}).title : "";
      return button(true, [name, key].filter(Boolean).join(" · "), fault.problem, fault.mend, () => this.app.showFault(fault));
    });
    const odd = judgement.remarks.map((remark) => {
      const zone = store.doc.zones.find((one) => one.data.id === remark.zone);
      return button(false, remark.zone, remark.problem, remark.mend, () => zone && this.app.showRemark(zone.uid, remark));
    });
    replace(this.problems, store.doc.zones.length ? [...wrong, ...odd] : []);
  }

  #syncForm() {
    const { store } = this.app;
    const zone = store.zone();
    this.form.hidden = !zone;
    if (!zone) {
      this.formOf = null;
      replace(this.form, []);
      return;
    }
    if (this.formOf !== zone.uid) this.#buildForm(zone.uid);
    this.unknown.sync();
    for (const group of this.groups) {
      const wrong = group.names.reduce((sum, name) => sum + this.context.faults([name], true).length, 0);
      group.badge.hidden = !wrong;
      group.badge.textContent = t("count.errors", { n: wrong });
      group.fields.forEach((one) => one.sync());
    }
  }

  #buildForm(uid) {
    const { app } = this;
    const { store } = app;
    this.formOf = uid;
    const number = () => store.number(uid);
    this.context = {
      definitions: app.schema.$defs,
      kindSwatch: true,
      get: (path) => getAt(store.zone(uid)?.data, path),
      set: (path, value, merge) => {
        const zone = store.zone(uid);
        const name = { key: "did.setKey", id: zone.data.id ?? "?", field: `Zone.${path[0]}` };
        store.changeZone(uid, name, (data) => setAt(data, path, value), { merge: merge ? `field ${uid} ${path.join(".")}` : null });
      },
      faults: (path, deep = false) =>
        app.judgement.faults.filter((fault) => fault.zone === number() && path.every((part, n) => fault.path[n] === part) && (deep || fault.path.length === path.length || path[0] === "polygon" || !isTable(getAt(store.zone(uid)?.data, path)))),
      focusPoint: (path, n) => path[0] === "polygon" && store.choose(uid, n),
    };
    const schema = { $ref: "#/$defs/Zone" };
    const known = new Set([...Object.values(GROUPS).flat(), "polygon"]);
    const more = keyNames(this.context, schema).filter((name) => !known.has(name));
    const layout = { ...GROUPS, more, polygon: ["polygon"] };
    this.groups = Object.entries(layout)
      .filter(([, names]) => names.length)
      .map(([key, names]) => {
        const fields = names.flatMap((name) => fieldsOf(this.context, schema, [], [name]));
        const badge = h("span", { class: "badge bad" });
        const element = h("details", { class: "group", "data-group": key, open: this.opened.has(key), ontoggle: () => this.opened[element.open ? "add" : "delete"](key) },
          h("summary", {}, h("span", { textContent: t(`group.${key}`) }), badge),
          h("div", { class: "fields" }, ...fields.map((one) => one.element)),
        );
        return { key, names, fields, badge, element };
      });
    this.unknown = new UnknownKeys(this.context, schema, []);
    replace(this.form, [this.unknown.element, ...this.groups.map((group) => group.element)]);
  }

  /** Open and focus the field of a fault. */
  focusField(path) {
    const group = this.groups?.find((one) => one.names.includes(path[0]));
    if (group) group.element.open = true;
    const fields = [...(group?.element ?? this.form).querySelectorAll("[data-path]")];
    const best = fields.filter((one) => path.join(".").startsWith(one.dataset.path)).at(-1);
    const input = best?.querySelector("input,select,textarea,button");
    input?.focus();
    best?.scrollIntoView({ block: "center" });
  }
}

const isTable = (value) => Array.isArray(value) && value.some((one) => one && typeof one === "object" && !Array.isArray(one));
