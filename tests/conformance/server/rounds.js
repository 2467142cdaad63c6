// Tools that need more than one round (2026-07-28, Multi Round-Trip Requests).

import { createMessage, elicit, form, listRoots } from "./questions.js";

const say = (text) => ({ content: [{ type: "text", text }] });
const ask = (inputRequests, requestState) => ({ resultType: "input_required", inputRequests, requestState });

/** A field of an answered form. */
const field = (responses, key, name) => responses?.[key]?.content?.[name] ?? "unknown";

/** Made at the first use: a Worker has no random numbers before its first request. */
let key;
async function mac(text) {
  key ??= crypto.subtle.importKey("raw", crypto.getRandomValues(new Uint8Array(32)), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", await key, new TextEncoder().encode(text));
  return [...new Uint8Array(signature)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
async function seal(value) {
  const text = JSON.stringify(value);
  return `${await mac(text)}.${text}`;
}
async function open(state) {
  const at = state.indexOf(".");
  return (await mac(state.slice(at + 1))) === state.slice(0, at) ? JSON.parse(state.slice(at + 1)) : undefined;
}

export const ROUNDS = {
  test_input_required_result_elicitation: ({ responses }) =>
    responses?.user_name
      ? say(`Hello, ${field(responses, "user_name", "name")}!`)
      : ask({ user_name: elicit(form("What is your name?", "name")) }),

  test_input_required_result_sampling: ({ responses }) =>
    responses?.sample_request
      ? say(`It said: ${responses.sample_request.content?.text ?? "nothing"}`)
      : ask({ sample_request: createMessage("What is the capital of France?") }),

  test_input_required_result_list_roots: ({ responses }) =>
    responses?.roots_request
      ? say(`Found ${responses.roots_request.roots?.length ?? 0} roots`)
      : ask({ roots_request: listRoots() }),

  test_input_required_result_request_state: ({ responses, state }) =>
    state && JSON.parse(state).kind === "one" && field(responses, "confirm", "ok") === true
      ? say("state-ok: the state came back")
      : ask({ confirm: elicit(form("Go on?", "ok", "boolean")) }, JSON.stringify({ kind: "one", nonce: crypto.randomUUID() })),

  test_input_required_result_multiple_inputs: ({ responses, state }) => {
    if (state && responses?.user_name && responses.greeting && responses.client_roots) {
      const roots = responses.client_roots.roots?.length ?? 0;
      return say(`${field(responses, "user_name", "name")}, ${responses.greeting.content?.text}, ${roots} roots`);
    }
    const questions = { user_name: elicit(form("What is your name?", "name")), greeting: createMessage("Greet me"), client_roots: listRoots() };
    return ask(questions, JSON.stringify({ kind: "many", nonce: crypto.randomUUID() }));
  },

  test_input_required_result_multi_round: ({ responses, state }) => {
    const { round, name } = state ? JSON.parse(state) : {};
    const nonce = crypto.randomUUID();
    if (round === 2 && responses?.step2) return say(`${name} likes ${field(responses, "step2", "color")}`);
    if (round === 1 && responses?.step1) {
      const next = JSON.stringify({ round: 2, name: field(responses, "step1", "name"), nonce });
      return ask({ step2: elicit(form("Step 2: your favourite colour?", "color")) }, next);
    }
    return ask({ step1: elicit(form("Step 1: your name?", "name")) }, JSON.stringify({ round: 1, nonce }));
  },

  test_input_required_result_tampered_state: async ({ responses, state }, refuse) => {
    if (state !== undefined) {
      if ((await open(state))?.kind !== "sealed") throw refuse("the state does not verify");
      if (responses?.confirm) return say("integrity-ok: the state verifies");
    }
    return ask({ confirm: elicit(form("Go on?", "ok", "boolean")) }, await seal({ kind: "sealed", nonce: crypto.randomUUID() }));
  },

  test_input_required_result_capabilities: async ({ responses, capabilities }) => {
    if (Object.keys(responses ?? {}).length > 0) return say(`capabilities-ok: ${Object.keys(responses)}`);
    const questions = {};
    if (capabilities.elicitation) questions.elicit_input = elicit(form("A value?", "value"));
    if (capabilities.sampling) questions.sample_input = createMessage("Say something");
    if (Object.keys(questions).length === 0) return say("the client declares nothing to ask for");
    return ask(questions, await seal({ kind: "sealed", nonce: crypto.randomUUID() }));
  },
};

export const ROUND_PROMPT = ({ responses }) =>
  responses?.user_context
    ? { messages: [{ role: "user", content: { type: "text", text: `In the light of ${field(responses, "user_context", "context")}` } }] }
    : ask({ user_context: elicit(form("What is it about?", "context")) });
