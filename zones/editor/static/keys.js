// The keyboard. Single letters count only while the picture has the focus, so that they never get in the way of
// typing or of a screen reader's own keys.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function keys(app, { save, help }) {
  const stage = document.getElementById("stage");

  document.addEventListener("keydown", (e) => {
    if (document.querySelector("dialog[open]")) return;
    const command = e.ctrlKey || e.metaKey;
    const key = e.key.toLowerCase();
    if (!command || e.altKey) return;
    const act = { z: () => (e.shiftKey ? app.redo() : app.undo()), y: () => app.redo(), s: () => save() }[key];
    if (!act) return;
    e.preventDefault();
    act();
  });

  stage.addEventListener("keydown", (e) => {
    const { tool } = app.ui;
    const { store } = app;
    if (e.ctrlKey || e.metaKey) {
      if (e.key.toLowerCase() === "d") {
        e.preventDefault();
        app.copyZone();
      }
      return;
    }
    if (e.key in ARROWS) {
      e.preventDefault();
      tool.arrow?.(...ARROWS[e.key], e.shiftKey ? 10 : 1);
      return;
    }
    const act = {
      " ": () => {
        // Held, it moves the picture; pressed alone, it sets a point.
        if (!e.repeat) app.gestures.spaceUsed = false;
        app.gestures.space = true;
        app.stageClass("pan", true);
      },
      Enter: () => (tool.finish ? tool.finish() : tool.space?.()),
      Backspace: () => (tool.back ? tool.back() : remove()),
      Delete: () => remove(),
      Escape: () => {
        if (tool.escape?.()) return;
        if (tool.name !== "select") app.useTool(app.ui.tab === "ground" ? "pick" : "select");
        else if (store.chosen.vertex !== null) store.choose(store.chosen.uid);
        else store.choose(null);
      },
      "+": () => app.view.zoom(1.25),
      "=": () => app.view.zoom(1.25),
      "-": () => app.view.zoom(0.8),
      0: () => app.view.fit(),
      "[": () => app.stepZone(-1),
      "]": () => app.stepZone(1),
      ",": () => app.stepVertex(-1),
      ".": () => app.stepVertex(1),
      v: () => app.useTool("select"),
      p: () => app.useTool("polygon"),
      r: () => app.useTool("rectangle"),
      b: () => app.useTool("probe"),
      s: () => app.toggleSnap(),
      a: () => store.zone() && app.addVertex(),
      "?": help,
    }[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (!act || e.altKey) return;
    e.preventDefault();
    act();
  });

  const release = (e) => {
    if (e.key !== " " || !app.gestures.space) return;
    app.gestures.space = false;
    app.stageClass("pan", false);
    if (!app.gestures.spaceUsed && e.type === "keyup") app.ui.tool.space?.();
  };
  stage.addEventListener("keyup", release);
  stage.addEventListener("blur", () => release({ key: " ", type: "blur" }));

  function remove() {
    if (app.ui.tool.name !== "select") app.ui.tool.back?.();
    else if (app.store.chosen.vertex !== null) app.removeVertex();
    else app.removeZone();
  }
}
