// The officer's pages on a phone: everything goes through the outbox, with or without a network.

import * as store from "./store.js";
import { changed, heard, mine, notice, say, send, showAge, user, watch } from "./core.js";
import { listen } from "./sender.js";
import { showQueue } from "./queue.js";
import { startTask } from "./task.js";
import { startList } from "./list.js";
import { startViewer } from "./viewer.js";

/** A log-out with something unsent is asked about; what is kept stays locked to its officer. */
function guardLogOut() {
  for (const form of document.querySelectorAll('form[action$="/logout/"]')) {
    let asked = false;
    form.addEventListener("submit", async (event) => {
      if (asked) return;
      event.preventDefault();
      const count = (await mine()).filter((item) => item.state === "waiting").length;
      const question = count === 1 ? say("log_out_one") : say("log_out_many", { count });
      if (count && !confirm(question)) return;
      asked = true;
      navigator.serviceWorker?.controller?.postMessage({ type: "forget" });
      form.submit();
    });
  }
}

async function start() {
  try {
    await store.open();
  } catch {
    notice(say("no_store"), "warning");
    return; // forms work as forms
  }
  document.documentElement.classList.add("with-outbox");
  watch(showQueue);
  watch(showAge);
  startTask();
  startViewer();
  startList();
  guardLogOut();
  listen((news) => {
    if (news.verdict === "done" || news.verdict === "refused") heard(news);
    else changed();
  });
  for (const [target, name] of [
    [window, "online"],
    [window, "pageshow"],
    [window, "focus"],
  ]) {
    target.addEventListener(name, () => send(true));
  }
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") send(true);
  });
  if (await store.ofOthers(user)) notice(say("other_user"), "warning");
  await send(true);
}

start();
