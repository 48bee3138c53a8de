// Every page may be put on a phone's home screen: the service worker that this needs is the one of the officers' pages.

async function install() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("/service-worker.js", { scope: "/", type: "module", updateViaCache: "none" });
  } catch {
    // Without it the pages need a network, but the outbox works all the same.
  }
}

install();
