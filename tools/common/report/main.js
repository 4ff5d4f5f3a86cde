// ---- The page ----

const report = JSON.parse(document.getElementById("report").textContent);

function head() {
  const page = document.getElementById("page"), m = report.memory;
  document.title = (report.name || "plan") + " - Jinx plan";
  page.append(make("h1", {}, report.name || "plan"));
  const soft = text => { if (text) page.append(make("div", {class: "soft"}, text)); };
  soft(`for ${report.target}, by ${report.producer}, plan format ${report.version}` + (report.options.length ? " \u00b7 " + report.options.join(" \u00b7 ") : ""));
  const sizes = Object.entries(report.sizes).map(([name, value]) => name + " = " + value).join(", ");
  soft(sizes && `shapes, flops, bytes and memory are for ${sizes} (${report.compile ? "--report-dim" : "--dim"} NAME=SIZE shows others)`);
  const total = report.steps.reduce((sum, s) => sum + (s.flops || 0), 0), host = report.steps.filter(s => s.kind === "host").length;
  const cards = [
    ...(report.compile?.graph ? [["operators before fusion", report.compile.graph.operators.length]] : []),
    ["steps", report.steps.length], ["steps on the host", host], ["kernels", report.kernels.length], ["flop", count(total)],
    ["constants", bytes(m.constant_bytes)], ["activations", m.problem ? "?" : bytes(m.arena_bytes)],
    ["code", bytes(report.code.reduce((sum, c) => sum + c.bytes, 0))],
    ...(report.compile ? [["compiled in", duration(report.compile.stages.reduce((sum, s) => sum + s.ms, 0))]] : [])];
  page.append(make("div", {class: "cards"}, ...cards.map(([what, value]) =>
    make("div", {class: "card"}, make("b", {}, String(value)), make("span", {class: "soft"}, what)))));
}

linkRemarks();
head();
graphs();
steps();
memory();
compilation();
kernels();
values();
addEventListener("keydown", event => { if (event.key === "Escape") select(null); });
const asked = Number(/^#step=(\d+)$/.exec(location.hash)?.[1] ?? NaN);
if (asked in report.steps) select(asked);
