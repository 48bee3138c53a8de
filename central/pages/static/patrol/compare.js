// Two pictures of one place: a switch lays the first on the second, and a slider wipes between them.
(function () {
  "use strict";
  let over = false;
  let at = 50;

  function dress(section) {
    if (section.dataset.ready) return;
    section.dataset.ready = "1";
    const bar = document.createElement("div");
    bar.className = "switch noprint";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small plain";
    const slider = document.createElement("input");
    slider.type = "range";
    slider.min = "0";
    slider.max = "100";
    slider.setAttribute("aria-label", section.dataset.slide);
    bar.append(slider, button);
    section.prepend(bar);

    function show() {
      section.classList.toggle("over", over);
      button.textContent = over ? section.dataset.beside : section.dataset.compare;
      slider.hidden = !over;
      bar.classList.toggle("on", over);
      slider.value = String(at);
      section.style.setProperty("--at", at + "%");
    }
    button.addEventListener("click", function () {
      over = !over;
      show();
    });
    slider.addEventListener("input", function () {
      at = Number(slider.value);
      section.style.setProperty("--at", at + "%");
    });
    show();
  }

  function dressAll() {
    for (const section of document.querySelectorAll(".pictures.pair")) dress(section);
  }
  document.addEventListener("htmx:afterSwap", dressAll);
  dressAll();
})();
