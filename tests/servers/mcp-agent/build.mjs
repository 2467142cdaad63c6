// `smcp deploy` cannot bundle this project by itself: `agents` imports `cloudflare:email`, which only a runtime with
// Cloudflare's mail has, and a package of its dependencies requires Node's `path` by its bare name.

import { build } from "esbuild";

await build({
  entryPoints: ["index.js"],
  outfile: "dist/index.js",
  bundle: true,
  format: "esm",
  target: "es2024",
  platform: "neutral",
  mainFields: ["module", "main"],
  conditions: ["workerd", "worker", "browser"],
  external: ["cloudflare:workers", "node:*"],
  alias: { "cloudflare:email": "./email.js", path: "node:path" },
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire("/");' },
  logLevel: "warning",
});
