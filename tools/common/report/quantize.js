// ---- The page of `quantize --report` ----

const report = JSON.parse(document.getElementById("report").textContent);
const page = document.getElementById("page");

const decibels = value => value === undefined ? "" : value === null ? "exact" : value.toFixed(1);
const isQuantized = layer => !layer.why_float;

function head() {
  document.title = report.model + " - Jinx quantization";
  page.append(make("h1", {}, report.model));
  const data = report.samples ? plural(report.samples, "sample") : "no samples: signal to noise is that of weights";
  page.append(make("div", {class: "soft"}, [report.scheme, report.method && `ranges by ${report.method}`, data].filter(Boolean).join(" \u00b7 ")));
  const cards = [
    ["layers quantized", `${report.quantized_layers} of ${report.layers.length}`],
    ...(report.bits !== undefined ? [["bits a weight", report.bits.toFixed(2)]] : []),
    ...(report.wide_layers ? [["layers in 8 bits", report.wide_layers]] : []),
    ["weights of layers", bytes(report.weight_bytes_after)], ["before", bytes(report.weight_bytes_before)],
    ["times smaller", (report.weight_bytes_before / report.weight_bytes_after).toFixed(2)],
    ...report.outputs.map(o => [`output ${o.name}, dB`, decibels(o.snr_db)]),
    ...report.accuracy.flatMap(a => [[`${a.what}, float`, a.float.toFixed(4)], [`${a.what}, quantized`, a.quantized.toFixed(4)]]),
    ...(report.budget_db !== undefined ? [["budget, dB", decibels(report.budget_db)]] : []),
    ...(report.ms !== undefined ? [["time", duration(report.ms)], ["time of float", duration(report.float_ms)]] : [])];
  page.append(make("div", {class: "cards"}, ...cards.map(([what, value]) =>
    make("div", {class: "card"}, make("b", {}, String(value)), make("span", {class: "soft"}, what)))));
  for (const note of report.notes || []) page.append(make("p", {class: "soft"}, note));
}

/** Bars, one a layer in order; several series share a bar's place, the later ones in front. */
function bars(parent, layers, series, format) {
  const width = 1360, height = 220, left = 64, bottom = 18;
  const values = layers.flatMap(l => series.map(s => s.value(l))).filter(v => typeof v === "number");
  const most = Math.max(...values, 0), least = Math.min(...values, 0), span = most - least || 1;
  const y = value => (height - bottom) - (value - least) / span * (height - bottom - 12);
  const svg = make("svg", {class: "timeline plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": series.map(s => s.name).join(", ")});
  for (let i = 0; i <= 4; i++) {
    const value = least + span * i / 4;
    svg.append(make("line", {x1: left, x2: width, y1: y(value), y2: y(value)}),
      make("text", {x: left - 6, y: y(value) + 4, "text-anchor": "end"}, format(value)));
  }
  const step = (width - left) / Math.max(layers.length, 1);
  layers.forEach((layer, i) => series.forEach(s => {
    const value = s.value(layer);
    if (typeof value !== "number") return;
    const top = Math.min(y(value), y(0)), bar = make("rect", {class: "buffer", style: `--h: ${s.hue}`, x: left + i * step + step * 0.1,
      y: top, width: Math.max(step * 0.8, 0.8), height: Math.max(Math.abs(y(value) - y(0)), 0.8)});
    svg.append(withTip(bar, `${layer.node}\n${s.name}: ${format(value)}`));
  }));
  parent.append(svg);
}

function plots() {
  const layers = report.layers;
  const snr = ["output_snr_db", "weights_snr_db"].find(key => layers.some(l => typeof l[key] === "number" && isQuantized(l)));
  if (snr) {
    const name = snr === "output_snr_db" ? "Signal to noise of each layer's output" : "Signal to noise of each layer's weights";
    bars(section("snr", name, "dB, against the float model, in the model's order"), layers, [{name, hue: 210, value: l => l[snr] ?? undefined}], v => v.toFixed(0) + " dB");
  }
  bars(section("sizes", "Weights of each layer", "before, and in front of it after"), layers,
    [{name: "before", hue: 30, value: l => l.weight_bytes_before}, {name: "after", hue: 210, value: l => l.weight_bytes_after}], v => bytes(Math.round(v)));
  if (layers.some(l => typeof l.alone_snr_db === "number"))
    bars(section("alone", "Damage of each layer alone", "dB of the model's outputs when only this layer is quantized: the lowest are kept float first"), layers,
      [{name: "alone", hue: 340, value: l => l.alone_snr_db ?? undefined}], v => v.toFixed(0) + " dB");
}

function layerTable() {
  const has = key => report.layers.some(l => l[key] !== undefined);
  const db = (head, key) => ({head, cell: l => decibels(l[key]), value: l => l[key] === null ? Infinity : l[key], number: true});
  table(section("layers", "Layers"), report.layers, [
    {head: "layer", cell: l => l.node, class: "name"},
    {head: "operator", cell: l => l.operator},
    {head: "weights", cell: l => l.scheme, tag: true},
    {head: "bytes", cell: l => bytes(l.weight_bytes_after), value: l => l.weight_bytes_after, number: true},
    {head: "before", cell: l => bytes(l.weight_bytes_before), value: l => l.weight_bytes_before, number: true},
    {head: "bits", cell: l => l.bits === undefined ? "" : l.bits.toFixed(2), value: l => l.bits, number: true},
    ...(has("weights_snr_db") ? [db("weights dB", "weights_snr_db")] : []),
    ...(has("output_snr_db") ? [db("output dB", "output_snr_db")] : []),
    ...(has("alone_snr_db") ? [db("alone dB", "alone_snr_db")] : []),
    ...(has("ms") ? [{head: "time", cell: l => l.ms === undefined ? "" : duration(l.ms), value: l => l.ms, number: true},
      {head: "before", cell: l => l.float_ms === undefined ? "" : duration(l.float_ms), value: l => l.float_ms, number: true}] : []),
    {head: "why", cell: l => l.why_float || l.why_wide || ""}]);
}

function budget() {
  if (!report.kept_for_budget?.length) return;
  const list = section("budget", "Kept float for the budget", "most damaging first");
  list.append(make("ol", {}, ...report.kept_for_budget.map(node => make("li", {}, node))));
}

head();
plots();
layerTable();
budget();
