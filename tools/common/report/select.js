// ---- One selection for the whole page: a step, or an operator that is in no step ----

const listeners = [];
function onSelect(listener) { listeners.push(listener); }
/** `node`: what was clicked; it stays where it is while the rest of the page scrolls to it. */
function select(step, node) {
  for (const listener of listeners) listener(step, node);
  history.replaceState(null, "", step === null ? location.pathname + location.search : "#step=" + step);
}

/** Remarks of a step's nodes that say why it is what it is. */
const remarksOf = new Map();
function linkRemarks() {
  const ofNode = new Map(), ofOperator = new Map();
  const add = (map, key, value) => { if (map.has(key)) map.get(key).push(value); else map.set(key, [value]); };
  for (const step of report.steps) for (const node of step.nodes) add(ofNode, node, step.index);
  for (const op of report.compile?.graph?.operators || []) for (const step of op.steps) add(ofOperator, `${op.kind} (${op.node})`, step);
  for (const remark of report.compile?.remarks || []) {
    if (!["jinx-form-attention", "jinx-fuse", "jinx-schedule", "import"].includes(remark.pass)) continue;
    let steps = [...remark.message.matchAll(/\w+ \([^()]+\)/g)].flatMap(match => ofOperator.get(match[0]) || []);
    if (!steps.length) steps = ofNode.get(remark.location) || [];
    if (remark.name === "Scheduled") steps = steps.filter(s => remark.message.includes(` ${report.steps[s].kernel},`));
    for (const step of new Set(steps)) add(remarksOf, step, remark);
  }
}
const remarkClass = kind => ({passed: "good", missed: "warn", failed: "bad"})[kind] || "soft";

/** The message with its figures: "…, saved 5.2 µs". */
const reasonOf = remark => remark.message + Object.entries(remark.figures || {}).map(([key, value]) =>
  key.endsWith("_us") ? `, ${key.slice(0, -3)} ${value} \u00b5s` : `, ${key} ${value}`).join("");

/** "4 joined, 2 apart" */
function remarksInShort(step) {
  const remarks = remarksOf.get(step.index) || [], of = names => remarks.filter(r => names.includes(r.name)).length;
  const joined = of(["Joined"]), apart = of(["Refused", "NotWorthwhile"]), host = of(["OnTheHost", "OnHost"]);
  return [joined && joined + " joined", apart && apart + " apart", host && "on the host"].filter(Boolean).join(", ");
}

/** Everything there is to say about a step. */
function about(step) {
  const list = make("dl", {class: "about"});
  const add = (term, items) => {
    if (items.length) list.append(make("dt", {}, term), make("dd", {}, ...items.map(item => item instanceof Node ? item : make("div", {}, item))));
  };
  add("step", [step.name]);
  add(step.nodes.length === 1 ? "node" : plural(step.nodes.length, "node"), step.nodes);
  add("reads", step.inputs);
  add("writes", step.outputs);
  add("work", [[step.programs !== undefined && plural(step.programs, "program"), step.flops !== undefined && flops(step.flops),
    step.bytes !== undefined && "at least " + bytes(step.bytes)].filter(Boolean).join(", ")].filter(Boolean));
  add("remarks", (remarksOf.get(step.index) || []).map(r => make("div", {}, make("span", {class: remarkClass(r.kind)}, r.name), " " + reasonOf(r))));
  return list;
}
