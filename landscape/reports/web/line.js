// Values along lines through the trained weights, all in the same axes.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

function faint(code, share) {
  return code + Math.round(255 * share).toString(16).padStart(2, "0");
}

function lineTraces(panels, name, scale) {
  const lowest = scale.edges[0], lift = (value) => (Number.isFinite(value) ? (scale.log ? Math.max(value, lowest / 10) : value) : null);
  return panels.flatMap((panel) => {
    if (!(name in panel.curves)) {
      return [];
    }
    const index = content.panels.indexOf(panel), code = content.series[index % content.series.length];
    const [low, middle, high, ...draws] = panel.curves[name].map((text) => Array.from(floats(text), lift));
    const line = {color: code === "#000000" ? colour("ink") : code, width: 2, dash: DASHES[index % DASHES.length]};
    const band = {x: panel.x, mode: "lines", line: {width: 0}, hoverinfo: "skip", legendgroup: panel.name, showlegend: false};
    const thin = {x: panel.x, mode: "lines", opacity: 0.35, hoverinfo: "skip", legendgroup: panel.name, showlegend: false};
    const interval = low.map((value, k) => [value, high[k]]);
    const wide = low.some((value, k) => value !== null && value < high[k]);
    return [
      {...band, y: low},
      {...band, y: high, fill: "tonexty", fillcolor: faint(line.color, 0.16)},
      ...draws.map((y) => ({...thin, y, line: {...line, width: 1}})),
      {
        x: panel.x,
        y: middle,
        customdata: interval,
        mode: panel.x.length > 40 ? "lines" : "lines+markers",
        line,
        marker: {size: 5, color: line.color},
        name: plain(panel.name),
        legendgroup: panel.name,
        connectgaps: false,
        hovertemplate: `%{y:.4g}${wide ? " [%{customdata[0]:.4g}, %{customdata[1]:.4g}]" : ""}<extra>${plain(panel.name)}</extra>`,
      },
      {
        x: [0],
        y: [middle[panel.x.indexOf(0)] ?? null],
        mode: "markers",
        marker: {symbol: "star", size: 12, color: content.mark, line: {width: 1, color: "white"}},
        legendgroup: panel.name,
        showlegend: false,
        hoverinfo: "skip",
      },
    ];
  });
}

function lineLayout(quantity, scale) {
  const low = height(scale, scale.edges[0]), high = height(scale, scale.edges[scale.edges.length - 1]), room = 0.05 * (high - low);
  return page({
    margin: {l: 64, r: 14, t: 8, b: 48},
    hovermode: "x unified",
    showlegend: content.panels.length > 1,
    legend: {orientation: "h", x: 0, y: 1.02, xanchor: "left", yanchor: "bottom"},
    xaxis: axis({title: {text: plain(content.panels[0].axes[0])}, mirror: false, showgrid: true, gridcolor: colour("line"), hoverformat: ".3g"}),
    yaxis: axis({
      title: {text: plain(quantity.label)},
      type: scale.log ? "log" : "linear",
      range: [low - room, high + room],
      tickvals: scale.ticks.map(([value]) => value),
      ticktext: scale.ticks.map(([, text]) => text),
      mirror: false,
      showgrid: true,
      gridcolor: colour("line"),
    }),
  });
}
