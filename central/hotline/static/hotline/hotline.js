// The hotline by the keyboard alone: Alt and a letter as shown, lists to choose from while typing, Ctrl+Enter to store.
(function () {
  "use strict";
  // Browsers take access keys with different modifiers; here Alt and the letter that is shown work in each.
  document.addEventListener("keydown", function (event) {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !event.code.startsWith("Key")) return;
    const found = document.querySelector('[accesskey="' + event.code.slice(3).toLowerCase() + '"]');
    if (!found) return;
    event.preventDefault();
    found.focus();
    if (found.matches("a, [type=checkbox]")) found.click();
  });

  const form = document.getElementById("call");
  if (!form) return;
  const DIGITS = 7;

  function combo(input, list, must) {
    let active = null;
    const shown = () => [...list.children].filter((each) => !each.hidden);

    function mark(option) {
      if (active) active.setAttribute("aria-selected", "false");
      active = option || null;
      if (active) {
        active.setAttribute("aria-selected", "true");
        active.scrollIntoView({ block: "nearest" });
        input.setAttribute("aria-activedescendant", active.id);
      } else input.removeAttribute("aria-activedescendant");
    }

    function open(yes) {
      const may = yes && shown().length > 0;
      list.hidden = !may;
      input.setAttribute("aria-expanded", String(may));
      if (!may) mark(null);
    }

    function pick(option) {
      input.value = option.dataset.value;
      open(false);
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }

    // Initials mean a place of the list, so the first is taken by Tab; what is written out in characters stays what it is.
    function meant() {
      const first = shown()[0];
      const typed = input.value.trim();
      return /[a-z]/i.test(typed) && first !== undefined && first.dataset.typed === typed;
    }

    function narrow() {
      const typed = input.value.trim().toLowerCase();
      if (must) for (const each of list.children) {
        const words = each.dataset.words.toLowerCase();
        each.hidden = typed !== "" && !words.split(" ").some((word) => word.startsWith(typed)) && !words.includes(typed);
      }
      open(typed !== "");
      mark((must || meant()) && !list.hidden ? shown()[0] : null);
    }

    input.addEventListener("input", must ? narrow : function () {
      if (active && active.dataset.typed !== input.value.trim()) mark(null); // an answer to other letters
      if (!input.value.trim()) open(false);
    });
    list.addEventListener("htmx:afterSwap", function () { if (document.activeElement === input) narrow(); });
    input.addEventListener("blur", () => open(false));
    list.addEventListener("mousedown", function (event) {
      const option = event.target.closest("[role=option]");
      if (option) { event.preventDefault(); pick(option); }
    });
    input.addEventListener("keydown", function (event) {
      if (event.isComposing || event.ctrlKey) return;
      const options = shown();
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (list.hidden) { if (must) { for (const each of list.children) each.hidden = false; } open(true); }
        const now = shown();
        if (now.length) {
          const step = event.key === "ArrowDown" ? 1 : -1;
          mark(now[(now.indexOf(active) + step + now.length) % now.length]);
        }
        event.preventDefault();
      } else if (event.key === "Escape" && !list.hidden) {
        open(false);
        event.stopPropagation();
      } else if ((event.key === "Enter" || event.key === "Tab") && !list.hidden && active && options.length) {
        pick(active);
        if (event.key === "Enter") event.preventDefault();
      } else if (event.key === "Enter") event.preventDefault(); // a half-filled form is not sent by one key
    });
  }

  combo(document.getElementById("subject"), document.getElementById("subjects"), true);
  combo(document.getElementById("place"), document.getElementById("places"), false);

  // 李xs is 李先生: how people call themselves on the telephone, by initials.
  const CALLED = { xs: "先生", ns: "女士", xj: "小姐", dy: "大爷", dm: "大妈", ay: "阿姨", sf: "师傅", ls: "老师", yy: "爷爷", nn: "奶奶" };
  const caller = form.querySelector("[name=name]");
  caller.addEventListener("change", function () {
    caller.value = caller.value.replace(/^([\u4e00-\u9fff]{1,3})([a-z]{2})$/i, (whole, name, letters) =>
      letters.toLowerCase() in CALLED ? name + CALLED[letters.toLowerCase()] : whole);
  });

  // An answer that was asked for before a case was chosen must not take the choice away when it comes.
  let chosen = "";
  form.addEventListener("change", function (event) { if (event.target.name === "join") chosen = event.target.value; });
  form.addEventListener("htmx:afterSwap", function () {
    if (!chosen || form.querySelector("[name=join]:checked")) return;
    const again = form.querySelector('[name=join][value="' + chosen + '"]');
    if (again) again.checked = true;
  });

  const phone = document.getElementById("phone");
  let asked = "";
  phone.addEventListener("input", function () {
    const digits = phone.value.replace(/\D/g, "");
    if (digits.length >= DIGITS && digits !== asked) {
      asked = digits;
      phone.dispatchEvent(new Event("enough"));
    }
  });
  for (const input of form.querySelectorAll("input:not([role=combobox])")) input.addEventListener("keydown", function (event) {
    if (event.key === "Enter" && !event.ctrlKey) event.preventDefault();
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || !event.ctrlKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit(document.getElementById(event.shiftKey ? "store-call" : "store"));
  });
})();
