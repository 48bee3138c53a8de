// The vehicles in the picture and where they stand; the trial vehicle; the next picture.

import { h, icon, replace } from "./dom.js";
import { t, told, valueWords } from "./words.js";

export class VehiclePane {
  constructor(app) {
    this.app = app;
    this.element = h("div", { class: "pane" });
    this.build();
  }

  build() {
    const { app } = this;
    this.status = h("p", { class: "note", role: "status" });
    this.renew = h("button", { type: "button", class: "plain", onclick: () => app.renew() }, icon("camera"), h("span", { textContent: t("vehicles.next") }));
    this.renew.hidden = !app.canRenew;
    this.show = h("input", { type: "checkbox", id: "show-vehicles", checked: app.ui.showVehicles, onchange: () => app.setShowVehicles(this.show.checked) });
    this.trial = h("button", { type: "button", class: "plain", onclick: () => app.useTool("probe", true) }, icon("probe"), h("span", { textContent: t("vehicles.probe") }));
    const classes = app.schema.$defs.Zone.properties.classes.items.enum;
    this.label = h("select", { id: "probe-class", onchange: () => app.setProbe(null, this.label.value) }, classes.map((value) => h("option", { value, textContent: valueWords(value) })));
    this.sides = ["left", "top", "right", "bottom"].map((side, n) => {
      const input = h("input", { type: "text", inputmode: "numeric", "aria-label": t(`side.${side}`), onchange: () => {
        const box = [...app.probe.box];
        const value = Number(input.value);
        if (Number.isFinite(value)) box[n] = Math.round(value);
        app.setProbe(box);
      } });
      return input;
    });
    this.trialBox = h("div", { class: "card" },
      h("header", {}, h("span", { textContent: t("vehicles.trial") }), h("button", { type: "button", class: "icon small", "aria-label": t("vehicles.removeTrial"), title: t("vehicles.removeTrial"), onclick: () => app.removeProbe() }, icon("trash"))),
      h("div", { class: "fields" },
        h("div", { class: "field" }, h("div", { class: "label" }, h("label", { for: "probe-class", textContent: t("vehicles.class") })), h("div", { class: "input" }, this.label)),
        ...this.sides.map((input, n) => h("div", { class: "field half" }, h("div", { class: "label", "aria-hidden": "true", textContent: t(`side.${["left", "top", "right", "bottom"][n]}`) }), h("div", { class: "input" }, input, h("span", { class: "unit", textContent: "px" })))),
      ),
    );
    this.list = h("ul", { class: "stack" });
    replace(this.element, [
      h("h2", { class: "unseen", textContent: t("vehicles") }),
      h("div", { class: "row apart" }, h("label", { class: "switch", for: "show-vehicles" }, this.show, h("span", { textContent: t("vehicles.show") })), this.renew),
      this.status,
      h("div", { class: "row" }, this.trial),
      this.trialBox,
      this.list,
    ]);
  }

  sync() {
    const { app } = this;
    const count = app.seen?.length ?? 0;
    this.status.textContent =
      app.seenState === "off" ? t(app.shot ? "vehicles.off" : "vehicles.noPicture") : app.seenState === "busy" ? t("vehicles.busy") : app.seenState === "failed" ? t("vehicles.failed") : t("vehicles.count", { n: count });
    this.renew.disabled = app.renewing;
    this.show.checked = app.ui.showVehicles;
    this.trialBox.hidden = !app.probe;
    if (app.probe) {
      this.label.value = app.probe.label;
      this.sides.forEach((input, n) => document.activeElement !== input && (input.value = app.probe.box[n]));
    }
    const key = JSON.stringify([app.vehicles().map((one) => one.key), [...app.verdicts], app.ui.vehicle, document.documentElement.lang]);
    if (key === this.shown) return;
    this.shown = key;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    replace(this.list, app.vehicles().toReversed().map((vehicle) => this.#row(vehicle)));
    if (focused) this.list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #row(vehicle) {
    const { app } = this;
    const verdict = app.verdicts.get(vehicle.key);
    const state = !verdict ? "dull" : verdict.inside ? "bad" : "good";
    const words = !verdict ? t("verdict.unknown") : verdict.inside ? t("verdict.stands", { zone: verdict.zone }) : t("verdict.free");
    const score = vehicle.score ? ` ${Math.round(vehicle.score * 100)}%` : "";
    const button = h("button", { type: "button", class: "vehicle", "data-key": vehicle.key, onclick: () => app.chooseVehicle(vehicle.key) },
      h("span", { class: "row apart" }, h("strong", { textContent: vehicle.key === "probe" ? `${t("vehicles.trial")}: ${valueWords(vehicle.label)}` : `${valueWords(vehicle.label)}${score}` }), h("span", { class: `badge ${state}`, textContent: words })),
      h("span", { class: "why", textContent: verdict ? told(verdict.why) : t("verdict.later") }),
    );
    if (vehicle.key === app.ui.vehicle) button.setAttribute("aria-current", "true");
    return h("li", {}, button);
  }
}
