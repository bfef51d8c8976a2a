// The dashboard against Grafana's own types of dashboards (npm's @grafana/schema), by the compiler of TypeScript. Prints the
// complaints as JSON: those about the dashboard, and those about copies in which something is wrong.
//
// The types know every member of a dashboard, of its panels and of the options of both kinds of panel. What a query of a data
// source may hold is not among them, and whether Grafana draws what is meant is not their business.
//
// Usage: grafana.mjs DASHBOARD
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const text = readFileSync(process.argv[2], "utf8");
const here = dirname(fileURLToPath(import.meta.url));

// `Plain` is a type as JSON has it: an enum is written as its value.
const program = dashboard => `
import type { Dashboard, Panel, RowPanel } from "@grafana/schema";
import type { Options as Stat }
  from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { FieldConfig as Field, Options as TimeSeries }
  from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

type Plain<T> = unknown extends T ? T
  : T extends string ? \`\${T}\`
  : T extends number ? (number extends T ? T : \`\${T}\` extends \`\${infer N extends number}\` ? N : never)
  : T extends boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;
type Config = NonNullable<Panel["fieldConfig"]>;
type Of<Kind, Options, Custom> = Omit<Panel, "type" | "options" | "fieldConfig"> & {
  type: Kind;
  options: Options;
  fieldConfig: Omit<Config, "defaults"> & { defaults: Omit<Config["defaults"], "custom"> & { custom?: Custom } };
};
type Panels = (Of<"stat", Stat, never> | Of<"timeseries", TimeSeries, Field> | RowPanel)[];

export const dashboard: Plain<Omit<Dashboard, "panels"> & { panels: Panels }> = ${JSON.stringify(dashboard, null, 1)};
`;

// Inside of the folder that has the packages, where the compiler looks for them.
const folder = mkdtempSync(join(here, "grafana-"));
const complaints = dashboard => {
  writeFileSync(join(folder, "dashboard.ts"), program(dashboard));
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"];
  const command = ["--no-install", "tsc", ...options, join(folder, "dashboard.ts")];
  const done = spawnSync("npx", command, { cwd: here, encoding: "utf8" });
  if (done.error) throw done.error;
  const lines = done.stdout.split("\n").filter(line => line.includes("error TS"));
  if (done.status !== 0 && lines.length === 0) throw new Error(done.stdout + done.stderr);
  return lines.map(line => line.slice(line.indexOf("error TS"), line.indexOf("error TS") + 160));
};

const spoiled = {
  "a panel of an unknown kind": all => { all.panels[1].type = "timeserie"; },
  "a misspelt option": all => { all.panels[1].options.reduceOption = all.panels[1].options.reduceOptions; },
  "an option of another kind": all => { all.panels[1].options.legend = { showLegend: true }; },
  "an unknown way to stack": all => { all.panels[7].fieldConfig.defaults.custom.stacking.mode = "norml"; },
  "a place without a width": all => { delete all.panels[2].gridPos.w; },
  "a time as a number": all => { all.time.from = 3600; },
  "an unknown member of the dashboard": all => { all.tilte = all.title; },
};
try {
  const seen = { dashboard: complaints(JSON.parse(text)), spoiled: {} };
  for (const [what, spoil] of Object.entries(spoiled)) {
    const copy = JSON.parse(text);
    spoil(copy);
    seen.spoiled[what] = complaints(copy);
  }
  console.log(JSON.stringify(seen));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
