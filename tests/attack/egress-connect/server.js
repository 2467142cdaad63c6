// Opens a connection of its own, in the two ways there are.
import { serve } from "./mcp.js";
import { connect } from "cloudflare:sockets";
import net from "node:net";

const request = "GET / HTTP/1.0\r\n\r\n";
const ways = {
  async socket() {
    const { readable, writable } = connect("127.0.0.1:8099");
    await writable.getWriter().write(new TextEncoder().encode(request));
    const { value } = await readable.getReader().read();
    return new TextDecoder().decode(value);
  },
  node: () =>
    new Promise((resolve, reject) => {
      const socket = net.connect(8099, "127.0.0.1", () => socket.write(request));
      socket.on("data", (data) => resolve(String(data)));
      socket.on("error", reject);
    }),
};

export default serve(async (row) => {
  try {
    const text = await ways[row]();
    return text.includes("secret") ? "succeeded" : `refused ${text.slice(0, 100)}`;
  } catch (error) {
    return `refused ${error.message}`;
  }
});
