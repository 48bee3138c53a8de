// What was not saved, kept in this browser until it is.

const PREFIX = "patrol-zones-draft:";

export class Draft {
  #timer = null;

  constructor(path) {
    this.key = PREFIX + path;
  }

  /** Keep soon; typing does not write at every key. */
  keep(make) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.write(make()), 250);
  }

  write(draft) {
    clearTimeout(this.#timer);
    try {
      localStorage.setItem(this.key, JSON.stringify({ ...draft, at: Date.now() }));
    } catch {
      // A full or forbidden storage takes no draft; saving still works.
    }
  }

  read() {
    try {
      const draft = JSON.parse(localStorage.getItem(this.key) ?? "null");
      return draft && Array.isArray(draft.data?.zone) && Array.isArray(draft.origins) ? draft : null;
    } catch {
      return null;
    }
  }

  forget() {
    clearTimeout(this.#timer);
    localStorage.removeItem(this.key);
  }
}
