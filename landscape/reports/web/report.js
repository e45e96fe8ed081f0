// What the switches say, and everything that follows from it.
const MOST_SPACES = 8;
const byId = (name) => document.getElementById(name);
const cards = Array.from(document.querySelectorAll(".panel"));
const webgl = hasSpace();
const state = {
  quantity: content.chosen,
  scale: "automatic",
  clip: "automatic",
  policy: "all",
  point: [0, 0],
  camera: firstCamera(),
  asked: [],
};

function hasSpace() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl"));
  } catch {
    return false;
  }
}

function quantity() {
  return quantityOf(state.quantity);
}

function scaleNow() {
  const {scales, automatic} = quantity(), way = state.scale === "automatic" ? automatic : state.scale;
  return scales[`${way}/${state.clip}`] || scales[`${way}/automatic`] || scales["linear/automatic"];
}

// A network without statistics, or with one policy, is shown under every one.
function isShown(panel) {
  const own = content.panels.filter((each) => each.group === panel.group).map((each) => each.policy);
  return state.policy === "all" || panel.policy === state.policy || !own.includes(state.policy);
}

function visible() {
  return cards.map((card, index) => [card, content.panels[index]]).filter(([, panel]) => isShown(panel));
}

// A page may hold some sixteen WebGL scenes; past eight, those are drawn that were asked for last.
function inSpace() {
  const shown = visible();
  return webgl ? shown.filter(([card]) => shown.length <= MOST_SPACES || state.asked.includes(card)) : [];
}

function has(panel) {
  return state.quantity in panel.values;
}

function draw() {
  const scale = scaleNow();
  drawBar(byId("bar"), quantity(), scale);
  byId("panels").dataset.number = visible().length;
  cards.forEach((card, index) => {
    const panel = content.panels[index], on = isShown(panel);
    card.hidden = !on;
    card.querySelector(".over").hidden = !has(panel);
    card.querySelector(".missing").hidden = has(panel);
    if (on && has(panel)) {
      drawPlane(card, panel, scale);
    }
  });
  mark(state.point);
  drawSpaces(scale);
}

// One after another, so that the page can be used meanwhile; a later drawing takes over from an earlier one.
let drawing = 0;
async function drawSpaces(scale) {
  const mine = ++drawing, spaces = inSpace().map(([card]) => card);
  delete document.documentElement.dataset.drawn;
  for (const [index, card] of cards.entries()) {
    const panel = content.panels[index];
    if (spaces.includes(card)) {
      await new Promise((done) => setTimeout(done));
    }
    if (mine !== drawing) {
      return;
    }
    drawSpace(card, panel, scale, spaces.includes(card));
  }
  mark(state.point);
  document.documentElement.dataset.drawn = "true";
}

function drawPlane(card, panel, scale) {
  const plot = card.querySelector(".flat"), first = !plot._fullLayout;
  Plotly.react(plot, planeTraces(panel, state.quantity, scale), planeLayout(panel), CONFIG);
  silence(plot);
  if (first) {
    plot.on("plotly_hover", (event) => mark([event.points[0].x, event.points[0].y]));
    plot.on("plotly_click", (event) => mark([event.points[0].x, event.points[0].y]));
    plot.on("plotly_relayout", (change) => zoom(plot, change));
    plot.on("plotly_afterplot", () => mark(state.point));
  }
}

function drawSpace(card, panel, scale, on) {
  const plot = card.querySelector(".space"), drawn = Boolean(plot._fullLayout);
  card.querySelector(".ask").hidden = on || !webgl || !has(panel);
  plot.hidden = !on || !has(panel);
  if (drawn && plot.hidden) {
    Plotly.purge(plot);
  } else if (!plot.hidden) {
    Plotly.react(plot, spaceTraces(panel, state.quantity, scale), spaceLayout(panel, scale, state.camera), CONFIG);
    silence(plot);
    if (!drawn) {
      plot.on("plotly_relayouting", (change) => follow(plot, change));
      plot.on("plotly_relayout", (change) => follow(plot, change));
      plot.on("plotly_hover", (event) => mark([event.points[0].x, event.points[0].y]));
    }
  }
}

// The element around a plot has a name; what plotly.js puts into it has none.
function silence(plot) {
  [...plot.children, byId("js-plotly-tester")].forEach((each) => each?.setAttribute("aria-hidden", "true"));
}

// The same point in every panel: where it is not on a grid, the nearest one that is.
let waiting = false;
function mark(point) {
  state.point = point;
  if (waiting) {
    return;
  }
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const spaces = inSpace().map(([card]) => card);
    visible().filter(([, panel]) => has(panel)).forEach(([card, panel]) => {
      const i = nearest(panel.x, state.point[0]), j = nearest(panel.y, state.point[1]);
      placeCross(card, panel.x[i], panel.y[j]);
      card.querySelector(".reading").textContent = readout(panel, i, j, state.quantity).join(" · ");
      const plot = card.querySelector(".space"), key = `${i},${j},${state.quantity},${state.scale},${state.clip}`;
      if (spaces.includes(card) && plot._fullLayout && plot.plumbed !== key) {
        plot.plumbed = key;
        Plotly.restyle(plot, plumb(panel, state.quantity, scaleNow(), i, j), [2]);
      }
    });
  });
}

