// ---- Elements, numbers as text, text that fits ----

const svgTags = new Set(["svg", "rect", "text", "line", "path", "g"]);

/** An element: make("td", {class: "name"}, "text", child, …). */
function make(tag, attributes = {}, ...children) {
  const element = svgTags.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function section(id, title, note = "") {
  const element = make("section", {id}, make("h2", {}, title, make("span", {class: "soft"}, note)));
  document.getElementById("page").append(element);
  return element;
}

function inUnits(value, units, largest) {
  let unit = 0;
  while (value >= (unit ? 999.5 : largest) && unit + 1 < units.length) { value /= 1000; unit++; }
  return (unit === 0 ? String(value) : value >= 99.95 ? value.toFixed(0) : value.toFixed(1)) + units[unit];
}
const bytes = value => value === undefined ? "" : inUnits(value, [" B", " kB", " MB", " GB", " TB"], 999.5);
const count = value => value === undefined ? "" : inUnits(value, ["", " k", " M", " G", " T", " P"], 9999.5);
const flops = value => inUnits(value, [" flop", " kflop", " Mflop", " Gflop", " Tflop"], 9999.5);
const milliseconds = value => value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
const duration = ms => ms >= 9999.5 ? (ms / 1000).toFixed(1) + " s" : milliseconds(ms) + " ms";
const plural = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

/** The last two parts of a path: "MagikaV2/LayerNorm_0/Mul" is "LayerNorm_0/Mul". */
const shortName = name => name.split("/").slice(-2).join("/");
/** A shape, or for what only a run knows its name: "?". */
const shapeOf = operand => (operand || "").replace(/^.* (\S+\[)/, "$1");

/** Of such a shape the extents: "1x64". */
const extentsOf = operand => shapeOf(operand).replace(/^.*\[(.*)\]$/, (_, extents) => extents === "?" ? "" : extents || "scalar");

/** Hues far apart for neighbours: multiples of the golden angle. */
const hue = index => Math.round(index * 137.508 + 210) % 360;

const canvas = document.createElement("canvas").getContext("2d");
function widthOf(text, weight = 400) {
  canvas.font = `${weight} 11px system-ui, "DejaVu Sans", sans-serif`;
  return canvas.measureText(text).width;
}
/** `text`, or as much of it as fits with an ellipsis: of its end when `keepEnd`. */
function fitted(text, width, weight = 400, keepEnd = false) {
  if (widthOf(text, weight) <= width) return text;
  let low = 0, high = text.length;
  const cut = n => keepEnd ? "\u2026" + text.slice(text.length - n) : text.slice(0, n) + "\u2026";
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (widthOf(cut(middle), weight) <= width) low = middle; else high = middle - 1;
  }
  return low ? cut(low) : "";
}

/** Shows `text` beside the pointer while it is over `element`. */
function withTip(element, text) {
  const tip = document.getElementById("tip");
  element.addEventListener("mousemove", event => {
    tip.textContent = text;
    tip.style.display = "block";
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
  });
  element.addEventListener("mouseleave", () => { tip.style.display = "none"; });
  return element;
}

/** A table whose columns sort. Columns are {head, cell(row), value(row), number, tag, class}; `onRow(line, row)` sees each line. */
function table(parent, rows, columns, onRow = () => {}) {
  const body = make("tbody"), head = make("tr");
  let order = null, down = false;
  const lines = rows.map(row => {
    const line = make("tr");
    for (const column of columns) {
      const content = column.cell(row);
      line.append(make("td", {class: ((column.number ? "number " : "") + (column.class || "")).trim()},
        column.tag ? make("span", {class: "tag " + content}, content) : content));
    }
    onRow(line, row);
    return {row, line, text: line.textContent.toLowerCase()};
  });
  function draw(filter = "") {
    const shown = lines.filter(l => l.text.includes(filter));
    const key = order === null ? null : columns[order].value || columns[order].cell;
    if (key) shown.sort((a, b) => {
      const x = key(a.row) ?? -1, y = key(b.row) ?? -1;
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
    });
    [...head.children].forEach((cell, i) =>
      i === order ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"));
    body.replaceChildren(...shown.map(l => l.line));
  }
  const search = make("input", {type: "search", placeholder: "filter", "aria-label": "filter rows"});
  search.oninput = () => draw(search.value.toLowerCase());
  columns.forEach((column, i) => {
    const cell = make("th", {class: column.number ? "number" : "", scope: "col"}, column.head);
    cell.onclick = () => { down = order === i ? !down : !!column.number; order = i; draw(search.value.toLowerCase()); };
    head.append(cell);
  });
  draw();
  if (rows.length > 12) parent.append(make("div", {class: "tools"}, search));
  parent.append(make("div", {class: "scroll"}, make("table", {}, make("thead", {}, head), body)));
}
