"use strict";
/* The page reads one object:
 *   boxes, edges, frames   the drawing; "at" is [x, y, width, height], of a box its middle, of a frame its corner;
 *                          "later" are the numbers of the lines that backward makes known
 *   vertices               what the boxes show, each with its "box" and its "arrays" (one for each output)
 *   links                  how vertices feed each other: "argument" of "head" is output number "output" of "tail"
 *   steps                  what is played: "forward", then "start", "rule" and "leaf"
 *   arrays                 a sample of each array, float32 in base64, with what is known of the whole
 */
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const played = data.steps.length > 0;
const MOST_VISIBLE = 200, MOST_PIXELS = 25e6, HEADER = 18, CLOSED = 30;

function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter(child => child != null && child !== ""));
  return made;
}

function s(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// -- numbers and arrays -----------------------------------------------------------------------

function short(number, digits = 3) {
  if (typeof number !== "number" || !Number.isFinite(number)) return String(number).replace("-", "−");
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (Number.isInteger(number) && size < 1e6) return String(number).replace("-", "−");
  const text = size >= 1e5 || size < 1e-3 ? number.toExponential(Math.min(1, digits - 2)) : String(+number.toPrecision(digits));
  return text.replaceAll("-", "−").replace("e+", "e");
}

const decoded = new Map();
function sample(id) {
  if (!decoded.has(id)) {
    const bytes = Uint8Array.from(atob(data.arrays[id].data), c => c.charCodeAt(0));
    decoded.set(id, new Float32Array(bytes.buffer));
  }
  return decoded.get(id);
}

/** Return element (a, b, y, x) of an array's tiles; undefined where the sample has it not. */
function element(id, a, b, y, x) {
  const [A, B, H, W] = data.arrays[id].shown, [dy, dx] = data.arrays[id].steps;
  if (dy > 1 || dx > 1 || a >= A || b >= B || y >= H || x >= W) return undefined;
  return sample(id)[((a * B + b) * H + y) * W + x];
}

const COLD = [33, 102, 172], MIDDLE = [247, 247, 247], WARM = [178, 24, 43];
function color(value, most) {
  if (Number.isNaN(value)) return [255, 0, 255];
  const part = most > 0 ? Math.max(-1, Math.min(1, value / most)) : 0;
  const end = part < 0 ? COLD : WARM;
  return MIDDLE.map((from, i) => Math.round(from + (end[i] - from) * Math.abs(part)));
}

function largest(values) {
  let most = 0;
  for (const value of values) if (Number.isFinite(value) && Math.abs(value) > most) most = Math.abs(value);
  return most;
}

const tag = array => `${array.shape.length ? array.shape.join("×") : "a number"} ${array.dtype}`;

/** Return a box with all there is to see of an array; `pick` is called with the cell that is chosen. */
function arrayView(id, pick) {
  if (id == null) return h("p", { class: "faint" }, "not known: no rule keeps it, and it could not be computed again");
  const array = data.arrays[id], box = h("div", { class: "array" });
  if (array.size === 1) {
    box.append(h("div", {}, h("b", {}, short(sample(id)[0])), " ", h("span", { class: "faint" }, tag(array))));
    return box;
  }
  const facts = `${tag(array)} · ‖·‖ ${short(array.norm)} · mean ${short(array.mean)} · ${short(array.low)} … ${short(array.high)}`;
  box.append(h("div", { class: "facts" }, facts));
  if (array.nan || array.inf) box.append(h("div", { class: "bad" }, `${array.nan} NaN, ${array.inf} infinite`));
  if (!array.size) return box;
  const [A, B, H, W] = array.shown;
  if (array.size === A * B * H * W && A * B === 1 && H <= 8 && W <= 8 && !pick) {
    box.append(table(sample(id), W));
    return box;
  }
  box.append(heat(id, pick), ...(array.size > 64 ? [histogram(array)] : []));
  return box;
}

function table(values, width, digits = 3) {
  const most = largest(values), rows = [];
  for (let start = 0; start < values.length; start += width) {
    rows.push(h("tr", {}, Array.from(values.slice(start, start + width), value =>
      h("td", { style: `background:rgb(${color(value, most)});color:${Math.abs(value) > 0.6 * most ? "#fff" : "#1b1f24"}` }, short(value, digits)))));
  }
  return h("div", { class: digits < 3 ? "numbers small" : "numbers" }, h("table", {}, h("tbody", {}, rows)));
}

function histogram(array) {
  const most = Math.max(...array.histogram, 1), count = array.histogram.length;
  const bars = array.histogram.map((n, i) => {
    const height = n ? Math.max(1, 32 * n / most) : 0;
    return s("rect", { x: i * 10, y: 33 - height, width: 9, height });
  });
  const label = `Histogram from ${short(array.low)} to ${short(array.high)}: ${array.histogram.join(", ")}`;
  return h("div", {},
    s("svg", { class: "histogram", viewBox: `0 0 ${count * 10} 34`, preserveAspectRatio: "none", role: "img", "aria-label": label }, ...bars),
    h("div", { class: "scale" }, short(array.low), h("span", { style: "width:100px" }), short(array.high)));
}

/** Return an array's tiles as a picture, on which a cell can be chosen by pointer and by arrows. */
function heat(id, pick) {
  const array = data.arrays[id], [A, B, H, W] = array.shown, values = sample(id), most = largest(values);
  const room = 400, gap = A * B > 1 ? 1 : 0;
  const flows = A === 1 || B === 1;  // the tiles follow each other, in as many rows as it takes
  const across = flows ? Math.min(A * B, Math.max(1, Math.floor(room / ((W + gap) * Math.max(1, Math.floor(56 / W)))))) : B;
  const down = flows ? Math.ceil(A * B / across) : A;
  const place = (a, b) => {
    const [row, column] = flows ? [Math.floor((a + b) / across), (a + b) % across] : [a, b];
    return [column * (W + gap), row * (H + gap)];
  };
  const width = across * (W + gap) - gap, height = down * (H + gap) - gap;
  const canvas = h("canvas", { width, height, tabindex: 0, role: "img", "aria-label": `Heat map of ${tag(array)}` });
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let a = 0, at = 0; a < A; a++) for (let b = 0; b < B; b++) {
    const [left, top] = place(a, b);
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++, at++) {
      image.data.set([...color(values[at], most), 255], ((top + y) * width + left + x) * 4);
    }
  }
  context.putImageData(image, 0, 0);
  const scale = Math.max(1, Math.min(24, Math.floor(room / width), Math.floor(340 / height)));
  canvas.style.width = `${width * scale}px`;
  canvas.style.aspectRatio = `${width} / ${Math.max(height, 14 / scale)}`;
  const marks = s("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  const said = h("div", { class: "cell", "aria-live": "polite" }, pick ? "Choose a cell to see what it is made of." : "");
  const cell = { a: 0, b: 0, y: 0, x: 0 };
  const index = () => {
    const [dy, dx] = array.steps, all = [cell.y * dy, cell.x * dx];
    const outer = array.shape.slice(0, -3), front = [];
    let rest = cell.a;
    for (const n of [...outer].reverse()) { front.unshift(rest % n); rest = Math.floor(rest / n); }
    return [...front, cell.b, ...all].slice(-array.shape.length);
  };
  const show = chosen => {
    const value = values[((cell.a * B + cell.b) * H + cell.y) * W + cell.x];
    said.textContent = `[${index().join(", ")}] = ${short(value)}`;
    const [left, top] = place(cell.a, cell.b);
    const old = marks.querySelector(".here");
    if (old) old.remove();
    marks.append(s("rect", { class: "here", x: left + cell.x, y: top + cell.y, width: 1, height: 1 }));
    if (chosen && pick) pick({ ...cell }, value);
  };
  const under = event => {
    const frame = canvas.getBoundingClientRect();
    const px = Math.floor((event.clientX - frame.left) / frame.width * width);
    const py = Math.floor((event.clientY - frame.top) / frame.height * height);
    const column = Math.floor(px / (W + gap)), row = Math.floor(py / (H + gap));
    const number = row * across + column;
    const [a, b] = !flows ? [row, column] : A === 1 ? [0, number] : [number, 0];
    const x = Math.min(px - column * (W + gap), W - 1), y = Math.min(py - row * (H + gap), H - 1);
    if (a >= A || b >= B || x < 0 || y < 0) return false;
    Object.assign(cell, { a, b, y, x });
    return true;
  };
  canvas.addEventListener("pointermove", event => { if (under(event)) show(false); });
  canvas.addEventListener("click", event => { if (under(event)) show(true); });
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (move) {
      let y = cell.y + move[0], x = cell.x + move[1], b = cell.b;
      if (x < 0 && b > 0) { b--; x = W - 1; }
      if (x >= W && b < B - 1) { b++; x = 0; }
      Object.assign(cell, { b, y: Math.max(0, Math.min(H - 1, y)), x: Math.max(0, Math.min(W - 1, x)) });
    } else if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    show(true);
  });
  const box = h("div", {},
    h("div", { class: "heat" }, canvas, marks),
    h("div", { class: "scale" }, `−${short(most)}`, h("i"), short(most)),
    ...partly(array), said);
  box.mark = rectangles => {
    marks.replaceChildren(...rectangles.map(([a, b, y, x, tall, wide]) => {
      const [left, top] = place(a, b);
      return s("rect", { x: left + x, y: top + y, width: wide, height: tall });
    }));
  };
  box.choose = (a, b, y, x) => { Object.assign(cell, { a, b, y, x }); show(true); };
  return box;
}

