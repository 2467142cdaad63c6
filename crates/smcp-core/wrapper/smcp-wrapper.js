// Evaluated before any hosted module, so that what hosted code captures of `console` and `fetch` is already ours.
// Everything here is a label for logs and traces: hosted code can forge it, and no limit or permission trusts it.

import { AsyncLocalStorage } from "node:async_hooks";
import { WorkerEntrypoint } from "cloudflare:workers";

const HANDLERS = ["scheduled", "queue", "email", "tail", "tailStream", "trace", "test"];

const calls = new AsyncLocalStorage();

// A tagged line is U+001E, the request id, "/" and the trace id, U+001F, the message. After U+001D, in place of U+001F, one space follows
// that console put between two arguments.
for (const method of ["debug", "error", "info", "log", "trace", "warn"]) {
  const print = console[method];
  console[method] = (...args) => {
    const tag = calls.getStore()?.tag;
    if (!tag) return print(...args);
    // The tag is glued to a leading string so that its %-specifiers keep working.
    if (typeof args[0] === "string") args[0] = `\x1e${tag}\x1f${args[0]}`;
    else args.unshift(`\x1e${tag}\x1d`);
    return print(...args);
  };
}

const send = globalThis.fetch;
globalThis.fetch = async function fetch(input, init) {
  const call = calls.getStore();
  if (!call?.traceparent) return send(input, init);
  const request = new Request(input, init);
  if (!request.headers.has("traceparent")) request.headers.set("traceparent", call.traceparent);
  // For the log. As every header that begins with `cf-`, it goes no further than the platform.
  request.headers.set("cf-ray", call.id);
  return send(request);
};

// Runs a hosted fetch handler inside the context of its call. The labels come in `request.cf` and not in a header:
// taking a header off means copying the request, which cost three times as much as the rest of this file.
function enter(request, handle, scheduled) {
  const { id, traceparent, scheduled: due } = request.cf ?? {};
  const tag = id && traceparent ? `${id}/${traceparent.slice(3, 35)}` : id;
  const call = { id, tag, traceparent };
  Object.defineProperty(request, "cf", { value: undefined });
  return due ? calls.run(call, ring, due, scheduled) : calls.run(call, answer, request, handle);
}

// A time that the manifest names has come, or the platform asks who would hear it: no request of a client's. The status
// says how it went.
async function ring({ asked, cron, time }, handle) {
  if (!handle) return new Response(null, { status: 501 });
  if (asked) return new Response(null, { status: 204 });
  try {
    await handle({ cron, scheduledTime: time, type: "scheduled", noRetry() {} });
    return new Response(null, { status: 200 });
  } catch (error) {
    console.error("Uncaught", error);
    return new Response(null, { status: 500 });
  }
}

// The runtime's own report of an exception has neither the stack nor the request id.
async function answer(request, handle) {
  try {
    return await handle(request);
  } catch (error) {
    console.error("Uncaught", error);
    return new Response("Internal Server Error", { status: 500 });
  }
}

function wrapObject(target) {
  const scheduled = typeof target.scheduled === "function";
  const wrapped = {
    fetch: (request, env, ctx) =>
      enter(
        request,
        (inner) => target.fetch(inner, env, ctx),
        scheduled && ((controller) => target.scheduled(controller, env, ctx)),
      ),
  };
  for (const name of HANDLERS) {
    if (typeof target[name] === "function") wrapped[name] = (...args) => target[name](...args);
  }
  return wrapped;
}

function wrapClass(Target) {
  return class extends Target {
    fetch(request) {
      const scheduled = typeof super.scheduled === "function";
      return enter(
        request,
        (inner) => super.fetch(inner),
        scheduled && ((controller) => super.scheduled(controller)),
      );
    }
  };
}

/** The default export of a version: the hosted module's own, inside the context of each call. */
export function wrap(hosted, main, classes) {
  for (const name of classes) {
    if (typeof hosted[name] !== "function") {
      throw new Error(`${main} exports no class ${name}, which \`durable_objects\` names: export class ${name} extends DurableObject { … }`);
    }
  }
  const target = hosted.default;
  if (typeof target === "function" && target.prototype instanceof WorkerEntrypoint) {
    if (typeof target.prototype.fetch === "function") return wrapClass(target);
  } else if (target !== null && typeof target === "object" && typeof target.fetch === "function") {
    return wrapObject(target);
  }
  throw new Error(
    `${main} has no default export with a fetch handler: export default { async fetch(request, env, ctx) { … } }, ` +
      "or a class that extends WorkerEntrypoint and has a fetch method",
  );
}

/** The platform's own entrypoint: checks. */
export class platform extends WorkerEntrypoint {
  ping() {
    return "pong";
  }

  fetch() {
    return new Response(this.ping());
  }
}
