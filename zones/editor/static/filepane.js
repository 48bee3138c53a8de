// The keys at the top of the file, and the ground: calibration with its residuals.

import { h, icon, replace } from "./dom.js";
import { fieldsOf, UnknownKeys } from "./form.js";
import { getAt, setAt } from "./store.js";
import { t, told } from "./words.js";

function contextOf(app) {
  const { store } = app;
  return {
    definitions: app.schema.$defs,
    get: (path) => getAt(store.doc.head, path),
    set: (path, value, merge) =>
      store.change({ key: "did.setHead", field: `ZoneFile.${path[0]}` }, { ...store.doc, head: setAt(store.doc.head, path, value) }, { merge: merge ? `head ${path.join(".")}` : null }),
    faults: (path) => app.judgement.faults.filter((fault) => fault.zone === null && path.length && path.every((part, n) => fault.path[n] === part) && fault.path.length === path.length),
  };
}

export class FilePane {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "pane" });
    this.build();
  }

  build() {
    const context = { ...contextOf(this.app), skip: (model, name) => model === "ZoneFile" && ["zone", "calibration", "picture"].includes(name) };
    this.fields = fieldsOf(context, { ...this.app.schema, model: "ZoneFile" }, []);
    this.unknown = new UnknownKeys(context, { ...this.app.schema, model: "ZoneFile" }, []);
    this.picture = h("p", { class: "note" });
    replace(this.element, [
      h("h2", { class: "unseen", textContent: t("file") }),
      h("p", { class: "hint-text", textContent: this.app.file.path }),
      this.unknown.element,
      h("div", { class: "fields flat" }, ...this.fields.map((one) => one.element)),
      this.picture,
    ]);
  }

  sync() {
    const [width, height] = this.app.store.size;
    this.picture.textContent = t("file.picture", { width, height, source: this.app.shot?.source ?? t("file.noSource") });
    this.unknown.sync();
    this.fields.forEach((one) => one.sync());
  }
}

export class GroundPane {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "pane" });
    this.build();
  }

  build() {
    const { app } = this;
    const button = (name, sign, go) => h("button", { type: "button", class: "plain", onclick: go }, icon(sign), h("span", { textContent: t(name) }));
    this.intro = h("p", { class: "note", textContent: t("ground.intro") });
    this.rectangle = button("ground.rectangle", "rect", () => app.pick("rectangle"));
    this.point = button("ground.point", "point", () => app.pick("point"));
    this.remove = button("ground.remove", "trash", () => {
      const { calibration: _, ...head } = app.store.doc.head;
      app.store.change({ key: "did.removeGround" }, { ...app.store.doc, head });
    });
    this.show = h("input", { type: "checkbox", id: "show-grid", checked: app.ui.showGrid, onchange: () => app.setShowGrid(this.show.checked) });
    this.result = h("div", { class: "stack", "aria-live": "polite" });
    this.context = contextOf(app);
    const model = { ...app.schema.$defs.Calibration, model: "Calibration" };
    this.rectangleFields = fieldsOf(this.context, model, ["calibration"], ["rectangle"]);
    this.pointFields = fieldsOf(this.context, model, ["calibration"], ["point"]);
    this.otherFields = fieldsOf({ ...this.context, skip: (_, name) => ["point", "rectangle"].includes(name) }, model, ["calibration"]);
    const boxed = (fields) => h("div", { class: "fields flat" }, ...fields.map((one) => one.element));
    [this.rectangleBox, this.pointBox, this.otherBox] = [this.rectangleFields, this.pointFields, this.otherFields].map(boxed);
    replace(this.element, [
      h("h2", { class: "unseen", textContent: t("ground") }),
      this.intro,
      h("div", { class: "row" }, this.rectangle, this.point),
      h("label", { class: "switch", for: "show-grid" }, this.show, h("span", { textContent: t("ground.grid") })),
      this.result,
      this.rectangleBox,
      this.pointBox,
      this.otherBox,
      h("div", { class: "row" }, this.remove),
    ]);
  }

  sync() {
    const { app } = this;
    const calibration = app.store.doc.head.calibration;
    const there = Boolean(calibration && typeof calibration === "object");
    const has = { rectangle: Boolean(calibration?.rectangle), point: Boolean(calibration?.point?.length) };
    this.rectangle.disabled = has.point;
    this.point.disabled = has.rectangle;
    this.rectangleBox.hidden = !has.rectangle;
    this.pointBox.hidden = !has.point;
    this.otherBox.hidden = this.remove.parentElement.hidden = !there;
    if (there) for (const one of [...this.rectangleFields, ...this.pointFields, ...this.otherFields]) one.sync();
    this.#syncResult(there);
  }

  #syncResult(there) {
    const { ground } = this.app;
    const key = JSON.stringify([there, ground, document.documentElement.lang]);
    if (key === this.shown) return;
    this.shown = key;
    if (!there || !ground) {
      replace(this.result, []);
      return;
    }
    if (ground.error) {
      replace(this.result, [h("div", { class: "note bad" }, h("strong", { textContent: told(ground.error.problem) }), ground.error.mend ? h("p", { textContent: told(ground.error.mend) }) : null)]);
      return;
    }
    const name = (raw) => raw.replace("point", t("ground.aPoint")).replace("corner", t("ground.aCorner"));
    const cell = (tag, text, scope) => h(tag, { textContent: text, ...(scope ? { scope } : {}) });
    const table = h("table", { class: "residuals" },
      h("caption", { class: "unseen", textContent: t("ground.residuals") }),
      h("thead", {}, h("tr", {}, cell("th", t("ground.residuals"), "col"), cell("th", "cm", "col"), cell("th", "px", "col"))),
      h("tbody", {}, ...ground.points.map((point) => h("tr", {}, cell("th", name(point.name), "row"), cell("td", point.cm.toFixed(1)), cell("td", point.px.toFixed(1))))),
      h("tfoot", {}, h("tr", {}, cell("th", t("ground.mean"), "row"), cell("td", ground.rms_cm.toFixed(1)), cell("td", ground.rms_px.toFixed(1)))),
    );
    replace(this.result, [h("p", { class: "note", textContent: t(ground.proves ? "ground.proves" : "ground.provesNothing", { step: ground.step_m }) }), table]);
  }
}