/** Say what of the array the sample leaves out. */
function partly(array) {
  const [A, B] = array.shown, [rows, columns] = array.tiles, [dy, dx] = array.steps, words = [];
  const first = (some, all, what) => `the first ${some > 1 ? `${some} ` : ""}of ${all} ${what}`;
  if (A < rows) words.push(first(A, rows, columns > 1 ? "rows" : "images"));
  if (B < columns) words.push(first(B, columns, "columns"));
  const steps = [dy > 1 ? `${dy} rows` : "", dx > 1 ? `${dx} columns` : ""].filter(Boolean);
  if (steps.length) words.push(`the largest of each ${steps.join(" and ")}`);
  return words.length ? [h("div", { class: "facts" }, `shown: ${words.join(", ")}`)] : [];
}

// -- the drawing ------------------------------------------------------------------------------

const GRAPH_STYLE = `
text { font-family: Helvetica, Arial, sans-serif; font-size: 11px; fill: var(--ink); }
.box rect, .box ellipse { stroke-width: 1.2; }
${["operation", "parameter", "input", "data", "output", "module"].map(kind =>
    `.${kind} > :first-child { fill: var(--${kind}); stroke: var(--${kind}-line); }`).join("\n")}
.data > :first-child { stroke-dasharray: 4 3; }
.box text { text-anchor: middle; pointer-events: none; }
.frame > rect { fill: none; stroke: var(--frame); }
.frame.closed > rect { fill: var(--module); stroke: var(--module-line); stroke-width: 1.4; }
.frame text { font-size: 10px; fill: var(--faint); }
.frame.closed text { font-size: 11px; fill: var(--ink); }
.edge path { fill: none; stroke: var(--line); stroke-width: 1.1; }
.edge .tip { fill: var(--line); stroke: none; }
.edge text { font-size: 9px; fill: var(--faint); }
.first > :first-child, .trail > :first-child, .warning > :first-child { stroke: var(--red); stroke-width: 3; }
.box:not(.back) .later { visibility: hidden; }
.ran > :first-child { stroke-width: 2.4; }
.back > :first-child { stroke: var(--backward); stroke-width: 2.4; }
.edge.flowed path { stroke: var(--backward); stroke-width: 1.6; }
.edge.flowed .tip { fill: var(--line); }
.lit.forward > :first-child { stroke: var(--forward); stroke-width: 4.5; }
.lit.backward > :first-child { stroke: var(--backward); stroke-width: 4.5; }
.edge.lit path { stroke: var(--forward); stroke-width: 3; }
.edge.lit.backward path { stroke: var(--backward); stroke-dasharray: 7 5; }
.edge.lit .tip { fill: var(--forward); stroke: none; }
.edge.lit.backward .tip { fill: var(--line); }
.chosen > :first-child { stroke: var(--focus); stroke-width: 3.5; }
.hit:focus { outline: none; }
.hit:focus-visible > :first-child { stroke: var(--focus); stroke-width: 4; }
.hit { cursor: pointer; }
@media (prefers-reduced-motion: no-preference) { .edge.lit.backward path { animation: flow 0.7s linear infinite; } }
@keyframes flow { to { stroke-dashoffset: 12; } }
`;

