// Tools that need one round, by name; what they are handed is in server.js.

import { PIXEL, SILENCE } from "./content.js";
import { CHOICES, DEFAULTS, createMessage, elicit, form } from "./questions.js";

const text = (words) => ({ type: "text", text: words });
const say = (...content) => ({ content });
const image = { type: "image", data: PIXEL, mimeType: "image/png" };
const audio = { type: "audio", data: SILENCE, mimeType: "audio/wav" };
const embedded = (uri, mimeType, words) => ({ type: "resource", resource: { uri, mimeType, text: words } });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const object = (properties = {}, required = []) => ({ type: "object", properties, required });

/** The schema that must come through as it is (SEP-1613, SEP-2106). */
const FULL_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: { address: { $anchor: "addressDef", type: "object", properties: { street: { type: "string" }, city: { type: "string" } } } },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

/** Asks inside the call, on its own stream (`ctx.mcpReq.send`; the SDK's `elicitInput` asks on the GET stream, which may not be open yet). */
async function asked(what, question) {
  try {
    const answer = await question();
    return say(text(`${what}: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`));
  } catch (error) {
    return say(text(`${what} failed: ${error.message}`));
  }
}

export const TOOLS = {
  test_simple_text: { run: () => say(text("This is a simple text response for testing.")) },
  test_image_content: { run: () => say(image) },
  test_audio_content: { run: () => say(audio) },
  test_embedded_resource: { run: () => say(embedded("test://embedded-resource", "text/plain", "What is embedded.")) },
  test_multiple_content_types: {
    run: () => say(text("Several kinds of content:"), image, embedded("test://mixed-content-resource", "application/json", '{"test":"data"}')),
  },
  test_tool_with_logging: {
    async run({ log }) {
      for (const line of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await log("info", line);
        await pause(50);
      }
      return say(text("It logged three lines."));
    },
  },
  test_tool_with_progress: {
    async run({ token, notify }) {
      for (const progress of [0, 50, 100]) {
        if (token !== undefined) await notify("notifications/progress", { progressToken: token, progress, total: 100 });
        await pause(50);
      }
      return say(text(String(token)));
    },
  },
  test_error_handling: { run: () => ({ isError: true, ...say(text("This tool always fails.")) }) },
  test_reconnection: {
    async run({ closeStream }) {
      closeStream?.();
      await pause(100);
      return say(text("The result came after the stream was closed."));
    },
  },
  test_sampling: {
    schema: object({ prompt: { type: "string" } }, ["prompt"]),
    async run({ args, ctx }) {
      try {
        const answer = await ctx.mcpReq.send(createMessage(args.prompt));
        return say(text(`LLM response: ${answer.content?.text ?? "nothing"}`));
      } catch (error) {
        return say(text(`sampling failed: ${error.message}`));
      }
    },
  },
  test_elicitation: {
    schema: object({ message: { type: "string" } }, ["message"]),
    run: ({ args, ctx }) => asked("User response", () => ctx.mcpReq.send(elicit(form(args.message, "response")))),
  },
  test_elicitation_sep1034_defaults: { run: ({ ctx }) => asked("Elicitation completed", () => ctx.mcpReq.send(elicit(DEFAULTS))) },
  test_elicitation_sep1330_enums: { run: ({ ctx }) => asked("Elicitation completed", () => ctx.mcpReq.send(elicit(CHOICES))) },
  json_schema_2020_12_tool: { schema: FULL_SCHEMA, run: ({ args }) => say(text(JSON.stringify(args))) },
  test_mirrored_parameter: {
    schema: object({ region: { type: "string", "x-mcp-header": "Region" }, count: { type: "integer", "x-mcp-header": "Count" } }),
    run: ({ args }) => say(text(JSON.stringify(args))),
  },
  test_streaming_elicitation: {
    async run({ token, notify }) {
      await notify("notifications/progress", { progressToken: token ?? "none", progress: 50, total: 100 });
      return say(text("It streamed."));
    },
  },
  test_logging_tool: {
    async run({ log }) {
      await log("info", "A line, if lines are wanted");
      return say(text("It logged."));
    },
  },
};
