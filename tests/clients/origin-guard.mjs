// A preload for Node (`node --import ./origin-guard.mjs …`): every connection to another machine throws, so that a
// client under test talks to the platform on this one and to nobody else.

import { Socket } from "node:net";

const ALLOWED = new Set(["127.0.0.1", "localhost"]);

function refuse(host) {
  if (!ALLOWED.has(host)) throw new Error(`origin-guard: refused a connection to ${host}`);
}

/** The host that arguments of `Socket.connect` name; undefined for a Unix socket. */
function hostOf(args) {
  // `net.connect` hands its arguments on as one array: [options, callback].
  const [target, host] = Array.isArray(args[0]) ? args[0] : args;
  if (target !== null && typeof target === "object") return target.path ? undefined : (target.host ?? "localhost");
  const isPath = typeof target === "string" && Number.isNaN(Number(target));
  return isPath ? undefined : typeof host === "string" ? host : "localhost";
}

// http, https, tls, undici and the built-in fetch all open their connections through this one method.
const connect = Socket.prototype.connect;
Socket.prototype.connect = function (...args) {
  const host = hostOf(args);
  if (host !== undefined) refuse(host);
  return connect.apply(this, args);
};

// Refused here too, because a pool may answer before it opens a connection, and with a clearer trace.
const { fetch } = globalThis;
globalThis.fetch = async (input, init) => {
  refuse(new URL(input instanceof Request ? input.url : input).hostname);
  return fetch(input, init);
};
