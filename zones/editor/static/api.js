// Questions to the server. Addresses are relative: they carry the page's secret by themselves.

/** What the server refused, with its words in both languages. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.problem?.en ?? `HTTP ${status}`);
    this.status = status;
    this.error = error ?? {};
  }
}

async function answer(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body.error);
  return body;
}

export const get = async (path) => answer(await fetch(`api/${path}`));

export const post = async (path, body = {}) =>
  answer(
    await fetch(`api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );

/** Ask with the newest question only: while one is on its way, later ones wait and all but the last are forgotten. */
export function newest(ask, done, failed) {
  let busy = false;
  let waiting = null;
  return async function next(question) {
    if (busy) {
      waiting = question;
      return;
    }
    busy = true;
    try {
      done(await ask(question), question);
    } catch (error) {
      failed(error);
    }
    busy = false;
    if (waiting !== null) {
      const last = waiting;
      waiting = null;
      next(last);
    }
  };
}
