// The numbers of the page, and where a value stands on a scale.
const content = JSON.parse(document.getElementById("report-data").textContent);
const NOT_DONE = 0, INTERPOLATED = 2;

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

// Arrays hold the values of (x[i], y[j]) at i * y.length + j; decoded when they are first shown.
for (const panel of content.panels) {
  panel.decoded = {};
  if (!content.line) {
    panel.state = bytes(panel.state);
  }
}

function valuesOf(panel, name) {
  if (!(name in panel.decoded) && panel.values && name in panel.values) {
    panel.decoded[name] = floats(panel.values[name]);
  }
  return panel.decoded[name];
}

function quantityOf(name) {
  return content.quantities.find((each) => each.name === name);
}

function height(scale, value) {
  const raised = Math.max(value, scale.edges[0]);
  return scale.log ? Math.log10(raised) : raised;
}

// 0 at the lower end of the scale, 1 at the upper.
function position(scale, value) {
  const low = height(scale, scale.edges[0]), high = height(scale, scale.edges[scale.edges.length - 1]);
  return Math.min(1, (height(scale, value) - low) / (high - low));
}

// Contour lines of any levels: k on the k-th edge, in between as the scale goes.
function place(scale, value) {
  if (!Number.isFinite(value)) {
    return null;
  }
  const edges = scale.edges, here = height(scale, value);
  let k = 0;
  while (k < edges.length - 2 && value >= edges[k + 1]) {
    k += 1;
  }
  const low = height(scale, edges[k]), high = height(scale, edges[k + 1]);
  return Math.min(k + 1, k + (here - low) / (high - low));
}

// Plotly wants a row for each y.
function rowsOf(panel, cell) {
  return panel.y.map((_, j) => panel.x.map((_, i) => cell(i * panel.y.length + j, i, j)));
}

function nearest(coordinates, value) {
  let best = 0;
  coordinates.forEach((each, index) => {
    if (Math.abs(each - value) < Math.abs(coordinates[best] - value)) {
      best = index;
    }
  });
  return best;
}

function number(value, digits = 4) {
  if (!Number.isFinite(value)) {
    return "not finite";
  }
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replace("-", "\u2212");
}

function coordinate(value) {
  return value.toFixed(3).replace(/\.?0+$/, "").replace(/^-0$/, "0").replace("-", "\u2212");
}

// "1.234 ± 0.056 loss"; the accuracy in percent. Names are those of one split.
function said(panel, index, name) {
  const quantity = name.split("/")[1], values = valuesOf(panel, name), errors = valuesOf(panel, name + "_stderr");
  if (!values) {
    return "";
  }
  const unit = quantity.startsWith("accuracy") ? " %" : "";
  const spread = errors && Number.isFinite(errors[index]) ? ` ± ${number(errors[index], 2)}` : "";
  return `${quantity.replace("_stderr", ", standard error")} ${number(values[index])}${spread}${unit}`;
}

// What is known at a point: coordinates, loss with its standard error, accuracy, and what else is shown.
function readout(panel, i, j, shown) {
  const index = i * panel.y.length + j, split = shown.includes("statistics/") ? content.split : shown.split("/")[0];
  const where = `α ${coordinate(panel.x[i])}, β ${coordinate(panel.y[j])}`;
  if (panel.state[index] === NOT_DONE) {
    return [where, "not computed"];
  }
  const names = [`${split}/loss`, `${split}/accuracy`];
  if (!names.includes(shown) && !shown.endsWith("_stderr")) {
    names.push(shown);
  }
  const parts = names.map((name) => said(panel, index, name)).filter(Boolean);
  return [where, ...parts, ...(panel.state[index] === INTERPOLATED ? ["interpolated"] : [])];
}
