// A preload for Node (`--import`): every request to this machine carries the key in SMCP_CONFORMANCE_KEY. The suite has no
// option for it, and a proxy in between would hide how the platform treats Host and Origin.

import { subscribe } from "node:diagnostics_channel";
import "../clients/origin-guard.mjs";

const key = process.env.SMCP_CONFORMANCE_KEY;
const LOCAL = new Set(["127.0.0.1", "localhost"]);

if (key !== undefined) {
  // The built-in fetch and the undici package.
  subscribe("undici:request:create", ({ request }) => {
    if (LOCAL.has(new URL(request.origin).hostname)) request.addHeader("authorization", `Bearer ${key}`);
  });
  subscribe("http.client.request.created", ({ request }) => {
    if (LOCAL.has(request.host)) request.setHeader("authorization", `Bearer ${key}`);
  });
}

// Many checks hold of empty traffic: who reads the output must know that a request was not let in.
const note = (status) => status === 401 && process.stdout.write("key.mjs: 401\n");
subscribe("undici:request:headers", ({ response }) => note(response.statusCode));
subscribe("http.client.response.finish", ({ response }) => note(response.statusCode));