// Cameras move together, and so do the ranges of the contours.
let following = false;
function follow(source, change) {
  const moved = change["scene.camera"] || (change["scene.camera.eye"] && {...state.camera, eye: change["scene.camera.eye"]});
  if (moved && !following) {
    look(moved, source);
  }
}

function look(moved, source) {
  state.camera = moved;
  following = true;
  const others = inSpace().map(([card]) => card.querySelector(".space")).filter((plot) => plot !== source && plot._fullLayout);
  Promise.all(others.map((plot) => Plotly.relayout(plot, {"scene.camera": moved}))).finally(() => {
    following = false;
  });
}

let zooming = false;
function zoom(source, change) {
  if (zooming || !Object.keys(change).some((key) => key.startsWith("xaxis") || key.startsWith("yaxis"))) {
    return;
  }
  zooming = true;
  const ranges = {"xaxis.range": [...source._fullLayout.xaxis.range], "yaxis.range": [...source._fullLayout.yaxis.range]};
  const others = visible().map(([card]) => card.querySelector(".flat")).filter((plot) => plot !== source && plot._fullLayout);
  Promise.all(others.map((plot) => Plotly.relayout(plot, ranges))).finally(() => {
    zooming = false;
  });
}

const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1]};

function step(panel, [right, up]) {
  const go = (values, value, by) => values[Math.max(0, Math.min(values.length - 1, nearest(values, value) + by))];
  mark([go(panel.x, state.point[0], right), go(panel.y, state.point[1], up)]);
}

function onKey(event, panel, flat) {
  const way = STEPS[event.key];
  if (way && flat) {
    step(panel, way);
  } else if (way) {
    look(turned(state.camera, -8 * way[0], 6 * way[1]), null);
  } else if (event.key === "Home" && flat) {
    mark([0, 0]);
  } else if (event.key === "Home") {
    look(firstCamera(), null);
  } else if (!flat && "+-".includes(event.key)) {
    look(turned(state.camera, 0, 0, event.key === "+" ? 1.15 : 1 / 1.15), null);
  } else {
    return;
  }
  event.preventDefault();
}

function option(value, text) {
  const element = document.createElement("option");
  element.value = value;
  element.textContent = text;
  return element;
}

// Which scales and clips there are depends on the quantity.
function offer() {
  const {scales, automatic, clips} = quantity();
  document.querySelectorAll("input[name=scale]").forEach((input) => {
    input.disabled = input.value !== "automatic" && !(`${input.value}/automatic` in scales);
    if (input.disabled && state.scale === input.value) {
      state.scale = "automatic";
    }
    input.checked = input.value === state.scale;
  });
  byId("automatic-scale").textContent = ` (${automatic === "log" ? "log" : "linear"})`;
  const way = state.scale === "automatic" ? automatic : state.scale;
  const there = clips.filter((clip) => `${way}/${clip}` in scales);
  state.clip = there.includes(state.clip) ? state.clip : "automatic";
  const words = {automatic: (key) => `automatic (${scales[key].upper})`, none: (key) => `none (up to ${scales[key].upper})`};
  byId("clip").replaceChildren(...there.map((clip) => option(clip, clip in words ? words[clip](`${way}/${clip}`) : clip)));
  byId("clip").value = state.clip;
}

function drawLines() {
  const scale = scaleNow(), plot = byId("lines");
  Plotly.react(plot, lineTraces(content.panels.filter(isShown), state.quantity, scale), lineLayout(quantity(), scale), CONFIG);
  document.documentElement.dataset.drawn = "true";
}

function drawAll() {
  offer();
  (content.line ? drawLines : draw)();
}

function listen() {
  const change = (name, key) => byId(name)?.addEventListener("change", (event) => {
    state[key] = event.target.value;
    drawAll();
  });
  byId("quantity").replaceChildren(...content.quantities.map((each) => option(each.name, each.label)));
  byId("quantity").value = state.quantity;
  change("quantity", "quantity");
  change("clip", "clip");
  change("policy", "policy");
  document.querySelectorAll("input[name=scale]").forEach((input) => input.addEventListener("change", () => {
    state.scale = input.value;
    drawAll();
  }));
  const turns = {left: [15, 0], right: [-15, 0], up: [0, 10], down: [0, -10]};
  document.querySelectorAll("button[data-turn]").forEach((button) => button.addEventListener("click", () => {
    const way = turns[button.dataset.turn];
    look(way ? turned(state.camera, ...way) : firstCamera(), null);
  }));
  cards.forEach((card, index) => {
    const panel = content.panels[index];
    card.querySelector(".flat").addEventListener("keydown", (event) => onKey(event, panel, true));
    card.querySelector(".space").addEventListener("keydown", (event) => onKey(event, panel, false));
    card.querySelector(".ask button").addEventListener("click", () => {
      state.asked = [...state.asked.slice(1 - MOST_SPACES), card];
      draw();
    });
  });
}

function listenToPage() {
  byId("theme").addEventListener("change", (event) => {
    document.documentElement.dataset.theme = event.target.value;
    drawAll();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
}

if (typeof Plotly !== "undefined") {
  document.documentElement.classList.add("live");
  document.documentElement.classList.toggle("flat-only", !webgl && !content.line);
  listen();
  listenToPage();
  drawAll();
}
