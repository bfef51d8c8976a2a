// Draws the panels of the example's dashboard with what a real Prometheus answered (see `watched.py`), as one picture. This is
// not Grafana: place, title, unit, stacking, scale, thresholds and colours are read from the dashboard file, and the rest is
// drawn plainly.
//
// Usage: panels.mjs CHROMIUM DASHBOARD CAPTURE PICTURE
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const [executablePath, dashboardFile, captureFile, picture] = process.argv.slice(2);
const dashboard = JSON.parse(readFileSync(dashboardFile, "utf8"));
const capture = JSON.parse(readFileSync(captureFile, "utf8"));
const [start, end] = [capture.started, capture.ended];
const COLUMN = 54, LINE = 22, GAP = 8;
const PALETTE = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#37872d", "#8ab8ff", "#ffb357", "#c4162a"];
const NAMED = { green: "#73bf69", red: "#f2495c", orange: "#ff9830", yellow: "#fade2a", blue: "#5794f2" };

const text = value => String(value).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const digits = value => Number(value.toPrecision(3)).toString();
const UNITS = {
  percentunit: value => `${(value * 100).toFixed(1)} %`,
  s: value => value === 0 ? "0" : value < 0.000999 ? `${digits(value * 1e6)} µs` : value < 0.999 ? `${digits(value * 1e3)} ms` : `${digits(value)} s`,
  reqps: value => `${digits(value)} req/s`,
  ops: value => `${digits(value)} /s`,
  short: digits,
};

/** All lines of a panel: a name, and pairs of time and value. */
const linesOf = panel => panel.targets.flatMap(target => {
  const asked = capture.panels.filter(([title, legend]) => title === panel.title && legend === target.legendFormat);
  return asked.flatMap(([, legend, , answer]) => answer.result.map(({ metric, values }) => ({
    name: legend.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? "").trim() || panel.title,
    points: values.map(([at, value]) => [at, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  })));
}).filter(line => line.points.length > 0).sort((a, b) => a.name < b.name ? -1 : 1);

/** Nice places for a few marks between two values. */
const ticks = (low, high) => {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(step => step >= rough);
  const all = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) all.push(at);
  return all;
};

const chart = (panel, width, height) => {
  const { unit, custom, min } = panel.fieldConfig.defaults;
  const lines = linesOf(panel);
  const fixed = Object.fromEntries(panel.fieldConfig.overrides.map(({ matcher, properties }) =>
    [matcher.options, NAMED[properties[0].value.fixedColor]]));
  lines.forEach((line, n) => { line.color = fixed[line.name] ?? PALETTE[n % PALETTE.length]; });
  if (custom.stacking.mode === "normal") {
    const below = new Map();
    for (const line of lines) {
      line.points = line.points.map(([at, value]) => {
        const from = below.get(at) ?? 0;
        below.set(at, from + value);
        return [at, from + value, from];
      });
    }
  }
  const log = custom.scaleDistribution?.type === "log";
  const values = lines.flatMap(line => line.points.map(([, value]) => value)).filter(value => !log || value > 0);
  let [low, high] = [Math.min(...values, log ? Infinity : min ?? 0), Math.max(...values)];
  if (high === low) high = low + 1;
  if (log) [low, high] = [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high))];
  const [left, right, top, bottom] = [64, width - 12, 34, height - 46];
  const x = at => left + (at - start) / (end - start) * (right - left);
  const part = value => log ? Math.log10(value / low) / Math.log10(high / low) : (value - low) / (high - low);
  const y = value => bottom - part(Math.max(value, low)) * (bottom - top);
  const marks = log
    ? Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, n) => low * 10 ** n)
    : ticks(low, high);
  let svg = "";
  const changes = capture.marks.map(([, at]) => at);
  changes.forEach((at, n) => {
    if (n === 2 || n === 3) svg += `<rect x="${x(at)}" y="${top}" width="${x(changes[n + 1]) - x(at)}" height="${bottom - top}" fill="#f2495c" opacity=".09"/>`;
  });
  for (const mark of marks) {
    svg += `<path d="M${left} ${y(mark)}H${right}" stroke="#2c3235"/><text x="${left - 6}" y="${y(mark) + 4}" text-anchor="end">${text(UNITS[unit](mark))}</text>`;
  }
  for (const second of ticks(0, end - start)) {
    svg += `<text x="${x(start + second)}" y="${bottom + 15}" text-anchor="middle">${second} s</text>`;
  }
  for (const line of lines) {
    const pieces = [];
    for (const point of line.points) {
      const last = pieces.at(-1)?.at(-1);
      if (last && point[0] - last[0] <= 1.5) pieces.at(-1).push(point);
      else pieces.push([point]);
    }
    for (const piece of pieces) {
      const path = piece.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("L");
      const base = [...piece].reverse().map(([at, , from]) => `${x(at).toFixed(1)} ${y(from ?? low).toFixed(1)}`).join("L");
      svg += `<path d="M${path}L${base}Z" fill="${line.color}" opacity="${custom.fillOpacity / 100}"/>`;
      svg += `<path d="M${path}" fill="none" stroke="${line.color}" stroke-width="1.3"/>`;
    }
  }
  const legend = lines.map(line => `<span><i style="background:${line.color}"></i>${text(line.name)}</span>`).join("");
  return `<svg width="${width}" height="${height}">${svg}</svg><p>${legend}</p>`;
};