const closed = new Set();
const open = { x: 0, y: 0, scale: 1 };
const boxes = [], edges = [], frames = [];
const svg = $("graph"), canvas = s("g");
let size = [1, 1];

/** Return the outermost closed frame around a frame, itself included; null where there is none. */
function cover(frame) {
  let found = null;
  for (let i = frame; i; i = data.frames[i].parent) if (closed.has(i)) found = i;
  return found;
}

/** Return a map that takes away what stands between `needed` intervals, but for a gap. */
function squeezed(needed, gap) {
  if (!closed.size) return value => value;
  needed.sort((one, other) => one[0] - other[0]);
  const knots = [[0, 0]];
  for (const [low, high] of needed) {
    const [end, at] = knots[knots.length - 1];
    if (low > end) knots.push([low, at + Math.min(low - end, gap)]);
    const [from, to] = knots[knots.length - 1];
    if (high > from) knots.push([high, to + high - from]);
  }
  return value => {
    let n = knots.findIndex(knot => knot[0] >= value);
    if (n < 1) n = n ? knots.length - 1 : 1;
    const [[x, y], [end, top]] = [knots[n - 1], knots[n]];
    return value > end ? top + value - end : y + (value - x) * (top - y) / (end - x || 1);
  };
}

const textWidth = (() => {
  const context = document.createElement("canvas").getContext("2d");
  return (text, pixels) => { context.font = `${pixels}px Helvetica, Arial, sans-serif`; return context.measureText(text).width; };
})();
const frameName = frame => data.frames[frame].label || data.frames[frame].path;

function build() {
  svg.append(s("style", {}, GRAPH_STYLE), canvas);
  const layers = ["frames", "edges", "boxes"].map(name => s("g", { class: name }));
  canvas.append(...layers);
  data.frames.forEach((frame, i) => {
    if (!i || !frame.at) return;
    const group = s("g", { class: "frame hit", tabindex: 0, role: "button" }, s("rect", { rx: 8 }), s("text"));
    group.addEventListener("click", event => { if (!dragged(event)) toggle(i); });
    group.addEventListener("keydown", event => { if (event.key === "Enter") toggle(i); });
    frames[i] = group;
    layers[0].append(group);
  });
  data.edges.forEach((edge, i) => {
    const group = s("g", { class: "edge" }, s("path"), s("path", { class: "tip" }), s("text"));
    group.lastChild.textContent = edge.label;
    edges[i] = group;
    layers[1].append(group);
  });
  data.boxes.forEach((box, i) => {
    const oval = box.kind === "input" || box.kind === "data";
    const shape = oval ? s("ellipse") : s("rect", { rx: box.kind === "operation" ? 7 : 2 });
    const group = s("g", { class: `box hit ${box.kind} ${box.mark}`, tabindex: 0, role: "button", "aria-label": box.lines.join(", ") }, shape);
    if (box.fill) shape.setAttribute("style", `fill:${box.fill}`);
    for (const [n, line] of box.lines.entries()) {
      const text = s("text", played && box.later.includes(n) ? { class: "later" } : {});
      text.textContent = line;
      if (box.fill) text.setAttribute("style", `fill:${box.ink || "#000"}`);
      group.append(text);
    }
    group.addEventListener("click", event => { if (!dragged(event)) choose(i); });
    group.addEventListener("keydown", event => { if (event.key === "Enter") choose(i); });
    boxes[i] = group;
    layers[2].append(group);
  });
}

