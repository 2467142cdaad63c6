// TypeScript SDK 2.x: one handler for 2026-07-28 and, without sessions, for all older revisions.

import { createMcpHandler } from "@modelcontextprotocol/server";
import { createServer } from "../tools/sdk2.js";

export default createMcpHandler(() => createServer("sdk2"));