const stat = panel => {
  const { unit, thresholds } = panel.fieldConfig.defaults;
  // Its end is after the outage; what it said meanwhile is worth as much.
  const during = linesOf(panel)[0].points.filter(([at]) => at < capture.marks[3][1]);
  const value = during.at(-1)[1];
  const step = thresholds.steps.filter(step => step.value === null || value >= step.value).at(-1);
  return `<b style="color:${NAMED[step.color]}">${text(UNITS[unit](value))}</b>`;
};

let top = 0, body = "";
for (const panel of dashboard.panels) {
  const { x, y, w, h } = panel.gridPos;
  const [left, width, height] = [x * COLUMN, w * COLUMN - GAP, h * LINE - GAP];
  const place = `left:${left}px;top:${y * LINE}px;width:${width}px;height:${height}px`;
  top = Math.max(top, (y + h) * LINE);
  if (panel.type === "row") body += `<h2 style="${place}">${text(panel.title)}</h2>`;
  else {
    const inside = panel.type === "stat" ? stat(panel) : chart(panel, width, height);
    body += `<section style="${place}"><h3>${text(panel.title)}</h3>${inside}</section>`;
  }
}
const width = 24 * COLUMN;
const page = `<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #111217; color: #ccccdc; font: 11px system-ui, sans-serif; width: ${width + 32}px; }
main { position: relative; margin: 0 16px; height: ${top}px; }
header { padding: 12px 16px 10px; font-size: 13px; } header strong { font-size: 16px; margin-right: 10px; color: #fff; }
section, h2 { position: absolute; margin: 0; box-sizing: border-box; }
section { background: #181b1f; border: 1px solid #25272d; border-radius: 3px; overflow: hidden; }
h2 { font-size: 13px; line-height: ${LINE - GAP}px; font-weight: 500; }
h3 { position: absolute; margin: 0; padding: 7px 10px; font-size: 12px; font-weight: 500; color: #fff; }
section p { position: absolute; left: 10px; right: 8px; bottom: 6px; margin: 0; white-space: nowrap; overflow: hidden; }
span { margin-right: 12px; } i { display: inline-block; width: 10px; height: 3px; margin-right: 4px; vertical-align: middle; }
b { display: block; text-align: center; margin-top: 28px; font-size: 30px; font-weight: 500; }
svg text { fill: #9b9ba8; font-size: 10px; }
</style><header><strong>${text(dashboard.title)}</strong>drawn from the dashboard file and from what Prometheus answered, not by Grafana;
the provider is down where it is tinted, and the numbers on top are of the end of that</header><main>${body}</main>`;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const tab = await browser.newPage({ viewport: { width: width + 32, height: top + 60 } });
  await tab.setContent(page);
  await tab.screenshot({ path: picture });
} finally {
  await browser.close();
}
