/* A signature with the finger: kept as a path of straight strokes, which the server checks letter by letter. */
"use strict";
for (const box of document.querySelectorAll("[data-sign]")) {
  const canvas = box.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const field = box.parentElement.querySelector("input[name=signature]");
  let path = "";
  let points = 0;
  let down = false;
  box.hidden = false;
  pen.lineWidth = 4;
  pen.lineCap = pen.lineJoin = "round";
  pen.strokeStyle = "#14211f";

  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    const within = (value, most) => Math.min(most, Math.max(0, value));
    return [
      within(((event.clientX - frame.left) * canvas.width) / frame.width, 600),
      within(((event.clientY - frame.top) * canvas.height) / frame.height, 200),
    ].map((value) => Math.round(value * 10) / 10);
  };
  const add = (letter, [x, y]) => {
    if (points >= 1500) return;
    points += 1;
    path += `${letter}${x} ${y}`;
    field.value = path;
    if (letter === "M") {
      pen.beginPath();
      pen.moveTo(x, y);
    } else {
      pen.lineTo(x, y);
      pen.stroke();
    }
  };
  const clear = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    path = field.value = "";
    points = 0;
  };
  const before = field.value;
  if (/^(?:[ML]\d{1,3}(?:\.\d)? \d{1,3}(?:\.\d)?)+$/.test(before)) {
    pen.stroke(new Path2D(before));
    path = before;
  }
  canvas.addEventListener("pointerdown", (event) => {
    down = true;
    canvas.setPointerCapture(event.pointerId);
    add("M", at(event));
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (down) add("L", at(event));
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { down = false; });
  box.querySelector("button").addEventListener("click", clear);
}
