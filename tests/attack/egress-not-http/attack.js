// At an allowed host and port, where a request would be let out.
import { connect } from "cloudflare:sockets";
import net from "node:net";

const HOST = "45.67.89.11";
const TEXT = "GET /raw HTTP/1.0\r\n\r\n";
const ways = {
  async socket() {
    const { readable, writable } = connect(`${HOST}:8080`);
    await writable.getWriter().write(new TextEncoder().encode(TEXT));
    const { value } = await readable.getReader().read();
    return new TextDecoder().decode(value);
  },
  net: () =>
    new Promise((resolve, reject) => {
      const socket = net.connect(8080, HOST, () => socket.write(TEXT));
      socket.on("data", (data) => resolve(String(data)));
      socket.on("error", reject);
    }),
  async websocket() {
    const answer = await fetch(`http://${HOST}:8080/ws`, { headers: { upgrade: "websocket" } });
    return answer.text();
  },
  async upgrade() {
    const answer = await fetch(`http://${HOST}:8080/h2c`, { headers: { upgrade: "websocket", connection: "upgrade" } });
    return answer.text();
  },
};

export default async (row) => {
  const told = await ways[row]();
  return told.includes("outside-heard") ? `succeeded ${told}` : `refused ${told}`;
};
