// Thousands of requests to the outside at the same time: each is a connection to the platform.
import { serve, pause } from "./mcp.js";

export default serve(async () => {
  const waiting = Array.from({ length: 6_000 }, () => fetch("http://127.0.0.1:8098/", { method: "POST", body: new ReadableStream({}) }).catch(() => 0));
  await Promise.race([Promise.all(waiting), pause(3_000)]);
  return "fetched";
});
