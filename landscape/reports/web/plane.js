// A surface from above: filled levels between lines, and the readings under the pointer.
function planeTraces(panel, name, scale) {
  const values = valuesOf(panel, name), z = rowsOf(panel, (index) => place(scale, values[index]));
  const text = rowsOf(panel, (index, i, j) => readout(panel, i, j, name).join("<br>"));
  const shared = {x: panel.x, y: panel.y, z, zmin: 0, zmax: scale.colours.length, colorscale: steps(scale), showscale: false};
  const traces = [];
  if (z.some((row) => row.includes(null))) {
    // Lone points, which no contour reaches.
    traces.push({type: "heatmap", ...shared, hoverinfo: "skip", hoverongaps: false});
  }
  traces.push({
    type: "contour",
    ...shared,
    contours: {start: 1, end: scale.colours.length - 1, size: 1, coloring: "fill"},
    line: {width: 0.7, color: "rgba(255,255,255,0.6)", smoothing: 0},
    connectgaps: false,
    text,
    hoverinfo: "text",
  });
  return [...traces, broken(panel, values), least(panel, name), star(panel)];
}

function broken(panel, values) {
  const cells = Array.from(values.keys()).filter((index) => panel.state[index] !== NOT_DONE && !Number.isFinite(values[index]));
  return {
    type: "scatter",
    mode: "markers",
    x: cells.map((index) => panel.x[Math.floor(index / panel.y.length)]),
    y: cells.map((index) => panel.y[index % panel.y.length]),
    text: cells.map((index) => readout(panel, Math.floor(index / panel.y.length), index % panel.y.length, "").join("<br>")),
    marker: {symbol: "x-thin", size: 7, line: {width: 1.5, color: colour("muted")}},
    hoverinfo: "text",
  };
}

// The smallest loss of the grid, where that is not at the trained weights.
function least(panel, name) {
  const [x, y, label] = panel.lowest[name] || [];
  return {
    type: "scatter",
    mode: "markers",
    x: label ? [x] : [],
    y: label ? [y] : [],
    text: label ? [plain(label)] : [],
    marker: {symbol: "cross", size: 9, color: "white", line: {width: 1, color: "#1f2328"}},
    hoverinfo: "text",
  };
}

function star(panel) {
  const inside = [panel.x, panel.y].every((each) => ends(each)[0] <= 0 && ends(each)[1] >= 0);
  return {
    type: "scatter",
    mode: "markers",
    x: inside ? [0] : [],
    y: inside ? [0] : [],
    marker: {symbol: "star", size: 14, color: content.mark, line: {width: 1.2, color: "white"}},
    hoverinfo: "skip",
  };
}

function planeLayout(panel) {
  const square = (ends(panel.x)[1] - ends(panel.x)[0]) / (ends(panel.y)[1] - ends(panel.y)[0]);
  const alike = square > 0.7 && square < 2 ? {scaleanchor: "x", constrain: "domain"} : {};
  const touch = window.matchMedia("(pointer: coarse)").matches;
  return page({
    margin: {l: 48, r: 10, t: 8, b: 42},
    dragmode: touch ? false : "zoom",
    hovermode: "closest",
    xaxis: axis({title: {text: plain(panel.axes[0]), standoff: 6}, range: ends(panel.x), constrain: "domain", nticks: 6}),
    yaxis: axis({title: {text: plain(panel.axes[1]), standoff: 4}, range: ends(panel.y), nticks: 6, ...alike}),
  });
}

// The cross lies over the plot, so that it can follow the pointer without drawing anything anew.
function placeCross(card, x, y) {
  const plot = card.querySelector(".flat"), full = plot._fullLayout, cross = card.querySelector(".cross");
  const shown = full && full.xaxis && full.yaxis;
  const at = shown ? [full.xaxis._offset + full.xaxis.d2p(x), full.yaxis._offset + full.yaxis.d2p(y)] : [0, 0];
  const inside = shown && [[full.xaxis, at[0]], [full.yaxis, at[1]]].every(
    ([one, value]) => value >= one._offset - 1 && value <= one._offset + one._length + 1);
  cross.hidden = !inside;
  cross.style.left = `${at[0]}px`;
  cross.style.top = `${at[1]}px`;
}
