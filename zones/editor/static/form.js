// Forms made from the zone file's own JSON Schema: a new key of the format appears here by itself, with its title,
// description, range and default. Values go through `context`; the server judges them.

import { h, icon, replace } from "./dom.js";
import { duration, keyWords, t, told, valueWords } from "./words.js";

let ids = 0;

/**
 * @param context {definitions, get(path), set(path, value, merge), faults(path), skip(model, name), kindSwatch}
 * A field is {element, sync()}; `sync` brings it up to date with the document.
 */
export function fieldsOf(context, schema, path, names = null) {
  const { model, core } = resolve(context, schema);
  const required = new Set(core.required ?? []);
  return Object.entries(core.properties ?? {})
    .filter(([name, property]) => (names ? names.includes(name) : true) && !("const" in property) && !context.skip?.(model, name))
    // A table whose title is its model's own is written without one.
    .map(([name, property]) => [name, property.title ? property : { ...property, title: resolve(context, property).core?.title }])
    .map(([name, property]) => field(context, { model, name, schema: property, path: [...path, name], required: required.has(name) }));
}

/** Keys that the format does not know, each with a way to remove it. */
export class UnknownKeys {
  element = h("div", { class: "stack" });

  constructor(context, schema, path) {
    Object.assign(this, { context, path, known: new Set(keyNames(context, schema)) });
  }

  sync() {
    const data = this.context.get(this.path);
    const unknown = Object.keys(data && typeof data === "object" ? data : {}).filter((key) => !this.known.has(key));
    const shown = unknown.join("\n");
    if (shown === this.shown) return;
    this.shown = shown;
    replace(this.element, unknown.map((key) =>
      h("div", { class: "note bad row apart", "data-path": [...this.path, key].join(".") }, h("code", { textContent: key }), h("button", { type: "button", class: "danger", "aria-label": t("form.removeUnknown", { key }), onclick: () => this.context.set([...this.path, key], undefined) }, t("form.remove"))),
    ));
  }
}

/** The names of a table's keys, in the format's own order. */
export function keyNames(context, schema) {
  return Object.keys(resolve(context, schema).core.properties ?? {});
}

/** What may be written apart from nothing at all, and the model's name. */
export function resolve(context, schema) {
  const choice = schema.anyOf?.find((one) => one.type !== "null") ?? schema;
  const ref = choice.$ref ?? choice.allOf?.[0]?.$ref;
  const model = ref?.split("/").at(-1) ?? schema.model ?? schema.title ?? "";
  return { model, core: ref ? context.definitions[model] : choice, nullable: Boolean(schema.anyOf) };
}

function field(context, spec) {
  const { core } = resolve(context, spec.schema);
  const item = core.items ? resolve(context, core.items).core : null;
  if (core.enum) return core.enum.length <= 5 ? choice(context, spec, core) : select(context, spec, core);
  if (core.type === "boolean") return tick(context, spec);
  if (core.type === "number" || core.type === "integer") return number(context, spec, core);
  if (core.type === "object") return table(context, spec, core);
  if (core.type === "array" && core.prefixItems) return core.prefixItems[0].prefixItems ? pairs(context, spec, core.prefixItems.length) : pair(context, spec);
  if (core.type === "array" && item?.prefixItems) return pairs(context, spec, null);
  if (core.type === "array" && item?.enum) return choices(context, spec, item);
  if (core.type === "array" && item?.type === "object") return tables(context, spec, core);
  if (core.type === "array") return lines(context, spec, item);
  return text(context, spec, core);
}

