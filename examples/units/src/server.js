// What a client sees: six tools, a prompt and a resource. No state, so every request gets a server of its own.

import { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { compound, convert, roman, statistics, UNIT_NAMES, UNITS } from "./units.js";

const annotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };
const unit = z.enum(UNIT_NAMES);

/** @param {{ CURRENCY: string }} env set by `[vars]` in smcp.toml */
export function createServer(env) {
  const server = new McpServer(
    { name: "units", title: "Sums and units", version: "1.0.0" },
    { instructions: "Exact answers for sums and conversions. Prefer these tools to working it out yourself." },
  );
  addNumbers(server);
  addConversions(server, env);
  addContext(server);
  return server;
}

function addNumbers(server) {
  server.registerTool(
    "add",
    {
      title: "Add",
      description: "Adds two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations,
    },
    ({ a, b }) => answer(`${a} + ${b} = ${a + b}`, { sum: a + b }),
  );

  server.registerTool(
    "statistics",
    {
      title: "Statistics",
      description: "Count, sum, mean, median, least and greatest of a list of numbers.",
      inputSchema: z.object({ numbers: z.array(z.number()).min(1).max(10_000) }),
      outputSchema: z.object({
        count: z.number(),
        sum: z.number(),
        mean: z.number(),
        median: z.number(),
        min: z.number(),
        max: z.number(),
      }),
      annotations,
    },
    ({ numbers }) => {
      const result = statistics(numbers);
      const text = Object.entries(result).map(([name, value]) => `${name} ${value}`);
      return answer(text.join(", "), result);
    },
  );

  server.registerTool(
    "roman_numeral",
    {
      title: "Roman numeral",
      description: "Writes a whole number from 1 to 3999 in Roman numerals.",
      inputSchema: z.object({ number: z.number().int().min(1).max(3999) }),
      outputSchema: z.object({ roman: z.string() }),
      annotations,
    },
    ({ number }) => answer(roman(number), { roman: roman(number) }),
  );

  server.registerTool(
    "sum_series",
    {
      title: "Sum of a series",
      description: "Adds the whole numbers from 1 to n in ten steps and reports progress after each.",
      inputSchema: z.object({ n: z.number().int().min(1).max(1_000_000) }),
      outputSchema: z.object({ sum: z.number() }),
      annotations,
    },
    async ({ n }, ctx) => {
      // A client that wants to hear about progress sends a token with its call; the answer then becomes a stream.
      const progressToken = ctx.mcpReq._meta?.progressToken;
      let sum = 0;
      for (let step = 1, i = 1; step <= 10; step++) {
        for (; i <= (n * step) / 10; i++) sum += i;
        if (progressToken !== undefined) {
          const params = { progressToken, progress: step, total: 10 };
          await ctx.mcpReq.notify({ method: "notifications/progress", params });
        }
      }
      return answer(`1 + … + ${n} = ${sum}`, { sum });
    },
  );
}

function addConversions(server, env) {
  server.registerTool(
    "convert",
    {
      title: "Convert",
      description: "Converts lengths, masses, times and temperatures, to six decimals.",
      inputSchema: z.object({ value: z.number(), from: unit, to: unit }),
      outputSchema: z.object({ value: z.number(), unit }),
      annotations,
    },
    ({ value, from, to }) => {
      const result = convert(value, from, to);
      return answer(`${value} ${from} = ${result} ${to}`, { value: result, unit: to });
    },
  );

  server.registerTool(
    "compound_interest",
    {
      title: "Compound interest",
      description: `What a sum of ${env.CURRENCY} becomes at a yearly interest rate.`,
      inputSchema: z.object({
        principal: z.number().min(0).max(1e12),
        percent: z.number().min(0).max(100).describe("Interest per year, in per cent"),
        years: z.number().int().min(0).max(100),
      }),
      outputSchema: z.object({ amount: z.number(), currency: z.string() }),
      annotations,
    },
    ({ principal, percent, years }) => {
      const amount = compound(principal, percent, years);
      return answer(`${amount.toFixed(2)} ${env.CURRENCY}`, { amount, currency: env.CURRENCY });
    },
  );
}

function addContext(server) {
  server.registerResource(
    "unit-table",
    "units://table",
    { title: "Known units", description: "Every unit `convert` knows, by kind.", mimeType: "application/json" },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify(UNITS) }] }),
  );

  server.registerPrompt(
    "recipe_in_metric",
    {
      title: "Recipe in metric units",
      description: "Asks for a recipe to be rewritten in metric units.",
      argsSchema: z.object({ recipe: z.string().min(1).max(10_000) }),
    },
    ({ recipe }) => {
      const text = `Rewrite this recipe in grams, centimetres and °C. Use the tool "convert" for each number:\n\n${recipe}`;
      return { messages: [{ role: "user", content: { type: "text", text } }] };
    },
  );
}

/** The same answer for people and for programs. */
function answer(text, structuredContent) {
  return { content: [{ type: "text", text }], structuredContent };
}
