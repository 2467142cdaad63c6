// As a control, the environment of a platform that gives secrets away.
import { env as imported } from "cloudflare:workers";

const shown = (value) => JSON.stringify(value, (_, inner) => (typeof inner === "object" && inner !== null && !Array.isArray(inner) ? { ...inner } : inner));

export default (row, { env, told }) => {
  const given = { ...env, ...imported, ...(told.control ? { API_KEY: told.secret } : {}) };
  const texts = Object.entries(given).filter(([, value]) => typeof value === "string");
  const all = { env: texts, process: [texts, { ...process.env }, process.argv], global: [texts, Object.getOwnPropertyNames(globalThis)] };
  return shown(all[row]);
};
