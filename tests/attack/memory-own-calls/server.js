// Calls itself without a network, and each call calls itself twice: what forks are to a machine.
import { serve } from "./mcp.js";

const again = (ctx, request) => ctx.exports.default.fetch(new Request(request.url, { headers: { deep: "1" } }));
const worker = serve(async (_, { ctx, request }) => {
  await Promise.all([again(ctx, request), again(ctx, request)]);
  return "all done";
});

export default {
  async fetch(request, env, ctx) {
    if (!request.headers.has("deep")) return worker.fetch(request, env, ctx);
    const held = new Uint8Array(64 << 10).fill(1);
    await Promise.all([again(ctx, request), again(ctx, request)]);
    return new Response(held);
  },
};
