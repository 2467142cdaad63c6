// Runs every group of steps on both sides and says where they differ. Reads what to run from standard input, as JSON:
// { key, servers: { <capability>: { url } | { refused } }, runtime, loops }. `cargo xtask compare` starts it.

import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { count } from "./loops.mjs";
import { table } from "./table.mjs";
import { miniflare, platform } from "./sides.mjs";

const WIDTH = 150;

/** What a refusal is, apart from its words: the kind of error, and the status or code in front of or behind them. */
function kind({ error, message } = {}) {
  if (error === undefined) return undefined;
  const operation = /^(KV \w+ failed: \d+|\w+:|D1_\w+:)/.exec(message)?.[0];
  return [error, operation, /\(\d+\)$/.exec(message)?.[0]];
}

/** The steps that an explanation is for: by `words` where both sides refuse alike, by `results` where these are what each has. */
const explained = ({ words = [], results = {} }) => [...words, ...Object.keys(results)];

/** Whether an explanation is one of just this difference. */
function explains({ words = [], results = {} }, { step, here, there }) {
  if (words.includes(step)) return kind(here) !== undefined && isDeepStrictEqual(kind(here), kind(there));
  const expected = results[step];
  return expected !== undefined && isDeepStrictEqual(expected, { platform: here, miniflare: there });
}

/** One group on both sides: for each step its name and both results. */
async function both(sides, capability, group) {
  const [here, there] = await Promise.all(sides.map((side) => side.call(capability, "run", { capability, group })));
  if (here.length !== there.length) throw new Error(`${capability}/${group}: ${here.length} steps here, ${there.length} there`);
  return here.map(([name, result], at) => {
    if (there[at][0] !== name) throw new Error(`${capability}/${group}: step ${at} is ${name} here, ${there[at][0]} there`);
    return { step: `${capability}/${group}/${name}`, here: result, there: there[at][1] };
  });
}

/** All steps of a capability, each with its verdict, printed as they come. */
async function compare(sides, capability, explanations) {
  const tally = { steps: 0, identical: 0, explained: [], unexplained: [] };
  const used = new Set();
  for (const group of await sides[1].call(capability, "groups", { capability })) {
    for (const difference of await both(sides, capability, group)) {
      const { step, here, there } = difference;
      tally.steps += 1;
      if (isDeepStrictEqual(here, there)) {
        tally.identical += 1;
        console.log(`= ${cut(`${step}  ${JSON.stringify(here)}`)}`);
        continue;
      }
      const explanation = explanations.find((entry) => explains(entry, difference));
      if (explanation === undefined) {
        tally.unexplained.push(difference);
        console.log(`! ${step}\n    platform   ${JSON.stringify(here)}\n    miniflare  ${JSON.stringify(there)}`);
      } else {
        used.add(`${explanation.reason} ${step}`);
        tally.explained.push({ ...difference, explanation });
        console.log(`~ ${cut(`${step}  ${explanation.reason}`)}`);
      }
    }
  }
  const idle = explanations.flatMap((entry) =>
    explained(entry).filter((step) => step.startsWith(`${capability}/`) && !used.has(`${entry.reason} ${step}`)).map((step) => `${step}: ${entry.reason}`));
  return { ...tally, idle };
}

const cut = (line) => (line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}\u2026`);

function differences(tallies) {
  const all = tallies.flatMap(({ explained }) => explained);
  if (all.length > 0) console.log(`\nexplained differences: ${all.length}`);
  for (const reason of new Set(all.map(({ explanation }) => explanation.reason))) {
    console.log(`\n  ${reason}`);
    for (const { step, here, there } of all.filter(({ explanation }) => explanation.reason === reason)) {
      console.log(`    ${step}\n      platform   ${cut(JSON.stringify(here))}\n      miniflare  ${cut(JSON.stringify(there))}`);
    }
  }
}

async function main({ key, servers, runtime, loops }) {
  const explanations = JSON.parse(await readFile(new URL("explained.json", import.meta.url), "utf8"));
  const theirs = await miniflare(runtime);
  const sides = [platform(servers, key), theirs];
  const rows = [];
  const tallies = [];
  const failures = [];
  try {
    if (loops !== undefined) return await count(sides, servers, loops);
    for (const [capability, { refused }] of Object.entries(servers)) {
      if (refused !== undefined) {
        rows.push([capability, "not run", "", "", ""]);
        failures.push(`${capability}: not run: ${refused}`);
        continue;
      }
      const tally = await compare(sides, capability, explanations);
      tallies.push(tally);
      rows.push([capability, tally.steps, tally.identical, tally.explained.length, tally.unexplained.length]);
      failures.push(...tally.unexplained.map(({ step }) => `${step}: the sides differ, and nothing explains it`));
      failures.push(...tally.idle.map((idle) => `${idle}: explains no difference`));
    }
  } finally {
    await theirs.end();
  }
  differences(tallies);
  console.log();
  table(["capability", "steps>", "identical>", "explained>", "unexplained>"], rows);
  console.log();
  for (const failure of failures) console.log(`FAILED ${failure}`);
  const passed = tallies.reduce((sum, { identical, explained }) => sum + identical + explained.length, 0);
  console.log(`${passed} passed, ${failures.length} failed`);
}

let input = "";
for await (const piece of process.stdin) input += piece;
await main(JSON.parse(input));
