// The words of the page, in Chinese and English.

const tables = {};
let language = "en";

/** Load both languages and choose one: the reader's own choice, or the browser's. */
export async function loadWords() {
  for (const name of ["en", "zh"]) tables[name] = await (await fetch(`static/${name}.json`)).json();
  const stored = localStorage.getItem("patrol-zones-language");
  setLanguage(stored ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"), false);
}

export function setLanguage(name, keep = true) {
  language = name === "zh" ? "zh" : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  if (keep) localStorage.setItem("patrol-zones-language", language);
}

export const currentLanguage = () => language;

/** The words of a key, with {names} filled in. */
export function t(key, values = {}) {
  const words = tables[language].ui[key] ?? tables.en.ui[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** What the server said in both languages. */
export const told = (said) => (said ? (said[language] ?? said.en) : "");

/** Title and description of a key of the zone file; the model's own English where nobody translated it. */
export function keyWords(model, name, schema) {
  const known = tables[language].keys?.[`${model}.${name}`];
  return { title: known?.[0] ?? schema.title ?? name, description: known?.[1] ?? schema.description ?? "" };
}

/** A value of an enumeration, for people. */
export const valueWords = (value) => tables[language].values[value] ?? tables.en.values[value] ?? String(value);

/** Put the words into everything that names a key by data-t (text) or data-ta (label and tooltip). */
export function relabel(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-ta]")) {
    const words = t(element.dataset.ta);
    element.setAttribute("aria-label", words);
    if (element.tagName === "BUTTON") element.title = words;
  }
}

/** Seconds as a person says them. */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 60) return "";
  const parts = [];
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(seconds / length);
    if (count) parts.push(t(`unit.${unit}`, { n: count }));
    seconds -= count * length;
  }
  return parts.join(" ");
}
