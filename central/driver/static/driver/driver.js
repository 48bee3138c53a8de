// Counts down to the deadline by the centre's clock. Without it the page says the same, to the minute.
"use strict";
for (const shown of document.querySelectorAll("[data-ends]")) {
  const ends = Number(shown.dataset.ends);
  const ahead = Number(shown.dataset.now) - Date.now();
  const words = shown.textContent;
  const tick = () => {
    const left = Math.max(0, Math.round((ends - Date.now() - ahead) / 1000));
    const digits = Math.floor(left / 60) + ":" + String(left % 60).padStart(2, "0");
    shown.textContent = /\d+/.test(words) ? words.replace(/\d+/, digits) : digits;
    if (left === 0) {
      window.clearInterval(timer);
      window.setTimeout(() => window.location.reload(), 3000);
    }
  };
  const timer = window.setInterval(tick, 1000);
  tick();
}
// A button is pressed once.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", () => {
    const button = form.querySelector("button");
    window.setTimeout(() => { button.disabled = true; }, 0);
  });
}