/** Label, description, faults and the way back to the default, around a control. */
function frame(context, spec, control, { group = false, half = false, labelFor = null } = {}) {
  const { title, description } = keyWords(spec.model, spec.name, spec.schema);
  const id = `f${++ids}`;
  const hint = h("p", { class: "hint-text", id: `${id}-hint`, textContent: description });
  const faults = h("div", { id: `${id}-fault` });
  const reset = h("button", {
    type: "button",
    class: "icon small reset",
    "aria-label": t("form.reset", { key: title }),
    title: t("form.reset", { key: title }),
    onclick: () => {
      context.set(spec.path, undefined);
      (labelFor ?? control.querySelector("input,select,textarea"))?.focus();
    },
  }, icon("reset"));
  const words = [title, spec.required ? h("span", { class: "need", "aria-hidden": "true", textContent: "*" }) : null];
  const label = group
    ? h("div", { class: "label", id: `${id}-label` }, ...words, reset)
    : h("div", { class: "label" }, h("label", { for: id }, ...words), reset);
  const element = h("div", { class: `field${half ? " half" : ""}`, "data-path": spec.path.join("."), ...(group ? { role: "group", "aria-labelledby": `${id}-label` } : {}) }, label, control, hint, faults);
  if (labelFor) labelFor.id = id;
  for (const input of labelFor ? [labelFor] : control.querySelectorAll("input,select,textarea")) {
    input.setAttribute("aria-describedby", `${id}-hint ${id}-fault`);
    if (spec.required && labelFor) input.required = true;
  }
  const byDefault = spec.schema.default;
  function sync(extra) {
    const value = context.get(spec.path);
    reset.hidden = value === undefined || spec.required || byDefault === undefined && !spec.schema.anyOf;
    const found = context.faults(spec.path);
    element.classList.toggle("wrong", found.length > 0);
    for (const input of labelFor ? [labelFor] : control.querySelectorAll("input,select,textarea")) input.setAttribute("aria-invalid", found.length ? "true" : "false");
    const shown = found.map((fault) => told(fault.problem)).join("\n");
    if (faults.textContent !== shown) replace(faults, found.map((fault) => h("p", { class: "fault-text" }, icon("error"), h("span", { textContent: told(fault.problem) }))));
    if (extra !== undefined) hint.textContent = [description, extra].filter(Boolean).join(" ");
  }
  return { element, sync };
}

/** A value that was written, or the default. */
const effective = (context, spec) => context.get(spec.path) ?? spec.schema.default;

/** Write into an input only what it does not say already, and never under the hands of who types. */
function write(input, value) {
  if (document.activeElement === input && input.dataset.typing) return;
  if (input.value !== value) input.value = value;
}

function typed(input, take) {
  input.addEventListener("input", () => {
    input.dataset.typing = "1";
    take(input.value);
  });
  input.addEventListener("blur", () => delete input.dataset.typing);
  return input;
}

function text(context, spec, core) {
  const long = (core.maxLength ?? 0) > 120;
  const clock = core.pattern?.includes("24:00");
  const input = typed(h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: spec.schema.default ?? (clock ? "08:00" : ""), ...(clock ? { inputmode: "numeric", maxlength: 5 } : {}) }), (value) =>
    context.set(spec.path, value === "" && !spec.required ? undefined : value, true),
  );
  const framed = frame(context, spec, h("div", { class: "input" }, input), { labelFor: input, half: !long && (clock || spec.half || ["id", "name"].includes(spec.name)) });
  return {
    element: framed.element,
    sync() {
      const value = context.get(spec.path);
      write(input, value === undefined || value === null ? "" : String(value));
      framed.sync();
    },
  };
}

const UNITS = { _s: "s", _m: "m", _px: "px", _deg: "°" };

function number(context, spec, core) {
  const unit = Object.entries(UNITS).find(([end]) => spec.name.endsWith(end))?.[1] ?? "";
  const input = typed(h("input", { type: "text", inputmode: core.type === "integer" ? "numeric" : "decimal", autocomplete: "off", placeholder: spec.schema.default === undefined || spec.schema.default === null ? "" : t("form.default", { value: spec.schema.default }) }), (raw) => {
    const trimmed = raw.trim().replace(",", ".");
    const parsed = trimmed === "" ? (spec.required ? "" : undefined) : Number(trimmed);
    // What is no number goes to the server as it is, which says so.
    context.set(spec.path, Number.isNaN(parsed) ? raw : parsed, true);
  });
  const framed = frame(context, spec, h("div", { class: "input" }, input, unit ? h("span", { class: "unit", textContent: unit }) : null), { labelFor: input, half: true });
  const range = [
    core.minimum !== undefined ? `≥ ${core.minimum}` : core.exclusiveMinimum !== undefined ? `> ${core.exclusiveMinimum}` : "",
    core.maximum !== undefined ? `≤ ${core.maximum}` : core.exclusiveMaximum !== undefined ? `< ${core.exclusiveMaximum}` : "",
  ].filter(Boolean).join(", ");
  return {
    element: framed.element,
    sync() {
      const value = context.get(spec.path);
      write(input, value === undefined || value === null ? "" : String(value));
      const now = effective(context, spec);
      const said = unit === "s" ? duration(now) : spec.name.endsWith("_ratio") && Number.isFinite(now) ? `${Math.round(now * 100)}%` : "";
      framed.sync([said && `= ${said}.`, range && `(${range})`].filter(Boolean).join(" "));
    },
  };
}

