// Elements and numbers as text. Nothing here or elsewhere parses text as HTML: samples are untrusted.
const data = JSON.parse(document.getElementById("data").textContent);

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const count = (number) => number.toLocaleString("en-US");
const rounded = (rate, digits) => (100 * rate + 1e-9).toFixed(digits); // as tables.py does
const percent = (rate, digits = 1) => `${rounded(rate, digits)}%`;
const signed = (rate) => `${rate < 0 ? "−" : "+"}${rounded(Math.abs(rate), 1)}`;
function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor(whole / 60) % 60)} min`;
}

const tipBox = document.getElementById("tip");
function showTip(event, ...lines) {
  tipBox.replaceChildren(...lines.map((line) => el("div", {}, line)));
  tipBox.hidden = false;
  const { width, height } = tipBox.getBoundingClientRect();
  tipBox.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tipBox.style.top = `${Math.max(4, event.clientY - height - 12)}px`;
}
const hideTip = () => { tipBox.hidden = true; };
const tip = (...lines) => ({ onmousemove: (event) => showTip(event, ...lines), onmouseleave: hideTip });
