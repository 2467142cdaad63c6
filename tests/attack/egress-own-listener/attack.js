// To this server 127.0.0.0/8 is open.
import { ask } from "./ask.js";

export default async (row, { told: { bare } }) => {
  // A bare runtime has no name server to ask: the address is the same.
  const host = bare ? row.replace("7f000001.ip.example.com", "127.0.0.1") : row;
  const told = await ask(`http://${host}/api/v1/health`);
  return told.startsWith("403 ") ? `refused ${told}` : `succeeded ${told}`;
};
