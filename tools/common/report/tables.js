// ---- Tables: steps, kernels, compilation, remarks, values ----

function steps() {
  const times = report.measured_on ? "; times on " + report.measured_on + ", of roof: the least time that its bytes or its flops take there, over its own" : "";
  const parent = section("steps", "Steps and their kernels", "click a row for operands, nodes and remarks" + times);
  const lines = new Map();
  table(parent, report.steps, [
    {head: "#", cell: s => String(s.index), value: s => s.index, number: true},
    {head: "kind", cell: s => s.kind, tag: true},
    {head: "kernel", cell: s => s.kernel, class: "name short"},
    {head: "nodes", cell: s => nodesInShort(s.nodes)},
    {head: "result", cell: s => shapeOf(s.outputs[0]) + (s.outputs.length > 1 ? " +" + (s.outputs.length - 1) : ""), class: "short"},
    {head: "programs", cell: s => count(s.programs), value: s => s.programs, number: true},
    {head: "flops", cell: s => count(s.flops), value: s => s.flops, number: true},
    {head: "bytes", cell: s => bytes(s.bytes), value: s => s.bytes, number: true},
    ...(report.measured_on ? reached() : []),
    ...(report.compile ? [{head: "remarks", cell: remarksInShort}] : []),
  ], (line, step) => {
    line.className = "opens";
    line.dataset.step = step.index;
    if (step.ms !== undefined) line.dataset.share = step.roof_share;
    lines.set(step.index, line);
    line.onclick = () => {
      const open = line.nextSibling?.classList?.contains("more");
      if (open) line.nextSibling.remove();
      else line.after(make("tr", {class: "more"}, make("td", {colspan: line.children.length}, about(step))));
      select(open ? null : step.index);
    };
  });
  onSelect(step => lines.forEach((line, index) => line.classList.toggle("selected", index === step)));
}

/** What a step reached when it was timed, beside the roof of its device. */
function reached() {
  const rate = (value, unit) => value === undefined ? "" : inUnits(Math.round(value), ["", "k", "M", "G", "T", "P"].map(p => " " + p + unit), 999.5);
  return [
    {head: "ms", cell: s => s.ms === undefined ? "" : s.ms.toPrecision(3), value: s => s.ms, number: true},
    {head: "memory", cell: s => rate(s.bytes_per_s, "B/s"), value: s => s.bytes_per_s, number: true},
    {head: "arithmetic", cell: s => rate(s.flops_per_s, "FLOP/s"), value: s => s.flops_per_s, number: true},
    {head: "of roof", cell: s => s.roof_share === undefined ? "" : (100 * s.roof_share).toFixed(s.roof_share < 0.0995 ? 1 : 0) + " %", value: s => s.roof_share, number: true},
    {head: "bound by", cell: s => s.bound || "", class: "short"}];
}

function nodesInShort(nodes) {
  const text = nodes.slice(0, 3).map(shortName).join(", ") + (nodes.length > 3 ? ` +${nodes.length - 3}` : "");
  return make("span", {title: nodes.join("\n")}, text);
}

function kernels() {
  const isas = report.code.filter(c => c.format !== "cuda").map(c => c.isa); // text has no size a kernel
  const total = report.code.map(c => `${c.isa} ${bytes(c.bytes)} as ${c.format === "elf" ? "" : c.count + " "}${c.format}`).join(", ");
  table(section("kernels", "Kernels", plural(report.kernels.length, "kernel") + (total ? "; code objects: " + total : "")), report.kernels, [
    {head: "kernel", cell: k => k.symbol, class: "name short"},
    {head: "computes", cell: k => nodesInShort(k.steps.length ? report.steps[k.steps[0]].nodes : [k.provenance])},
    {head: "steps", cell: k => k.steps.join(", "), value: k => k.steps.length},
    ...isas.map(isa => ({head: isa, cell: k => bytes(k.code_bytes[isa]), value: k => k.code_bytes[isa], number: true}))],
  (line, kernel) => { line.dataset.kernel = kernel.symbol; });
}

/** Milliseconds as numbers and as bars of one scale. */
function timeColumns(rows) {
  const most = Math.max(0.001, ...rows.map(r => r.ms));
  return [{head: "ms", cell: r => milliseconds(r.ms), value: r => r.ms, number: true},
    {head: "", cell: r => make("span", {class: "meter", style: `width:${(100 * r.ms / most).toFixed(1)}%`}), value: r => r.ms, class: "meters"}];
}

function compilation() {
  if (!report.compile) return;
  const {stages, passes, remarks} = report.compile;
  const all = stages.reduce((sum, s) => sum + s.ms, 0);
  table(section("stages", "Compilation", duration(all)), stages, [{head: "stage", cell: s => s.stage, class: "short"}, ...timeColumns(stages)],
    (line, stage) => { line.dataset.stage = stage.stage; });
  if (passes.length) table(section("passes", "Passes", "in the order in which they ran"), passes, [
    {head: "pass", cell: p => p.pass, class: "name short"}, ...timeColumns(passes),
    {head: "operators", cell: p => `${p.operators_before} \u2192 ${p.operators_after}`, value: p => p.operators_after, class: "short"},
    {head: "what it did", cell: p => p.statistics.filter(s => s.value).map(s => `${s.value} ${s.description.toLowerCase()}`).join(", ")}],
  (line, pass) => { line.dataset.pass = pass.pass; });
  if (remarks.length) table(section("remarks", "Remarks", "what was done or not, and why"), remarks, [
    {head: "", cell: r => r.kind, tag: true}, {head: "pass", cell: r => r.pass, class: "short"}, {head: "what", cell: r => r.name, class: "short"},
    {head: "node", cell: r => make("span", {title: r.location}, shortName(r.location)), value: r => r.location, class: "name"},
    {head: "why", cell: reasonOf}], (line, remark) => { line.dataset.remark = remark.name; });
}

function values() {
  const columns = [
    {head: "name", cell: v => v.name, class: "name"}, {head: "type", cell: v => v.dtype, class: "short"},
    {head: "dimensions", cell: v => v.dims.join(", ")}, {head: "shape", cell: v => v.shape, class: "short"},
    {head: "bytes", cell: v => bytes(v.bytes), value: v => v.bytes, number: true}];
  const ports = [...report.inputs.map(v => ({way: "input", ...v})), ...report.outputs.map(v => ({way: "output", ...v}))];
  table(section("ports", "Inputs and outputs"), ports, [{head: "", cell: v => v.way, class: "short"}, ...columns]);
  table(section("constants", "Constants", bytes(report.memory.constant_bytes)), report.constants, columns.filter(c => c.head !== "dimensions"));
}
