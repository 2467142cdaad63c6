// The two sides: our platform over HTTP, and miniflare in this process, called with the very same messages.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MODERN = "2026-07-28";
const SERVER = new URL("server/", import.meta.url);
/** Both sides run the module as of this day: the latest that miniflare's own runtime knows. */
export const COMPATIBILITY_DATE = "2026-04-26";

/** Asks a side's tool, and gives what it answers. */
async function tool(send, name, args) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "compare", version: "1.0.0" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args, _meta: meta } };
  const headers = {
    "Content-Type": "application/json",
    Accept: "application/json, text/event-stream",
    "MCP-Protocol-Version": MODERN,
    "Mcp-Method": "tools/call",
    "Mcp-Name": name,
  };
  const response = await send({ method: "POST", headers, body: JSON.stringify(message) });
  const body = await response.text();
  try {
    return JSON.parse(JSON.parse(body).result.content[0].text);
  } catch {
    throw new Error(`HTTP ${response.status} from ${name}: ${body.slice(0, 2000)}`);
  }
}

/** Our platform: a server for each capability. */
export function platform(servers, key) {
  return {
    call(capability, name, args) {
      const send = (init) => fetch(servers[capability].url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } });
      return tool(send, name, args);
    },
  };
}

/** Miniflare, with everything on disk, as our platform has it; in the runtime given, or its own. */
export async function miniflare(runtime) {
  if (runtime !== undefined) process.env.MINIFLARE_WORKERD_PATH = runtime;
  const { Miniflare } = await import("miniflare");
  const folder = await mkdtemp(join(tmpdir(), "smcp-compare-"));
  const names = (await readdir(SERVER)).sort((a, b) => (a === "main.js" ? -1 : b === "main.js" ? 1 : a < b ? -1 : 1));
  const modules = names.map(async (path) => ({ type: "ESModule", path, contents: await readFile(new URL(path, SERVER), "utf8") }));
  const side = new Miniflare({
    modules: await Promise.all(modules),
    compatibilityDate: COMPATIBILITY_DATE,
    // Without this it asks Cloudflare where it is.
    cf: false,
    host: "127.0.0.1",
    port: 0,
    kvNamespaces: { KV: "kv" },
    r2Buckets: { FILES: "files" },
    d1Databases: { DB: "db" },
    durableObjects: { LEDGER: { className: "Ledger", useSQLite: true } },
    defaultPersistRoot: folder,
    kvPersist: true,
    r2Persist: true,
    d1Persist: true,
    durableObjectsPersist: true,
  });
  await side.ready;
  return {
    call: (_, name, args) => tool((init) => side.dispatchFetch("http://localhost/mcp", init), name, args),
    async end() {
      await side.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
