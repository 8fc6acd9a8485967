// Which samples are shown, and the address that says so: #step=after&status=fail&sample=after/0f3c.
const S = data.samples, T = data.tasks, SIZE = (S.id || []).length;
const textOf = (index) => (index < 0 ? "" : data.texts[index].map((line) => data.lines[line]).join("\n"));
const stepOf = (at) => data.steps[S.step[at]].name;
const kindOf = (at) => (S.task[at] < 0 ? "" : T.kind[S.task[at]]);
const familyOf = (at) => (S.task[at] < 0 ? S.task_id[at] : T.family[S.task[at]]);
const addressOf = (at) => `${stepOf(at)}/${S.id[at]}`;
const FILTERS = { step: stepOf, status: (at) => S.status[at], reason: (at) => S.reason[at], kind: kindOf };

// The newest step first; in a step as they were made.
const ORDER = Array.from({ length: SIZE }, (_, at) => at).sort((a, b) => S.step[b] - S.step[a] || a - b);

// Texts are searched by line, each line once.
function textsWith(query) {
  const lines = new Set();
  data.lines.forEach((line, at) => line.toLowerCase().includes(query) && lines.add(at));
  return new Set(data.texts.map((text, at) => (text.some((line) => lines.has(line)) ? at : -1)));
}
function matching(chosen) {
  const query = chosen.q.trim().toLowerCase();
  const texts = query ? textsWith(query) : null;
  texts?.delete(-1);
  const inText = (at) => {
    const task = S.task[at];
    return texts.has(S.text[at]) || texts.has(S.detail[at]) || texts.has(S.code[at]) || texts.has(S.reasoning[at]) ||
      S.id[at].startsWith(query) || familyOf(at).toLowerCase().includes(query) ||
      (task >= 0 && (T.id[task].startsWith(query) || texts.has(T.reference[task])));
  };
  const wanted = Object.entries(FILTERS).filter(([name]) => chosen[name]);
  return ORDER.filter((at) => wanted.every(([name, of]) => of(at) === chosen[name]) && (!texts || inText(at)));
}
function choices(name) {
  const counts = new Map();
  for (const at of ORDER) counts.set(FILTERS[name](at), (counts.get(FILTERS[name](at)) || 0) + 1);
  const sorted = [...counts].filter(([value]) => value);
  return name === "step" ? sorted : sorted.sort((a, b) => b[1] - a[1]);
}
function fromHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const chosen = { q: given.get("q") || "", sample: given.get("sample") || "", diff: given.get("diff") || "" };
  for (const name of Object.keys(FILTERS)) chosen[name] = given.get(name) || "";
  return chosen;
}
function toHash(chosen) {
  const kept = Object.entries(chosen).filter(([, value]) => value);
  return `#${new URLSearchParams(kept).toString().replaceAll("%2F", "/")}`;
}
