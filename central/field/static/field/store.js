// The outbox on this phone: what the officer did and the centre does not yet know. Plain IndexedDB, photos as Blobs.
// Survives reloads, restarts of the browser and the end of the session. Each item names its officer; nobody else's
// page reads it. An item: {seq, key, user, order, place, kind, fields, photo, tapped_ms, state, code, message}.
// A step that the centre has taken stays as "taken" with `taken_ms`, by the centre's clock, until the page shows it.

import { TAKEN } from "./outbox.js";

const NAME = "street-patrol-field";
const VERSION = 1;
const OUTBOX = "outbox";

let opening = null;

/** The database, opened once; rejects where the browser keeps nothing. */
export function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const outbox = request.result.createObjectStore(OUTBOX, { keyPath: "seq", autoIncrement: true });
      outbox.createIndex("user", "user");
      // Accepting and closing happen once a task: a second press finds the first. Photos and notes have no `once`.
      outbox.createIndex("once", "once", { unique: true });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => {
        request.result.close();
        opening = null;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("the outbox is open in an older page"));
  });
  opening.catch(() => {
    opening = null;
  });
  return opening;
}

async function transact(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    // Strict: "kept on this phone" is said only when it is on the disk.
    const transaction = database.transaction(OUTBOX, mode, { durability: "strict" });
    const request = work(transaction.objectStore(OUTBOX));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error ?? request?.error);
  });
}

/** Keep an item; resolves with its number once it is safe. Rejects with ConstraintError or QuotaExceededError. */
export function add(item) {
  return transact("readwrite", (outbox) => outbox.add(item));
}

/** The officer's items in the order in which they were made, without those that the centre has taken. */
export async function ofUser(user) {
  return (await all(user)).filter((item) => item.state !== TAKEN);
}

/** Steps of this officer that the centre has taken and that no page may have shown yet. */
export async function taken(user) {
  return (await all(user)).filter((item) => item.state === TAKEN);
}

function all(user) {
  return transact("readonly", (outbox) => outbox.index("user").getAll(IDBKeyRange.only(user)));
}

/** How many items of other officers wait on this phone. */
export async function ofOthers(user) {
  const items = await transact("readonly", (outbox) => outbox.getAll());
  return items.filter((item) => item.user !== user && item.state !== TAKEN).length;
}

/** Write an item anew, e.g. with the centre's reason. Its `once` is given up with `once: undefined`. */
export function put(item) {
  return transact("readwrite", (outbox) => outbox.put(item));
}

export function remove(seq) {
  return transact("readwrite", (outbox) => outbox.delete(seq));
}
