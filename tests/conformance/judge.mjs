// Reads what the suite wrote below a directory, and fails where its own exit code does not: at what it does not score,
// at warnings, at what it could not test. `--part SCENARIO=N`: N of its checks cannot be tested without fixtures.

import { globSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { part: { type: "string", multiple: true, default: [] }, scenarios: { type: "string" } },
});
const parts = new Map(values.part.map((part) => part.split("=")));
const [directory] = positionals;
const wrong = [];
const seen = new Set();
let passed = 0;

for (const file of globSync(`${directory}/*/checks.json`)) {
  const [, scenario] = file.match(/\/server-(.*)-\d{4}-\d\d-\d\dT[^/]*\/checks\.json$/);
  seen.add(scenario);
  const checks = JSON.parse(readFileSync(file, "utf8"));
  const untestable = checks.filter((check) => check.status === "FAILURE" && check.details?.untestable === true);
  const foreseen = untestable.length === Number(parts.get(scenario) ?? 0) ? untestable : [];
  for (const check of checks) {
    if (check.status === "SUCCESS") passed += 1;
    if (!["FAILURE", "WARNING"].includes(check.status) || foreseen.includes(check)) continue;
    wrong.push(`${scenario}: ${check.status} ${check.id}: ${String(check.errorMessage).slice(0, 600)}`);
  }
  if (!checks.some((check) => ["SUCCESS", "SKIPPED"].includes(check.status))) wrong.push(`${scenario}: nothing passed`);
}
for (const scenario of values.scenarios?.split(" ") ?? []) {
  if (!seen.has(scenario)) wrong.push(`${scenario}: did not run`);
}
if (seen.size === 0) wrong.push("nothing ran");

for (const line of wrong) console.error(line);
console.log(`${directory}: ${seen.size} scenarios, ${passed} checks passed, ${wrong.length} wrong`);
process.exitCode = wrong.length === 0 ? 0 : 1;
