// A surface in space. Heights are the values themselves on an axis that takes the logarithm: plotly.js would show the
// texts of a surface transposed under the pointer.
const DISTANCE = 2.02, CENTRE = {x: 0, y: 0, z: -0.19};

function firstCamera() {
  const [elevation, azimuth] = content.view.map((degrees) => (degrees * Math.PI) / 180);
  return camera(elevation, azimuth, DISTANCE);
}

function camera(elevation, azimuth, distance) {
  const flat = distance * Math.cos(elevation);
  return {
    eye: {x: flat * Math.cos(azimuth), y: flat * Math.sin(azimuth), z: distance * Math.sin(elevation)},
    center: CENTRE,
    up: {x: 0, y: 0, z: 1},
  };
}

// The camera after a turn of so many degrees to the right and up, and nearer by a factor.
function turned(from, right, up, nearer = 1) {
  const {x, y, z} = from.eye, distance = Math.hypot(x, y, z);
  const elevation = Math.asin(z / distance) + (up * Math.PI) / 180, most = (88 * Math.PI) / 180;
  const azimuth = Math.atan2(y, x) + (right * Math.PI) / 180;
  return camera(Math.max(-most, Math.min(most, elevation)), azimuth, Math.max(0.8, Math.min(5, distance / nearer)));
}

function axisRange(scale) {
  const low = height(scale, scale.edges[0]), high = height(scale, scale.edges[scale.edges.length - 1]);
  return [low - 0.32 * (high - low), high + 0.01 * (high - low)];
}

function raised(scale, height) {
  return scale.log ? 10 ** height : height;
}

function spaceTraces(panel, name, scale) {
  const values = valuesOf(panel, name), low = scale.edges[0];
  const finite = (value) => (Number.isFinite(value) ? Math.max(value, low) : null);
  const floor = raised(scale, axisRange(scale)[0] + 1e-3 * (axisRange(scale)[1] - axisRange(scale)[0]));
  const bands = rowsOf(panel, (index) => place(scale, values[index]));
  const shared = {
    type: "surface",
    x: panel.x,
    y: panel.y,
    surfacecolor: bands,
    cmin: 0,
    cmax: scale.colours.length,
    colorscale: steps(scale),
    showscale: false,
    connectgaps: false,
  };
  const quantity = quantityOf(name);
  return [
    {
      ...shared,
      z: rowsOf(panel, (index) => finite(values[index])),
      lighting: {ambient: 0.68, diffuse: 0.55, specular: 0.06, roughness: 0.9, fresnel: 0.05},
      lightposition: {x: -600, y: -900, z: 2000},
      hovertemplate: `α %{x:.3g}, β %{y:.3g}<br>${plain(quantity.label)} %{z:.4g}<extra></extra>`,
      contours: {x: {highlight: false}, y: {highlight: false}, z: {highlight: false}},
    },
    {
      ...shared,
      z: bands.map((row) => row.map((band) => (band === null ? null : floor))),
      opacity: 0.55,
      lighting: {ambient: 1, diffuse: 0, specular: 0},
      hoverinfo: "skip",
      contours: {x: {highlight: false}, y: {highlight: false}, z: {highlight: false}},
    },
    {
      type: "scatter3d",
      mode: "lines+markers",
      x: [],
      y: [],
      z: [],
      line: {color: "#1f2328", width: 3},
      marker: {size: [5, 3], symbol: "circle", color: "white", line: {color: "#1f2328", width: 2}},
      hoverinfo: "skip",
    },
    starInSpace(panel, values, scale),
  ];
}

function starInSpace(panel, values, scale) {
  const i = nearest(panel.x, 0), j = nearest(panel.y, 0), value = values[i * panel.y.length + j];
  const shown = panel.x[i] === 0 && panel.y[j] === 0 && Number.isFinite(value) && height(scale, value) <= axisRange(scale)[1];
  return {
    type: "scatter3d",
    mode: "text",
    x: shown ? [0] : [],
    y: shown ? [0] : [],
    z: shown ? [Math.max(value, scale.edges[0])] : [],
    text: ["\u2605"],
    textposition: "top center",
    textfont: {size: 17, color: content.mark},
    hoverinfo: "skip",
  };
}

// The marked point on the surface, and a plumb line to the floor.
function plumb(panel, name, scale, i, j) {
  const value = valuesOf(panel, name)[i * panel.y.length + j], [low, high] = axisRange(scale);
  if (!Number.isFinite(value)) {
    return {x: [[]], y: [[]], z: [[]]};
  }
  const top = raised(scale, Math.min(height(scale, value) + 0.02 * (high - low), high));
  return {x: [[panel.x[i], panel.x[i]]], y: [[panel.y[j], panel.y[j]]], z: [[top, raised(scale, low)]]};
}

function spaceLayout(panel, scale, view) {
  const small = {size: 11};
  const shared = {
    showbackground: false,
    gridcolor: colour("line"),
    linecolor: colour("muted"),
    zeroline: false,
    showspikes: false,
    tickfont: small,
  };
  const flat = (label, values) => ({...shared, title: {text: plain(label.slice(0, 1)), font: small}, range: ends(values), nticks: 5});
  return page({
    margin: {l: 0, r: 0, t: 0, b: 0},
    scene: {
      xaxis: flat(panel.axes[0], panel.x),
      yaxis: flat(panel.axes[1], panel.y),
      zaxis: {
        ...shared,
        type: scale.log ? "log" : "linear",
        range: axisRange(scale),
        tickvals: scale.ticks.map(([value]) => value),
        ticktext: scale.ticks.map(([, text]) => text),
        title: {text: ""},
      },
      aspectmode: "manual",
      aspectratio: {x: 1, y: 1, z: 0.8},
      camera: view,
      dragmode: "turntable",
    },
  });
}
