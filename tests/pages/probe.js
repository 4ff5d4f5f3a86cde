// Looks at a page from inside and leaves what it saw as JSON in <pre id="probe">. `actions` is set by pages.py: what to click first.
"use strict";
const all = selector => [...document.querySelectorAll(selector)];
const within = (inner, outer, slack = 1) => inner.left >= outer.left - slack && inner.right <= outer.right + slack &&
  inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;
const meet = (a, b, slack = 1) => a.left < b.right - slack && b.left < a.right - slack && a.top < b.bottom - slack && b.top < a.bottom - slack;

/** Pairs of elements that overlap. */
function overlaps(elements) {
  const boxes = elements.map(e => e.getBoundingClientRect()), found = [];
  boxes.forEach((a, i) => boxes.forEach((b, j) => { if (i < j && meet(a, b)) found.push([elements[i].textContent, elements[j].textContent]); }));
  return found;
}

function brightness(color) {
  const [r, g, b] = color.match(/[\d.]+/g).slice(0, 3).map(Number).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
/** WCAG 2.1's ratio: 4.5 is what small text needs. */
function contrast(a, b) {
  const [dark, light] = [brightness(a), brightness(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}
const isClear = color => /^rgba\(.*, 0\)$/.test(color) || color === "transparent";
function background(element) {
  while (element && isClear(getComputedStyle(element).backgroundColor)) element = element.parentElement;
  return element ? getComputedStyle(element).backgroundColor : "rgb(255, 255, 255)";
}

/** Text whose colour is too near to what is behind it: [text, ratio]. */
function faint() {
  const found = [];
  const look = (text, color, behind) => { if (contrast(color, behind) < 4.5) found.push([text.slice(0, 40), contrast(color, behind).toFixed(2)]); };
  for (const element of all("#page *:not(svg *)")) {
    const own = [...element.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data).join("");
    if (own && element.checkVisibility()) look(own, getComputedStyle(element).color, background(element));
  }
  for (const node of all(".node"))
    for (const text of node.querySelectorAll("text")) look(text.textContent, getComputedStyle(text).fill, getComputedStyle(node.querySelector("rect")).fill);
  const buffers = all(".buffer").map(b => [b.getBoundingClientRect(), getComputedStyle(b).fill]);
  for (const label of all("svg text.label")) {
    const at = label.getBoundingClientRect(), under = buffers.find(([box]) => within(at, box, 2));
    look(label.textContent, getComputedStyle(label).fill, under ? under[1] : "rgb(0, 0, 0)");
  }
  for (const text of all("svg.timeline text:not(.label)")) look(text.textContent, getComputedStyle(text).fill, background(text.closest("section")));
  return found;
}

for (const selector of actions) document.querySelector(selector).dispatchEvent(new MouseEvent("click", {bubbles: true}));
const nodes = {before: all(".before .node").length, after: all(".after .node").length};
const wrong = {
  overlapping: all(".pane").flatMap(pane => overlaps([...pane.querySelectorAll(".node")])),
  labelsOverlapping: overlaps(all("svg text.label")),
  outside: all(".node").flatMap(node => [...node.querySelectorAll("text")]
    .filter(text => !within(text.getBoundingClientRect(), node.querySelector("rect").getBoundingClientRect())).map(text => text.textContent)),
  boxTextsOverlapping: all(".node").flatMap(node => overlaps([...node.querySelectorAll("text")].filter(t => t.textContent))),
  clipped: all("td, th, dd, .card").filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60)),
  wider: Math.max(0, document.documentElement.scrollWidth - innerWidth),
  faint: actions.length ? [] : faint(),
};
document.body.append(Object.assign(document.createElement("pre"), {id: "probe", textContent: JSON.stringify({nodes, wrong})}));
