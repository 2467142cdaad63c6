// The platform answers this to everybody.
import { ask } from "./ask.js";

export default async (host) => {
  const told = await ask(`http://${host}/api/v1/health`, { headers: { host: "localhost:8787" } });
  return told.includes("egress") || !/^(200|401|403|404|421|400) /.test(told) || told.includes("smcp.toml") || told.includes("may not")
    ? `refused ${told}`
    : `succeeded ${told}`;
};
