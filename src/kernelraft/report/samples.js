// The browser of samples: filters, a list that draws only what is in sight, the pane of the chosen one.
const ROW = 46, SPARE = 6;
const chosen = fromHash();
let shown = [], place = 0;

const list = el("div", { class: "list", tabindex: "0", role: "listbox", "aria-label": "Samples" });
const space = el("div", { class: "space" });
const pane = el("article", { class: "detail", "aria-live": "polite" });
const tally = el("p", { class: "tally" });
const search = el("input", { type: "search", placeholder: "Search code, errors, problems  ( / )", "aria-label": "Search",
  oninput: () => { chosen.q = search.value; update(); } });
const selects = Object.keys(FILTERS).map((name) => el("select", { "aria-label": name, name,
  onchange: (event) => { chosen[name] = event.target.value; update(); } },
  el("option", { value: "" }, name === "status" ? "any status" : `any ${name}`),
  choices(name).map(([value, number]) => el("option", { value }, `${value} (${count(number)})`))));

function rowOf(at, n) {
  const row = el("div", { class: `item ${n === place ? "chosen" : ""}`, role: "option", id: `item-${n}`,
    "aria-selected": String(n === place), onclick: () => choose(n) },
    el("i", { class: `status ${S.status[at]}` }, GLYPH[S.status[at]]),
    el("div", { class: "item-name" }, familyOf(at)),
    el("div", { class: "item-note" }, el("span", { class: S.status[at] }, S.reason[at]),
      ` · ${stepOf(at)} · ${S.index[at] + 1}`, S.trained[at] ? el("span", { class: "kept" }, " · trained") : null));
  row.style.transform = `translateY(${n * ROW}px)`;
  return row;
}
function drawList() {
  const from = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
  const to = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
  space.replaceChildren(...shown.slice(from, to).map((at, n) => rowOf(at, from + n)));
  list.setAttribute("aria-activedescendant", shown.length ? `item-${place}` : "");
}
function intoSight() {
  const top = place * ROW, from = list.scrollTop, room = list.clientHeight - ROW;
  if (top < from - 2 * room || top > from + 2 * room) list.scrollTop = top - room / 3;
  else if (top < from) list.scrollTop = top;
  else if (top > from + room) list.scrollTop = top - room;
}
function choose(n, keepAddress) {
  if (!shown.length) {
    pane.replaceChildren(el("p", { class: "none" }, "No sample matches. Widen the filters."));
  } else {
    place = Math.max(0, Math.min(shown.length - 1, n));
    const actions = { previous: () => choose(place - 1), next: () => choose(place + 1), diff: toggleDiff };
    pane.replaceChildren(...detailOf(shown[place], Boolean(chosen.diff), actions));
    if (chosen.sample !== addressOf(shown[place])) pane.scrollTop = 0;
    chosen.sample = addressOf(shown[place]);
    if (!keepAddress) history.replaceState(null, "", toHash(chosen));
  }
  intoSight();
  drawList();
}
function toggleDiff() {
  chosen.diff = chosen.diff ? "" : "on";
  choose(place);
}
function update(keepAddress) {
  shown = matching(chosen);
  space.style.height = `${shown.length * ROW}px`;
  const passed = shown.filter((at) => S.status[at] === "pass").length;
  const judged = shown.filter((at) => S.status[at] === "pass" || S.status[at] === "fail").length;
  tally.replaceChildren(el("b", {}, count(shown.length)), shown.length < SIZE ? ` of ${count(SIZE)} samples` : " samples",
    judged ? ` · ${percent(passed / judged)} pass` : "");
  search.value = chosen.q;
  for (const select of selects) select.value = chosen[select.name];
  choose(Math.max(0, shown.findIndex((at) => addressOf(at) === chosen.sample)), keepAddress);
}
function pick(step, reason) {
  Object.assign(chosen, { step, reason, status: "", kind: "", q: "", sample: "" });
  update();
  document.getElementById("samples").scrollIntoView({ behavior: "smooth" });
}
function reset() {
  for (const name of ["q", ...Object.keys(FILTERS)]) chosen[name] = "";
  update();
}
function keys(event) {
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrows = event.target === list || event.target === search;
  const step = (arrows && { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key]) ||
    (!typing && { j: 1, k: -1 }[event.key]) || 0;
  if (step) choose(place + step);
  else if (event.key === "/" && !typing) search.focus();
  else if (event.key === "d" && !typing) toggleDiff();
  else if (event.key === "Escape" && event.target === search) list.focus();
  else return;
  event.preventDefault();
}
function browser() {
  const leftOut = data.steps.filter((step) => step.left_out)
    .map((step) => `${count(step.left_out)} of ${step.name}`).join(", ");
  list.append(space);
  document.getElementById("samples").append(
    el("div", { class: "bar" }, el("h2", {}, "Samples"), tally,
      el("div", { class: "filters" }, search, selects, el("button", { type: "button", onclick: reset }, "Reset"))),
    leftOut ? el("p", { class: "left-out" }, `Not in this page, to keep it small: ${leftOut} (stage.max_samples).`) : "",
    el("div", { class: "browser" }, list, pane));
  list.addEventListener("scroll", drawList, { passive: true });
  new ResizeObserver(() => requestAnimationFrame(drawList)).observe(list);
  document.addEventListener("keydown", keys);
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    Object.assign(chosen, fromHash());
    update(true);
  });
  const linked = location.hash.includes("=");
  const first = LAST && ORDER.find((at) => stepOf(at) === LAST.step);
  if (!linked && first !== undefined) chosen.sample = addressOf(first);
  update(true);
  if (linked) document.getElementById("samples").scrollIntoView();
}
overview(pick);
if (data.steps.some(total)) browser();
