// A preload for Node: a client's GET stream is opened only after it has called the tool that MCP_LISTEN_AFTER names, so that
// what the server asks in that call is asked before somebody listens.

import { Socket } from "node:net";

const tool = process.env.MCP_LISTEN_AFTER;
const LATER_MS = 300;

/** The head of a request for a session's stream, by a client that has seen nothing of it yet. */
function listens(text) {
  return /^GET [^]*\r\nmcp-session-id:/i.test(text) && !/\r\nlast-event-id:/i.test(text);
}

if (tool) {
  let called;
  const call = new Promise((resolve) => (called = resolve));
  const calls = (text) => text.includes('"tools/call"') && text.includes(`"name":"${tool}"`);
  // Whichever library a client asks with, it writes to such a socket.
  const { write } = Socket.prototype;
  Socket.prototype.write = function (chunk, ...rest) {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
    if (calls(text)) setTimeout(called, LATER_MS);
    if (!listens(text)) return write.call(this, chunk, ...rest);
    void call.then(() => write.call(this, chunk, ...rest));
    return true;
  };
}