function layOut() {
  const rows = [], columns = [], corner = {};
  const seen = frame => cover(frame) === null;
  data.boxes.forEach(box => {
    if (!seen(box.frame)) return;
    const [x, y, w, tall] = box.at;
    rows.push([y - tall / 2, y + tall / 2]);
    columns.push([x - w / 2, x + w / 2]);
  });
  data.frames.forEach((frame, i) => {
    if (!i || !frame.at || !seen(frame.parent)) return;
    const [x, y, w] = frame.at, label = textWidth(`${frameName(i)}  +`, 11) + 20;
    rows.push([y, y + (closed.has(i) ? CLOSED : HEADER)]);
    const middle = x + w / 2;
    if (closed.has(i)) columns.push([middle - label / 2, middle + label / 2]);
    else columns.push([x, x + label]);
  });
  const fx = squeezed(columns, 24), fy = squeezed(rows, 40);
  data.boxes.forEach((box, i) => {
    const visible = seen(box.frame), [x, y, w, tall] = box.at, cx = fx(x), cy = fy(y);
    boxes[i].style.display = visible ? "" : "none";
    const shape = boxes[i].firstChild;
    if (shape.tagName === "ellipse") set(shape, { cx, cy, rx: w / 2, ry: tall / 2 });
    else set(shape, { x: cx - w / 2, y: cy - tall / 2, width: w, height: tall });
    box.lines.forEach((line, n) => set(boxes[i].children[n + 1], { x: cx, y: cy + 4 + 14 * (n - (box.lines.length - 1) / 2) }));
  });
  data.frames.forEach((frame, i) => {
    if (!frames[i]) return;
    const visible = seen(frame.parent), shut = closed.has(i), [x, y, w, tall] = frame.at;
    frames[i].style.display = visible ? "" : "none";
    frames[i].classList.toggle("closed", shut);
    set(frames[i], { "aria-expanded": String(!shut), "aria-label": `Module ${frameName(i)}` });
    const label = textWidth(`${frameName(i)}  +`, 11) + 20, middle = fx(x + w / 2);
    const at = shut ? [middle - label / 2, fy(y), label, CLOSED] : [fx(x), fy(y), fx(x + w) - fx(x), fy(y + tall) - fy(y)];
    corner[i] = at;
    set(frames[i].firstChild, { x: at[0], y: at[1], width: at[2], height: at[3] });
    const text = frames[i].lastChild;
    text.textContent = `${frameName(i)}  ${shut ? "+" : "−"}`;
    set(text, { x: at[0] + 8, y: at[1] + (shut ? 19 : 13) });
  });
  data.edges.forEach((edge, i) => {
    const from = cover(data.boxes[edge.tail].frame), to = cover(data.boxes[edge.head].frame);
    const visible = from === null || from !== to;
    edges[i].style.display = visible ? "" : "none";
    if (!visible) return;
    let points = edge.points;
    const clamp = (x, at) => Math.max(at[0] + 6, Math.min(at[0] + at[2] - 6, x));
    if (from !== null) {
      const [, y, , tall] = data.frames[from].at;
      points = points.filter(point => point[1] > y + tall);
    }
    if (to !== null) points = points.filter(point => point[1] < data.frames[to].at[1]);
    let line = points.map(([x, y]) => [fx(x), fy(y)]);
    if (from !== null) line.unshift([clamp(line.length ? line[0][0] : corner[from][0] + corner[from][2] / 2, corner[from]), corner[from][1] + CLOSED]);
    if (to !== null) line.push([clamp(line[line.length - 1][0], corner[to]), corner[to][1]]);
    const [ex, ey] = line[line.length - 1];
    let path = `M${line[0]}`;
    for (let n = 1; n < line.length; n++) {
      const [px, py] = line[n - 1], [x, y] = n === line.length - 1 ? [ex, ey - 6] : line[n];
      path += px === x ? `L${x},${y}` : `C${px},${(py + y) / 2} ${x},${(py + y) / 2} ${x},${y}`;
    }
    const [curve, tip, text] = edges[i].children;
    set(curve, { d: path });
    set(tip, { d: `M${ex},${ey}l-3.5,-8h7z` });
    const next = line[Math.min(1, line.length - 1)];
    set(text, { x: line[0][0] + 5, y: Math.min(line[0][1] + 14, (line[0][1] + next[1]) / 2 + 8) });
  });
  size = [fx(data.size[0]), fy(data.size[1])];
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, typeof value === "number" ? Math.round(value * 10) / 10 : value);
  }
}

function toggle(frame) {
  if (closed.has(frame)) closed.delete(frame); else closed.add(frame);
  layOut();
  paint();
  const node = frames[frame];
  if (node) node.focus({ preventScroll: true });
}

/** Close the deepest modules until there are no more boxes than can be looked at. */
function closeMany() {
  const depth = i => i ? 1 + depth(data.frames[i].parent) : 0;
  const count = () => data.boxes.filter(box => cover(box.frame) === null).length;
  const drawn = data.frames.map((_, i) => i).filter(i => frames[i]);
  for (let level = Math.max(0, ...drawn.map(depth)); level && count() > MOST_VISIBLE; level--) {
    drawn.filter(i => depth(i) === level).forEach(i => closed.add(i));
  }
}

function openAround(frame) {
  let changed = false;
  for (let i = frame; i; i = data.frames[i].parent) changed = closed.delete(i) || changed;
  if (changed) layOut();
}

// -- pan and zoom -----------------------------------------------------------------------------

const fingers = new Map();
let travelled = 0;
const dragged = event => event.detail !== 0 && travelled > 5;

function move(smoothly = false) {
  svg.classList.toggle("smooth", smoothly);
  canvas.style.transform = `translate(${open.x}px,${open.y}px) scale(${open.scale})`;
}

function zoom(factor, x, y) {
  const scale = Math.max(0.05, Math.min(4, open.scale * factor));
  open.x = x - (x - open.x) * scale / open.scale;
  open.y = y - (y - open.y) * scale / open.scale;
  open.scale = scale;
  move();
}

