// ---- The graphs before and after fusion ----

/** Draws nodes {kind, shape, name, tip, steps, class, reads, inside} into a pane. Returns what brings its top into view, once all panes have
 *  their width. */
function pane(parent, title, cssClass, nodes) {
  // What reads nothing but lies in a branch or a loop body hangs from the step that runs it.
  const hangs = node => !node.reads.length && node.inside >= 0;
  const layout = layoutGraph(nodes.map(n => hangs(n) ? [n.inside] : n.reads));
  const svg = make("svg", {class: "graph", viewBox: `0 0 ${layout.width} ${layout.height}`, role: "img", "aria-label": title});
  const edges = layout.paths.map(path => {
    const edge = make("path", {class: "edge" + (hangs(nodes[path.to]) ? " inside" : ""), d: pathText(path.points)});
    svg.append(edge);
    return {...path, edge};
  });
  const boxes = nodes.map((node, i) => {
    const {x, y} = layout.boxes[i], inner = boxWidth - 16;
    const kind = fitted(node.kind, inner, 600), room = inner - widthOf(kind, 600) - 10;
    const shape = widthOf(node.shape) <= room ? node.shape : "";
    const box = make("g", {class: "node " + node.class, style: `--h:${hue(node.steps[0] ?? 0)}`, "data-node": i},
      make("rect", {x, y, width: boxWidth, height: boxHeight, rx: 5}),
      make("text", {class: "kind", x: x + 8, y: y + 15.5}, kind),
      ...(shape ? [make("text", {class: "shape", x: x + boxWidth - 8, y: y + 15.5, "text-anchor": "end"}, shape)] : []),
      make("text", {class: "what", x: x + 8, y: y + 30}, fitted(node.name, inner, 400, true)));
    withTip(box, node.tip);
    box.onclick = event => { event.stopPropagation(); select(node.steps.length ? node.steps[0] : null, node); };
    svg.append(box);
    return box;
  });

  const view = make("div", {class: "view"}, svg);
  let scale = 1;
  const zoom = to => {
    const middle = view.clientHeight / 2, at = (view.scrollTop + middle) / scale, across = (view.scrollLeft + view.clientWidth / 2) / scale;
    scale = Math.min(2, Math.max(0.05, to));
    svg.setAttribute("width", layout.width * scale);
    svg.setAttribute("height", layout.height * scale);
    view.scrollTop = at * scale - middle;
    view.scrollLeft = across * scale - view.clientWidth / 2;
  };
  const button = (text, label, action) => { const b = make("button", {title: label, "aria-label": label}, text); b.onclick = action; return b; };
  parent.append(make("div", {class: "pane " + cssClass}, make("header", {}, make("h3", {}, title),
    button("\u2212", "smaller", () => zoom(scale / 1.25)), button("+", "larger", () => zoom(scale * 1.25)),
    button("1:1", "full size", () => zoom(1)),
    button("fit", "all of it", () => zoom(Math.min((view.clientWidth - 4) / layout.width, (view.clientHeight - 4) / layout.height)))), view));
  svg.onclick = () => select(null);
  onSelect((step, node) => {
    const chosen = nodes.map(n => n === node || (step !== null && n.steps.includes(step)));
    svg.classList.toggle("selecting", chosen.includes(true));
    boxes.forEach((box, i) => box.classList.toggle("selected", chosen[i]));
    for (const {edge, from, to} of edges) edge.classList.toggle("selected", chosen[from] && chosen[to]);
    const first = chosen.indexOf(true);
    if (first < 0 || nodes.includes(node)) return;
    const box = layout.boxes[first];
    view.scrollTo({top: (box.y + boxHeight / 2) * scale - view.clientHeight / 2, left: (box.x + boxWidth / 2) * scale - view.clientWidth / 2});
  });
  return () => {
    zoom(Math.max(0.85, Math.min(1, (view.clientWidth - 18) / layout.width)));
    view.scrollTo({top: 0, left: ((layout.boxes[0]?.x ?? 0) + boxWidth / 2) * scale - view.clientWidth / 2});
  };
}

function operatorNodes() {
  return report.compile.graph.operators.map(op => {
    const steps = op.steps, where = steps.length ? "computed by step " + steps.join(", ") : "no work: a view of its operand's bytes";
    const isHost = steps.some(s => report.steps[s].kind === "host");
    return {kind: op.kind, shape: op.shape === "?" ? "" : op.shape, name: op.node, steps, reads: op.reads, inside: op.inside ?? -1,
      class: !steps.length ? "view-only" : isHost ? "host" : "",
      tip: `${op.kind}  ${op.node}\n${op.shape}${op.dims.join(", ") === op.shape ? "" : "  [" + op.dims.join(", ") + "]"}\n${where}`};
  });
}

function stepNodes() {
  return report.steps.map(step => {
    const figures = [plural(step.nodes.length, "node"), step.flops ? flops(step.flops) : "", bytes(step.bytes)];
    return {kind: `${step.index}  ${step.kernel || step.kind}`, shape: extentsOf(step.outputs[0]), steps: [step.index], reads: step.reads,
      inside: step.inside, class: step.kind,
      name: step.kind === "host" ? "on the host \u00b7 " + shortName(step.name) : figures.filter(Boolean).join(" \u00b7 "),
      tip: `step ${step.index}: ${step.kernel || step.kind}\n${step.nodes.join("\n")}`};
  });
}

function graphs() {
  const before = report.compile?.graph;
  const parent = section("graph", "Graph", before ? "a box has the colour of its step; click one to see where it went"
    : "as it runs; `jinx compile --report` also shows the graph before fusion");
  const panes = make("div", {class: "panes"});
  parent.append(panes);
  const toTop = [];
  if (before) toTop.push(pane(panes, "before fusion: " + plural(before.operators.length, "operator"), "before", operatorNodes()));
  toTop.push(pane(panes, "after fusion: " + plural(report.steps.length, "step"), "after", stepNodes()));
  toTop.forEach(show => show());
  const details = make("div", {class: "details", hidden: ""});
  parent.append(details);
  onSelect((step, node) => {
    details.hidden = step === null && !node;
    if (step !== null) details.replaceChildren(make("h3", {}, `Step ${step}: ${report.steps[step].kernel || report.steps[step].kind}`), about(report.steps[step]));
    else if (node) details.replaceChildren(make("h3", {}, node.kind), make("div", {class: "soft"}, node.tip));
  });
}
