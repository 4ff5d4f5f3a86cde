// ---- The arena over time: activations as rectangles, steps to the right, offsets upwards ----

function ticks(most, wanted) {
  const raw = Math.max(1, most / wanted), power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(f => f * power).find(f => f >= raw);
  return Array.from({length: Math.floor(most / step) + 1}, (_, i) => i * step);
}

function timeline(parent, memory) {
  const width = 1360, height = 360, left = 70, bottom = 26, top = 8, right = 12;
  const steps = report.steps.length, extent = Math.max(1, memory.arena_bytes);
  const x = step => left + (width - left - right) * step / steps, y = offset => top + (height - bottom - top) * (1 - offset / extent);
  const svg = make("svg", {class: "timeline", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "memory over steps"});
  for (let i = 0; i <= 4; i++) svg.append(make("line", {x1: left, x2: width - right, y1: y(extent * i / 4), y2: y(extent * i / 4)}),
    make("text", {x: left - 8, y: y(extent * i / 4) + 4, "text-anchor": "end"}, bytes(Math.round(extent * i / 4))));
  for (const step of ticks(steps - 1, 16)) svg.append(make("text", {x: x(step + 0.5), y: height - 8, "text-anchor": "middle"}, String(step)));
  svg.append(make("text", {x: left - 8, y: height - 8, "text-anchor": "end"}, "step"));
  const labels = [];
  const boxes = memory.timeline.map((entry, i) => {
    const wide = Math.max(1, x(entry.last + 1) - x(entry.first) - 1), high = Math.max(1, y(entry.offset) - y(entry.offset + entry.size) - 1);
    const box = make("rect", {class: "buffer", style: `--h:${hue(entry.first)}`, "data-buffer": i, x: x(entry.first), y: y(entry.offset) - high, width: wide, height: high});
    withTip(box, `${entry.name}\n${bytes(entry.size)} at ${bytes(entry.offset)}, steps ${entry.first} to ${entry.last}`);
    box.onclick = () => select(entry.first);
    const label = high >= 14 && wide >= 56 ? fitted(shortName(entry.name), wide - 8, 400, true) : "";
    if (label) labels.push(make("text", {class: "label", x: x(entry.first) + 4, y: y(entry.offset) - high / 2 + 4}, label));
    return box;
  });
  svg.append(...boxes, ...labels);
  parent.append(svg);
  onSelect(step => {
    const chosen = memory.timeline.map(e => step !== null && e.first === step);
    svg.classList.toggle("selecting", chosen.includes(true));
    boxes.forEach((box, i) => box.classList.toggle("selected", chosen[i]));
  });
}

function memory() {
  const m = report.memory;
  const parent = section("memory", "Memory", m.problem ? "" :
    `one arena of ${bytes(m.arena_bytes)} holds ${plural(m.timeline.length, "value")} that would take ${bytes(m.separate_bytes)} apart; ` +
    `most alive at once ${bytes(m.largest_live_bytes)}; scratch ${bytes(m.scratch_bytes)} a thread; constants ${bytes(m.constant_bytes)}`);
  if (m.problem) parent.append(make("div", {class: "soft"}, "activations unknown: " + m.problem));
  else if (m.timeline.length) timeline(parent, m);
  else parent.append(make("div", {class: "soft"}, "no activation has a place of its own: sizes are known only while running, or there are none"));
}
