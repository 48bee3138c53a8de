// What the pages do beyond plain HTML: ages that stay true, forms that are sent once, a word when the line is lost.
(function () {
  "use strict";
  const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const words = {
    zh: { now: "不到 1 分钟", min: (m) => m + " 分钟", hour: (h, m) => h + " 小时 " + m + " 分钟", day: (d) => d + " 天" },
    en: { now: "under a minute", min: (m) => m + " min", hour: (h, m) => h + " h " + m + " min", day: (d) => d + " days" },
  }[language];

  function duration(ms) {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return words.now;
    if (minutes < 60) return words.min(minutes);
    if (minutes < 2880) return words.hour(Math.floor(minutes / 60), minutes % 60);
    return words.day(Math.floor(minutes / 1440));
  }

  function refreshAges() {
    const now = Date.now();
    for (const time of document.querySelectorAll("time[data-age]")) {
      const text = duration(Math.abs(now - Number(time.dataset.age)));
      if (time.textContent !== text) time.textContent = text;
    }
  }

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !("once" in form.dataset)) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });

  // Back from the browser's cache: the form may be sent again.
  window.addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  });

  function line(isLost) {
    const banner = document.getElementById("offline");
    if (banner) banner.hidden = !isLost;
  }

  let lost;
  document.addEventListener("htmx:sseError", function () {
    clearTimeout(lost);
    lost = setTimeout(line, 2500, true);
  });
  document.addEventListener("htmx:sseOpen", function () {
    clearTimeout(lost);
    line(false);
  });
  document.addEventListener("htmx:sendError", () => line(true));
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful) line(false);
    // The session has ended: the answer was the log-in page, so show it as a page.
    const answered = event.detail.xhr && event.detail.xhr.responseURL;
    if (answered && new URL(answered).pathname.startsWith("/login/")) window.location.reload();
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    const answered = event.detail.xhr.responseURL;
    if (answered && new URL(answered).pathname.startsWith("/login/")) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterSwap", refreshAges);
  setInterval(refreshAges, 10000);
})();