function choice(context, spec, core) {
  const name = `r${++ids}`;
  const inputs = core.enum.map((value) => h("input", { type: "radio", name, value, onchange: () => context.set(spec.path, value) }));
  const chips = core.enum.map((value, n) =>
    h("label", { class: "chip" }, inputs[n], h("span", {}, context.kindSwatch && spec.name === "kind" ? h("i", { class: `swatch kind-${value}` }) : null, valueWords(value))),
  );
  const framed = frame(context, spec, h("div", { class: "chips" }, ...chips), { group: true });
  return {
    element: framed.element,
    sync() {
      const value = effective(context, spec);
      inputs.forEach((input, n) => (input.checked = core.enum[n] === value));
      framed.sync();
    },
  };
}

function select(context, spec, core) {
  const input = h("select", { onchange: () => context.set(spec.path, input.value) }, core.enum.map((value) => h("option", { value, textContent: valueWords(value) })));
  const framed = frame(context, spec, h("div", { class: "input" }, input), { labelFor: input });
  return {
    element: framed.element,
    sync() {
      write(input, String(effective(context, spec) ?? ""));
      framed.sync();
    },
  };
}

function tick(context, spec) {
  const input = h("input", { type: "checkbox", onchange: () => context.set(spec.path, input.checked) });
  const framed = frame(context, spec, h("div", { class: "switch" }, input), { labelFor: input });
  return {
    element: framed.element,
    sync() {
      input.checked = Boolean(effective(context, spec));
      framed.sync();
    },
  };
}

function choices(context, spec, item) {
  const now = () => {
    const value = effective(context, spec);
    return Array.isArray(value) ? value : [];
  };
  const inputs = item.enum.map((value) =>
    h("input", {
      type: "checkbox",
      value,
      onchange: () => {
        const chosen = item.enum.filter((_, n) => inputs[n].checked);
        context.set(spec.path, chosen.length || spec.schema.default?.length || spec.required ? chosen : undefined);
      },
    }),
  );
  const chips = item.enum.map((value, n) => h("label", { class: "chip" }, inputs[n], h("span", { textContent: valueWords(value) })));
  const framed = frame(context, spec, h("div", { class: "chips" }, ...chips), { group: true });
  return {
    element: framed.element,
    sync() {
      inputs.forEach((input, n) => (input.checked = now().includes(item.enum[n])));
      framed.sync();
    },
  };
}

/** A list of texts or numbers, one a line. */
function lines(context, spec, item) {
  const read = (word) => (["integer", "number"].includes(item?.type) && word !== "" && !Number.isNaN(Number(word)) ? Number(word) : word);
  const input = typed(h("textarea", { rows: 2, spellcheck: "false" }), (value) => {
    const list = value.split(/[\n,，、;；]/).map((one) => one.trim()).filter(Boolean).map(read);
    context.set(spec.path, list.length ? list : undefined, true);
  });
  const framed = frame(context, spec, h("div", { class: "input" }, input), { labelFor: input });
  return {
    element: framed.element,
    sync() {
      const value = context.get(spec.path);
      write(input, Array.isArray(value) ? value.join("\n") : (value ?? ""));
      framed.sync(t("form.lines"));
    },
  };
}

function coordinate(context, path, axis, label) {
  const input = typed(h("input", { type: "text", inputmode: "decimal", "aria-label": `${label} ${axis}` }), (raw) => {
    const parsed = Number(raw.trim().replace(",", "."));
    context.set(path, raw.trim() === "" || Number.isNaN(parsed) ? raw : parsed, true);
  });
  return {
    element: h("div", { class: "input", "data-axis": axis }, input),
    input,
    sync: () => write(input, String(context.get(path) ?? "")),
  };
}

function pair(context, spec) {
  const { title } = keyWords(spec.model, spec.name, spec.schema);
  const optional = !spec.required;
  const both = ["x", "y"].map((axis, n) => coordinate({ ...context, set: (path, value, merge) => context.set(spec.path, [0, 1].map((m) => (m === n ? value : (context.get(spec.path)?.[m] ?? 0))), merge) }, [...spec.path, n], axis, title));
  const framed = frame(context, spec, h("div", { class: "pair" }, ...both.map((one) => one.element)), { group: true });
  return {
    element: framed.element,
    sync() {
      both.forEach((one) => one.sync());
      framed.sync(optional ? "" : undefined);
    },
  };
}

