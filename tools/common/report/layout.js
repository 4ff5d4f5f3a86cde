// ---- Where the boxes of a graph go: layers from top to bottom, long edges through places of their own ----
//
// Sugiyama, Tagawa & Toda 1981: a node lies one layer below the lowest of those it reads; an edge over several layers gets a narrow
// place in each; the order within layers follows the means of neighbours; positions are the closest to those means that keep order and
// distance, which is isotonic regression.

const boxWidth = 264, boxHeight = 38, gapX = 16, gapY = 26, laneWidth = 8, mostPlaces = 40000;

/** Layers: reads[i] are nodes before i. A node with more readers than reads comes down to just above the first of them. */
function layersOf(reads) {
  const layer = reads.map(() => 0), readers = reads.map(() => []);
  reads.forEach((from, i) => { for (const r of from) { layer[i] = Math.max(layer[i], layer[r] + 1); readers[r].push(i); } });
  for (let i = reads.length - 1; i >= 0; i--)
    if (readers[i].length > reads[i].length) layer[i] = Math.min(...readers[i].map(r => layer[r])) - 1;
  return layer;
}

/** Nodes and the places of long edges: {layers: [[place]], routes: edge -> [place]}. A place is {node, width, above, below, x}. */
function placesOf(reads) {
  const layer = layersOf(reads), layers = [], routes = new Map();
  const add = (node, level) => {
    const place = {node, level, width: node < 0 ? laneWidth : boxWidth, above: [], below: [], x: 0};
    (layers[level] ||= []).push(place);
    return place;
  };
  const places = reads.map((_, i) => add(i, layer[i]));
  let total = reads.length;
  reads.forEach((from, i) => {
    for (const r of from) {
      const route = [places[r]];
      total += layer[i] - layer[r] - 1;
      if (total <= mostPlaces) for (let level = layer[r] + 1; level < layer[i]; level++) route.push(add(-1, level));
      route.push(places[i]);
      for (let k = 0; k + 1 < route.length; k++) { route[k].below.push(route[k + 1]); route[k + 1].above.push(route[k]); }
      routes.set(r + " " + i, route);
    }
  });
  return {places, layers, routes};
}

const mean = (places, of) => places.reduce((sum, p) => sum + of(p), 0) / places.length;

function orderLayers(layers) {
  const number = layer => layer.forEach((place, i) => { place.order = i; });
  layers.forEach(number);
  for (let sweep = 0; sweep < 12; sweep++) {
    const down = sweep % 2 === 0;
    for (const layer of down ? layers : layers.slice().reverse()) {
      for (const place of layer) {
        const near = down ? place.above : place.below;
        place.wish = near.length ? mean(near, p => p.order) : place.order;
      }
      layer.sort((a, b) => a.wish - b.wish || a.order - b.order);
      number(layer);
    }
  }
}

/** Moves a layer's places to the wishes that are closest to `wish` and keep order and distance. */
function settle(layer, wish) {
  let offset = 0;
  const blocks = [];
  layer.forEach((place, i) => {
    if (i) offset += (layer[i - 1].width + place.width) / 2 + gapX;
    place.offset = offset;
    const weight = place.node < 0 ? 3 : 1;
    blocks.push({sum: (wish(place) - offset) * weight, weight, places: [place]});
    while (blocks.length > 1) {
      const last = blocks[blocks.length - 1], before = blocks[blocks.length - 2];
      if (before.sum / before.weight <= last.sum / last.weight) break;
      before.sum += last.sum;
      before.weight += last.weight;
      before.places.push(...last.places);
      blocks.pop();
    }
  });
  for (const block of blocks) for (const place of block.places) place.x = block.sum / block.weight + place.offset;
}

/** Boxes (top left corners) and paths of a graph: {boxes: [{x, y}], paths: [{from, to, points}], width, height}. */
function layoutGraph(reads) {
  const {places, layers, routes} = placesOf(reads);
  orderLayers(layers);
  for (let sweep = 0; sweep <= 16; sweep++) { // the last one goes down: chains become straight
    const near = sweep >= 12 && sweep < 16 ? p => [...p.above, ...p.below] : sweep % 2 ? p => p.below : p => p.above;
    for (const layer of sweep % 2 ? layers.slice().reverse() : layers)
      settle(layer, place => { const n = near(place); return n.length ? mean(n, p => p.x) : place.x; });
  }
  let left = Infinity, right = 0;
  for (const layer of layers) for (const p of layer) { left = Math.min(left, p.x - p.width / 2); }
  for (const layer of layers) for (const p of layer) { p.x += 12 - left; right = Math.max(right, p.x + p.width / 2); }
  const top = p => 12 + p.level * (boxHeight + gapY);
  return {
    boxes: places.map(p => ({x: p.x - boxWidth / 2, y: top(p)})),
    paths: [...routes].map(([key, route]) => {
      const [from, to] = key.split(" ").map(Number);
      const points = route.flatMap((p, i) => [...(i ? [{x: p.x, y: top(p)}] : []), ...(i + 1 < route.length ? [{x: p.x, y: top(p) + boxHeight}] : [])]);
      return {from, to, points};
    }),
    width: right + 12,
    height: 24 + layers.length * (boxHeight + gapY) - gapY,
  };
}

/** Straight along a place, bent between two. */
function pathText(points) {
  let text = `M${points[0].x.toFixed(1)} ${points[0].y}`;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i], middle = ((a.y + b.y) / 2).toFixed(1);
    text += Math.abs(a.x - b.x) < 0.5 ? `L${b.x.toFixed(1)} ${b.y}`
      : `C${a.x.toFixed(1)} ${middle} ${b.x.toFixed(1)} ${middle} ${b.x.toFixed(1)} ${b.y}`;
  }
  return text;
}
