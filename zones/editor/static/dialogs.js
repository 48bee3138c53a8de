// Questions that wait for an answer, one at a time.

import { h } from "./dom.js";
import { t } from "./words.js";

/**
 * Ask something.
 * @param actions [{value, label, kind, disabled}]; the last one is focused. Escape answers null.
 * @returns the value of the button that was pressed, or null.
 */
export function ask({ title, body = [], actions, focus = null, wait = null }) {
  return new Promise((done) => {
    const id = `d${Math.random().toString(36).slice(2)}`;
    const buttons = actions.map(({ value, label, kind = "plain" }) => h("button", { type: "button", class: kind, onclick: () => close(value) }, label));
    const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id, textContent: title }), h("div", { class: "body" }, ...body), h("div", { class: "actions" }, ...buttons));
    let answer = null;
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (focus ?? buttons.at(-1)).focus();
    wait?.(dialog, buttons, close);
  });
}

/** What saving would change: the steps by name and the difference of the text. */
export async function showChanges({ steps, ask: difference, canSave, dirty }) {
  const text = h("div", { class: "diff", tabindex: "0", role: "group", "aria-label": t("changes.text") }, h("pre", { textContent: t("wait") }));
  const note = h("p", { class: "note bad", textContent: t("changes.rewritten") });
  note.hidden = true;
  const body = [];
  if (steps.length) body.push(h("ol", { class: "named", "aria-label": t("changes.steps") }, ...steps.map((step) => h("li", { textContent: step }))));
  body.push(text, note);
  const actions = [{ value: null, label: t("close") }];
  if (dirty) actions.push({ value: "save", label: t("save"), kind: "primary" });
  return ask({
    title: t("changes.title"),
    body,
    actions,
    wait: async (dialog, buttons) => {
      if (dirty) buttons.at(-1).disabled = !canSave;
      try {
        const { lines, kept } = await difference();
        note.hidden = kept;
        const kind = (line) => (/^(\+\+\+|---|@@)/.test(line) ? "at" : line[0] === "+" ? "add" : line[0] === "-" ? "del" : "");
        text.replaceChildren(h("pre", {}, ...(lines.length ? lines : [t("changes.none")]).map((line) => h("span", { class: kind(line), textContent: line || " " }))));
      } catch (error) {
        text.replaceChildren(h("pre", { textContent: error.message }));
      }
    },
  });
}

/** Ask for a file name. */
export async function askName(suggestion, problem = "") {
  const input = h("input", { type: "text", id: "save-name", value: suggestion, autocomplete: "off", spellcheck: "false", maxlength: 200 });
  const form = h("div", { class: `field${problem ? " wrong" : ""}` }, h("label", { for: "save-name", textContent: t("saveas.name") }), h("div", { class: "input" }, input), h("p", { class: problem ? "fault-text" : "hint-text", textContent: problem || t("saveas.hint") }));
  const answer = await ask({
    title: t("saveas"),
    body: [form],
    actions: [{ value: null, label: t("cancel") }, { value: "save", label: t("save"), kind: "primary" }],
    focus: input,
    wait: (dialog, buttons, close) => {
      input.select();
      input.addEventListener("keydown", (e) => e.key === "Enter" && close("save"));
    },
  });
  return answer ? input.value.trim() : null;
}

const KEYS = [
  ["V", "tool.select"], ["P", "tool.polygon"], ["R", "tool.rectangle"], ["B", "tool.probe"],
  ["+ −", "keys.zoom"], ["0", "fit"], ["← ↑ → ↓", "keys.move"], ["Shift + ←", "keys.far"],
  ["Space", "keys.place"], ["Enter", "keys.close"], ["Backspace", "keys.back"], ["Esc", "keys.escape"],
  ["[ ]", "keys.zones"], [", .", "keys.vertices"], ["A", "vertex.add"], ["Delete", "keys.delete"],
  ["Ctrl + D", "zone.copy"], ["Ctrl + Z", "undo"], ["Ctrl + Shift + Z", "redo"], ["Ctrl + S", "save"],
  ["Alt", "keys.alt"], ["Space + ↔", "keys.pan"], ["S", "snap"], ["?", "keys"],
];

/** All keys of the page. */
export const showKeys = () =>
  ask({
    title: t("keys"),
    body: [h("p", { class: "hint-text", textContent: t("keys.intro") }), h("div", { class: "keys" }, ...KEYS.map(([key, words]) => h("div", {}, h("span", { textContent: t(words) }), h("kbd", { textContent: key }))))],
    actions: [{ value: null, label: t("close"), kind: "primary" }],
  });