function fit() {
  const { width, height } = svg.getBoundingClientRect();
  const whole = Math.min(width / (size[0] + 40), height / (size[1] + 40));
  open.scale = Math.max(Math.min(whole, 1.25), Math.min(0.9, width / (size[0] + 40)));
  open.x = (width - size[0] * open.scale) / 2;
  open.y = Math.max(20, (height - size[1] * open.scale) / 2);
  move();
}

/** Move so that a node can be seen, if it cannot. */
function reveal(node) {
  move();  // to where a movement that goes on ends
  const view = svg.getBoundingClientRect(), at = node.getBoundingClientRect(), edge = 30;
  if (at.left < view.left + edge || at.right > view.right - edge) open.x += view.left + view.width / 2 - (at.left + at.right) / 2;
  if (at.top < view.top + edge || at.bottom > view.bottom - edge) open.y += view.top + view.height / 2 - (at.top + at.bottom) / 2;
  move(true);
}

svg.addEventListener("wheel", event => {
  event.preventDefault();
  const view = svg.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - view.left, event.clientY - view.top);
}, { passive: false });
svg.addEventListener("pointerdown", event => {
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  travelled = 0;
});
window.addEventListener("pointermove", event => {
  if (!fingers.has(event.pointerId)) return;
  const before = [...fingers.values()], [x, y] = fingers.get(event.pointerId);
  fingers.set(event.pointerId, [event.clientX, event.clientY]);
  travelled += Math.abs(event.clientX - x) + Math.abs(event.clientY - y);
  if (travelled > 5) svg.classList.add("dragged");
  if (fingers.size === 1) {
    open.x += event.clientX - x;
    open.y += event.clientY - y;
    move();
  } else {
    const apart = ([one, other]) => Math.hypot(one[0] - other[0], one[1] - other[1]);
    const after = [...fingers.values()], view = svg.getBoundingClientRect();
    zoom(apart(after) / apart(before), (after[0][0] + after[1][0]) / 2 - view.left, (after[0][1] + after[1][1]) / 2 - view.top);
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  window.addEventListener(name, event => { fingers.delete(event.pointerId); svg.classList.remove("dragged"); });
}

// -- playing ----------------------------------------------------------------------------------

let step = 0, chosen = null, timer = null;
const direction = one => one.phase === "forward" ? "forward" : "backward";
const linksTo = vertex => data.links.filter(link => link.head === vertex);

/** Colour the drawing for the step: what is done, and what is done now. */
function paint() {
  const names = ["lit", "forward", "backward", "ran", "back", "flowed", "chosen"];
  for (const node of [...boxes, ...edges, ...frames]) if (node) node.classList.remove(...names);
  const box = (vertex, ...classes) => {
    const number = data.vertices[vertex].box;
    if (number == null) return null;
    const shut = cover(data.boxes[number].frame), node = shut === null ? boxes[number] : frames[shut];
    node.classList.add(...classes);
    return node;
  };
  const line = (number, ...classes) => { if (number != null && data.links[number].edge != null) edges[data.links[number].edge].classList.add(...classes); };
  let lit = null;
  data.steps.slice(0, step).forEach((one, i) => {
    const now = i === step - 1;
    if (one.phase === "forward") {
      const node = box(one.vertex, "ran", ...(now ? ["lit", "forward"] : []));
      if (now) { lit = node; data.links.forEach((link, n) => { if (link.head === one.vertex) line(n, "lit"); }); }
    } else {
      const node = box(one.vertex, "back", ...(now ? ["lit", "backward"] : []));
      if (now) lit = node;
      for (const part of one.contributions) line(part.link, "flowed", ...(now ? ["lit", "backward"] : []));
    }
  });
  if (chosen !== null) boxes[chosen].classList.add("chosen");
  return lit;
}

function go(to, { keep = false } = {}) {
  step = Math.max(0, Math.min(data.steps.length, to));
  if (!keep) chosen = null;
  const lit = paint();
  if (lit) reveal(lit);
  if (chosen === null) show();
  $("scrub").value = step;
  $("scrub").setAttribute("aria-valuetext", title(step));
  $("count").textContent = `${step} of ${data.steps.length}`;
  $("back").disabled = $("first").disabled = step === 0;
  $("next").disabled = $("last").disabled = step === data.steps.length;
  $("status").textContent = title(step);
  if (location.protocol !== "about:") history.replaceState(null, "", step ? `#step=${step}` : "#");  // in a notebook it has no address
  if (step === data.steps.length) pause();
}

function title(number) {
  if (!number) return "Before the first step";
  const one = data.steps[number - 1], vertex = data.vertices[one.vertex];
  const words = { forward: "forward", start: "backward starts", rule: "backward", leaf: "gradient complete" };
  return `Step ${number} of ${data.steps.length}, ${words[one.phase]}: ${vertex.title}${vertex.path ? ` in ${vertex.path}` : ""}`;
}

function play() {
  if (step === data.steps.length) go(0);
  $("play").classList.add("playing");
  $("play").setAttribute("aria-label", "Pause");
  const beat = () => { go(step + 1); if (timer !== null) timer = setTimeout(beat, 1100 / $("speed").value); };
  timer = setTimeout(beat, 150);
}

function pause() {
  clearTimeout(timer);
  timer = null;
  $("play").classList.remove("playing");
  $("play").setAttribute("aria-label", "Play");
}

// -- the panel --------------------------------------------------------------------------------

function show() {
  const panel = $("panel");
  if (chosen !== null) panel.replaceChildren(...aboutBox(chosen));
  else if (!step) panel.replaceChildren(...overview());
  else {
    const one = data.steps[step - 1];
    panel.replaceChildren(...{ forward: aboutForward, start: aboutStart, rule: aboutRule, leaf: aboutLeaf }[one.phase](one));
  }
  panel.scrollTop = 0;
}

function overview() {
  const counts = {};
  for (const box of data.boxes) counts[box.kind] = (counts[box.kind] || 0) + 1;
  const words = { operation: "operations", parameter: "parameters", input: "inputs that require grad", data: "data, no gradient", output: "outputs", module: "closed modules" };
  const key = Object.keys(words).filter(kind => counts[kind]).map(kind => [
    h("dt", {}, h("span", { style: `display:inline-block;width:18px;height:11px;vertical-align:-1px;background:var(--${kind});border:1.5px ${kind === "data" ? "dashed" : "solid"} var(--${kind}-line);border-radius:${kind === "operation" ? 4 : kind === "input" || kind === "data" ? 8 : 1}px` })),
    h("dd", {}, `${counts[kind]} ${counts[kind] > 1 ? words[kind] : words[kind].replace(/s\b(?=$| that)/, "").replace("require grad", "requires grad")}`)]);
  const made = [h("h2", {}, document.title), h("dl", {}, key)];
  if (played) {
    const forward = data.steps.filter(one => one.phase === "forward").length;
    made.push(h("p", {}, `${forward} steps forward, then ${data.steps.length - forward} backward. Play with the space bar, step with the arrow keys.`));
  }
  made.push(h("p", { class: "faint" }, "Choose an operation to see what is known of it, and the name of a module to close or open it. Drag and turn the wheel to look around."));
  made.push(...data.notes.map(note => h("p", {}, note)));
  return made;
}

const heading = (one, words) => {
  const vertex = data.vertices[one.vertex];
  return [
    h("p", { class: `phase ${direction(one)}` }, words),
    h("h2", {}, vertex.title),
    vertex.path ? h("p", { class: "faint" }, `in ${vertex.path}`) : "",
    vertex.site ? h("p", { class: "faint" }, vertex.site) : "",
  ];
};

const source = link => {
  const tail = data.vertices[link.tail];
  return `${link.argument || "input"}${tail.title && tail.title !== link.argument ? ` ← ${tail.title}` : ""}`;
};

function aboutForward(one) {
  const vertex = data.vertices[one.vertex], links = linksTo(one.vertex), made = heading(one, "forward");
  if (vertex.formula) made.push(h("div", { class: "formula" }, vertex.formula));
  const inputs = {}, views = {};
  for (const link of links) inputs[link.argument] = data.vertices[link.tail].arrays[link.output];
  const explained = h("div");
  const explains = vertex.window && inputs.input != null && vertex.arrays[0] != null;
  made.push(h("h3", {}, vertex.arrays.length > 1 ? "Outputs" : "Output"));
  for (const [n, id] of vertex.arrays.entries()) {
    if (vertex.outputs[n]) made.push(h("h4", {}, vertex.outputs[n]));
    made.push(arrayView(id, explains && ((cell, value) => explain(vertex, inputs, views, cell, value, explained))));
  }
  made.push(h("h3", {}, links.length > 1 ? "Inputs" : "Input"));
  for (const link of links) {
    const view = arrayView(data.vertices[link.tail].arrays[link.output]);
    views[link.argument] = view;
    made.push(h("h4", {}, source(link)), view, link.argument === "input" ? explained : "");
  }
  return made;
}

/** Show what a cell of a convolution's or a pooling's output is made of. */
function explain(vertex, inputs, views, cell, value, place) {
  const { stride, padding, dilation } = vertex.window, { input, weight, bias } = inputs;
  const taps = vertex.window.kernel || data.arrays[weight].shape.slice(-2);
  const at = (y, x, i, j) => [y * stride[0] - side(padding[0]) + i * dilation[0], x * stride[1] - side(padding[1]) + j * dilation[1]];
  const [, , H, W] = data.arrays[input].shown, channels = data.arrays[input].tiles[1];
  const pooled = vertex.window.kernel !== undefined;
  const depth = pooled ? 1 : data.arrays[weight].tiles[1];
  const start = pooled ? cell.b : Math.floor(cell.b / (data.arrays[weight].tiles[0] / (channels / depth))) * depth;
  const rectangles = [], rows = [];
  let sum = 0, unknown = false;
  for (let c = start; c < start + depth; c++) {
    const patch = [], kernel = [], products = [];
    let low = [Infinity, Infinity], high = [-Infinity, -Infinity];
    for (let i = 0; i < taps[0]; i++) for (let j = 0; j < taps[1]; j++) {
      const [y, x] = at(cell.y, cell.x, i, j), inside = y >= 0 && x >= 0 && y < H && x < W;
      const taken = inside ? element(input, cell.a, c, y, x) : 0;
      const factor = pooled ? 1 : element(weight, cell.b, c - start, i, j);
      if (taken === undefined || factor === undefined) { unknown = true; continue; }
      if (inside) { low = [Math.min(low[0], y), Math.min(low[1], x)]; high = [Math.max(high[0], y), Math.max(high[1], x)]; }
      patch.push(inside || !pooled ? taken : NaN);
      kernel.push(factor);
      products.push(taken * factor);
      sum += taken * factor;
    }
    if (high[0] >= low[0]) rectangles.push([cell.a, c, ...low, high[0] - low[0] + 1, high[1] - low[1] + 1]);
    if (rows.length < 6 && !unknown) {
      const total = products.reduce((x, y) => x + y, 0);
      rows.push(h("div", {}, h("div", { class: "facts" }, `channel ${c}`), h("div", { class: "products" },
        table(patch, taps[1], 2), ...(pooled ? [] : ["·", table(kernel, taps[1], 2), `= ${short(total)}`]))));
    }
  }
  const view = views.input && views.input.querySelector(".heat") && views.input.querySelector(".heat").parentNode;
  if (view && view.mark) view.mark(rectangles);
  const offset = bias != null ? element(bias, 0, 0, 0, cell.b) : 0;
  const words = pooled
    ? `Window at channel ${cell.b}, row ${cell.y}, column ${cell.x}: ${short(value)}`
    : unknown ? "Not all channels are in the page, so the sum cannot be shown."
      : `Sum over ${depth} ${depth > 1 ? "channels" : "channel"} ${short(sum)}${bias != null && offset !== undefined ? ` + bias ${short(offset)} = ${short(sum + offset)}` : ""}`;
  place.replaceChildren(h("h3", {}, pooled ? "What the window sees" : "Receptive field and products"), ...rows,
    depth > rows.length && !unknown ? h("div", { class: "facts" }, `and ${depth - rows.length} more channels`) : "",
    h("p", { class: "total" }, words));
}
const side = padding => Array.isArray(padding) ? padding[0] : padding;

function aboutStart(one) {
  return [...heading(one, "backward starts"), h("p", {}, "The gradient of the output with respect to itself:"), arrayView(one.arrives[0])];
}

function aboutRule(one) {
  const vertex = data.vertices[one.vertex], made = heading(one, `backward · ${short(one.seconds * 1e3)} ms`);
  made.push(h("h3", {}, "Gradient that arrives (g)"));
  one.arrives.forEach((id, n) => {
    if (vertex.outputs[n]) made.push(h("h4", {}, `of ${vertex.outputs[n]}`));
    made.push(id == null ? h("p", { class: "faint" }, "none") : arrayView(id));
  });
  if (one.hooked) made.push(h("p", {}, "A hook changed it: it is not the sum of what was contributed."));
  for (const rule of one.rules) {
    made.push(h("h3", {}, rule.inputs.length ? `Rule for ${rule.inputs.join(", ")}` : "Rule"));
    if (rule.formula) made.push(h("div", { class: "formula" }, rule.formula));
    made.push(h("details", { open: !rule.formula }, h("summary", {}, "as code"), h("pre", {}, rule.code)));
    for (const [name, id] of Object.entries(rule.kept)) made.push(h("h4", {}, `kept: ${name}`), arrayView(id));
  }
  made.push(h("h3", {}, "What it contributes"));
  for (const part of one.contributions) {
    const link = part.link == null ? { argument: "", tail: one.vertex } : data.links[part.link];
    made.push(h("h4", {}, `to ${source(link)}`), ...contribution(part));
  }
  if (!one.contributions.length) made.push(h("p", { class: "faint" }, "nothing: no input needs it"));
  return made;
}

function contribution(part) {
  const made = [arrayView(part.gradient)];
  if (part.broadcast) made.push(h("p", { class: "faint" }, `summed from ${part.broadcast} over the axes that were broadcast`));
  if (part.before == null) made.push(h("p", { class: "faint" }, "the first to arrive there"));
  else {
    made.push(h("div", { class: "sum" },
      h("h4", {}, "sum before"), arrayView(part.before), h("h4", {}, "sum after"), arrayView(part.after)));
  }
  return made;
}

function aboutLeaf(one) {
  const made = heading(one, "gradient complete");
  made.push(arrayView(one.arrives[0]));
  if (one.hooked) made.push(h("p", {}, "A hook changed it before it was added."));
  if (!one.contributions.length) made.push(h("p", {}, "autograd.grad returns it; .grad stays as it is."));
  for (const part of one.contributions) {
    if (part.before == null) made.push(h("p", {}, one.hooked ? "Its .grad is now:" : "It becomes .grad."), one.hooked ? arrayView(part.after) : "");
    else made.push(h("h3", {}, ".grad before"), arrayView(part.before), h("h3", {}, ".grad after"), arrayView(part.after));
  }
  return made;
}

function aboutBox(number) {
  const members = data.vertices.map((vertex, i) => [vertex, i]).filter(([vertex]) => vertex.box === number);
  const made = [];
  for (const [vertex, i] of members) {
    made.push(h("h2", {}, vertex.title), vertex.path ? h("p", { class: "faint" }, `in ${vertex.path}`) : "");
    const steps = data.steps.map((one, n) => [one, n + 1]).filter(([one]) => one.vertex === i);
    if (steps.length) {
      made.push(h("div", { class: "buttons" }, steps.map(([one, n]) =>
        h("button", { onclick: () => go(n) }, { forward: "forward", start: "start", rule: "backward", leaf: "its gradient" }[one.phase] + ` (${n})`))));
    }
    const facts = [];
    if (vertex.shape) facts.push(["shape", `${vertex.shape} ${vertex.dtype}`]);
    for (const [name, value] of vertex.options) facts.push([name, value]);
    if (vertex.kept) facts.push(["kept for backward", `${vertex.kept.toLocaleString("en")} bytes`]);
    if (vertex.time != null) facts.push(["rule took", `${short(vertex.time * 1e3)} ms`]);
    if (vertex.site) facts.push(["called at", vertex.site]);
    for (const [name, value] of [["value", vertex.value], ["gradient", vertex.grad]]) {
      if (value) facts.push([name, value.size === 1 ? short(value.low) : `‖·‖ ${short(value.norm)}, mean ${short(value.mean)}, ${short(value.low)} … ${short(value.high)}${value.nan ? `, ${value.nan} NaN` : ""}`]);
    }
    made.push(h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
    if (vertex.formula) made.push(h("div", { class: "formula" }, vertex.formula));
    vertex.arrays.forEach((id, n) => { if (id != null) made.push(h("h3", {}, vertex.outputs[n] || "Value"), arrayView(id)); });
  }
  return made;
}

function choose(number) {
  pause();
  openAround(data.boxes[number].frame);
  chosen = number;
  paint();
  reveal(boxes[number]);
  show();
}

// -- search, themes, files --------------------------------------------------------------------

function search() {
  const wanted = $("search").value.trim().toLowerCase(), list = $("found");
  list.replaceChildren();
  if (wanted) {
    const hits = [];
    data.vertices.forEach(vertex => {
      const known = !vertex.path || vertex.title.startsWith(`${vertex.path}.`);
      const words = known ? vertex.title : `${vertex.title} in ${vertex.path}`;
      if (vertex.box != null && words.toLowerCase().includes(wanted)) hits.push([words, () => choose(vertex.box)]);
    });
    data.frames.forEach((frame, i) => {
      if (frames[i] && frame.path.toLowerCase().includes(wanted)) {
        hits.push([`module ${frameName(i)}`, () => { openAround(frame.parent); reveal(frames[i]); frames[i].focus({ preventScroll: true }); }]);
      }
    });
    for (const [words, act] of hits.slice(0, 30)) {
      list.append(h("li", {}, h("button", { onclick: () => { close(); act(); } }, words)));
    }
    if (!hits.length) list.append(h("li", { class: "faint" }, "nothing found"));
  }
  list.hidden = !wanted;
}
const close = () => { $("found").hidden = true; };
$("search").addEventListener("input", search);
$("search").addEventListener("keydown", event => {
  if (event.key === "Enter") { const first = $("found").querySelector("button"); if (first) first.click(); }
  if (event.key === "Escape") { close(); $("search").blur(); }
});
$("found").addEventListener("keydown", event => { if (event.key === "Escape") { close(); $("search").focus(); } });
document.addEventListener("pointerdown", event => { if (!event.target.closest(".search")) close(); });

function drawing() {
  const copy = svg.cloneNode(true), [width, height] = size;
  copy.querySelector("g").removeAttribute("style");
  const style = getComputedStyle(document.documentElement), names = new Set(GRAPH_STYLE.match(/--[a-z-]+/g));
  const variables = [...names].map(name => `${name}:${style.getPropertyValue(name).trim()}`).join(";");
  copy.querySelector("style").textContent = `svg{${variables}}${GRAPH_STYLE}`;
  set(copy, { viewBox: `-16 -16 ${width + 32} ${height + 32}`, width: width + 32, height: height + 32 });
  copy.insertBefore(s("rect", { x: -16, y: -16, width: width + 32, height: height + 32, style: `fill:${style.getPropertyValue("--paper")}` }), copy.firstChild);
  return [new XMLSerializer().serializeToString(copy), width + 32, height + 32];
}

function download(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

$("save-svg").addEventListener("click", () => download(new Blob([drawing()[0]], { type: "image/svg+xml" }), "graph.svg"));
$("save-png").addEventListener("click", () => {
  const [text, width, height] = drawing(), image = new Image();
  const scale = Math.min(2, Math.sqrt(MOST_PIXELS / (width * height)));
  image.onload = () => {
    const canvas = h("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(blob => download(blob, "graph.png"));
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
});

const root = document.documentElement;
root.classList.toggle("dark", data.theme === "dark" || matchMedia("(prefers-color-scheme: dark)").matches);
$("theme").addEventListener("click", () => root.classList.toggle("dark"));

// -- buttons and keys -------------------------------------------------------------------------

const middle = () => { const view = svg.getBoundingClientRect(); return [view.width / 2, view.height / 2]; };
const actions = {
  first: () => { pause(); go(0); },
  back: () => { pause(); go(step - 1); },
  next: () => { pause(); go(step + 1); },
  last: () => { pause(); go(data.steps.length); },
  play: () => timer === null ? play() : pause(),
  "zoom-in": () => zoom(1.25, ...middle()),
  "zoom-out": () => zoom(0.8, ...middle()),
  "zoom-fit": fit,
};
for (const [id, act] of Object.entries(actions)) $(id).addEventListener("click", act);
$("scrub").addEventListener("input", () => { pause(); go(+$("scrub").value); });
const KEYS = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play", "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", 0: "zoom-fit" };
document.addEventListener("keydown", event => {
  if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button, summary")) return;
  if (event.key === "/") { event.preventDefault(); $("search").focus(); return; }
  const id = KEYS[event.key];
  if (!id || (!played && !id.startsWith("zoom"))) return;
  event.preventDefault();
  actions[id]();
});
const linked = () => +(/^#step=(\d+)$/.exec(location.hash) || [0, 0])[1];
window.addEventListener("hashchange", () => { if (linked() !== step) go(linked()); });

document.title = $("title").textContent = played ? "Backpropagation, step by step" : "Computation graph";
build();
closeMany();
layOut();
fit();
if (played) {
  $("scrub").max = data.steps.length;
  const forward = data.steps.filter(one => one.phase === "forward").length;
  $("phases").append(h("i", { style: `flex:${forward};background:var(--forward)` }), h("i", { style: `flex:${data.steps.length - forward};background:var(--backward)` }));
  go(linked());
} else {
  $("transport").hidden = true;
  $("transport").style.display = "none";
  show();
}