/** A list of points; `count` where there must be exactly so many. */
function pairs(context, spec, count) {
  const { title } = keyWords(spec.model, spec.name, spec.schema);
  const rows = h("div", { class: "stack" });
  const framed = frame(context, spec, rows, { group: true });
  let built = [];
  const points = () => (Array.isArray(context.get(spec.path)) ? context.get(spec.path) : []);
  function row(n) {
    const both = ["x", "y"].map((axis, m) => coordinate(context, [...spec.path, n, m], axis, `${title} ${n + 1}`));
    both.forEach((one) => one.input.addEventListener("focus", () => context.focusPoint?.(spec.path, n)));
    const remove = count
      ? null
      : h("button", { type: "button", class: "icon small", "aria-label": t("vertex.delete", { n: n + 1 }), title: t("vertex.delete", { n: n + 1 }), onclick: () => context.set(spec.path, points().filter((_, m) => m !== n)) }, icon("trash"));
    return { element: h("div", { class: "pair" }, ...both.map((one) => one.element), remove), sync: () => both.forEach((one) => one.sync()) };
  }
  return {
    element: framed.element,
    sync() {
      const wanted = count ?? points().length;
      if (built.length !== wanted) {
        built = Array.from({ length: wanted }, (_, n) => row(n));
        replace(rows, built.map((one) => one.element));
      }
      built.forEach((one) => one.sync());
      framed.sync();
    },
  };
}

/** A table of its own: shown at once, or after a press where it may be left out altogether. */
function table(context, spec, core) {
  const { title, description } = keyWords(spec.model, spec.name, spec.schema);
  const nullable = spec.schema.anyOf && !spec.required;
  const { model } = resolve(context, spec.schema);
  const inner = fieldsOf(context, { ...core, model }, spec.path);
  const fields = h("div", { class: "fields" }, ...inner.map((one) => one.element));
  const toggle = h("button", { type: "button", class: "plain", onclick: () => context.set(spec.path, context.get(spec.path) ? undefined : {}) });
  const element = h("div", { class: "card", role: "group", "aria-label": title, "data-path": spec.path.join(".") },
    h("header", {}, h("span", { textContent: title }), nullable ? toggle : null),
    h("p", { class: "hint-text", textContent: description }),
    fields,
  );
  element.querySelector(".hint-text").classList.add("in-card");
  return {
    element,
    sync() {
      const there = !nullable || (context.get(spec.path) ?? null) !== null;
      fields.hidden = !there;
      toggle.textContent = there ? t("form.remove") : t("form.add");
      toggle.setAttribute("aria-label", `${toggle.textContent}: ${title}`);
      if (there) inner.forEach((one) => one.sync());
    },
  };
}

/** A list of tables: cards that can be added and removed. */
function tables(context, spec, core) {
  const { title } = keyWords(spec.model, spec.name, spec.schema);
  const { model, core: item } = resolve(context, core.items);
  const list = h("div", { class: "stack" });
  const addButton = h("button", { type: "button", class: "plain", onclick: () => append() }, icon("plus"), h("span", { textContent: t("form.addOne", { what: title }) }));
  const framed = frame(context, spec, h("div", { class: "stack" }, list, addButton), { group: true });
  let built = [];
  const rows = () => (Array.isArray(context.get(spec.path)) ? context.get(spec.path) : []);
  function append() {
    const fresh = Object.fromEntries((item.required ?? []).map((name) => [name, item.properties[name].type === "string" ? "" : undefined]).filter(([, value]) => value !== undefined));
    context.set(spec.path, [...rows(), fresh]);
    list.lastElementChild?.querySelector("input")?.focus();
  }
  function card(n) {
    const fields = fieldsOf(context, { ...item, model }, [...spec.path, n]);
    const words = t("form.removeOne", { what: title, n: n + 1 });
    const remove = h("button", { type: "button", class: "icon small", "aria-label": words, title: words, onclick: () => {
      const rest = rows().filter((_, m) => m !== n);
      context.set(spec.path, rest.length ? rest : undefined);
      addButton.focus();
    } }, icon("trash"));
    return {
      element: h("div", { class: "card", role: "group", "aria-label": `${title} ${n + 1}` }, h("header", {}, h("span", { textContent: `${title} ${n + 1}` }), remove), h("div", { class: "fields" }, ...fields.map((one) => one.element))),
      sync: () => fields.forEach((one) => one.sync()),
    };
  }
  return {
    element: framed.element,
    sync() {
      const wanted = rows().length;
      while (built.length > wanted) built.pop();
      while (built.length < wanted) built.push(card(built.length));
      replace(list, built.map((one) => one.element));
      built.forEach((one) => one.sync());
      framed.sync();
    },
  };
}
