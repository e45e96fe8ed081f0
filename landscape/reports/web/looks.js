// Colours of the page's own style sheet, and what all plots have in common.
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Helvetica, Arial, sans-serif';
const CONFIG = {displaylogo: false, showSendToCloud: false, displayModeBar: false, responsive: true, doubleClick: "reset"};

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Plotly would take tags in a text for its own.
function plain(text) {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function page(more) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: {family: FONT, size: 12, color: colour("ink")},
    hoverlabel: {bgcolor: colour("card"), bordercolor: colour("edge"), font: {family: FONT, color: colour("ink")}, align: "left"},
    showlegend: false,
    ...more,
  };
}

function axis(more) {
  return {
    showline: true,
    mirror: true,
    linecolor: colour("muted"),
    ticks: "outside",
    ticklen: 4,
    tickcolor: colour("muted"),
    showgrid: false,
    zeroline: false,
    ...more,
  };
}

// Bands of one colour each, over 0 .. number of bands.
function steps(scale) {
  const number = scale.colours.length;
  return scale.colours.flatMap((code, k) => [[k / number, code], [(k + 1) / number, code]]);
}

function ends(values) {
  return [values[0], values[values.length - 1]];
}

// The colour bar, as elements of the page: bands, and ticks where they belong.
function drawBar(element, quantity, scale) {
  const stops = scale.colours.map((code, k) => {
    const [from, to] = [k, k + 1].map((edge) => (100 * position(scale, scale.edges[edge])).toFixed(3));
    return `${code} ${from}% ${to}%`;
  });
  element.querySelector(".bands").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  element.querySelector(".bands").classList.toggle("clipped", scale.above);
  element.querySelector(".label").textContent =
    `${quantity.label}${scale.log ? ", log scale" : ""}${scale.above ? `, clipped at ${scale.upper}` : ""}`;
  const ticks = element.querySelector(".ticks");
  ticks.replaceChildren(...scale.ticks.map(([value, text]) => {
    const tick = document.createElement("span");
    tick.textContent = text;
    tick.style.left = `${100 * position(scale, value)}%`;
    return tick;
  }));
}
