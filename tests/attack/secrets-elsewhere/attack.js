// As a control, the code sends a secret of its own on the same way: what would be heard.
import { ask } from "./ask.js";

export default (row, { told }) => {
  const [method, url] = row.split(" ");
  return ask(url, { method, ...(told.control ? { headers: { "x-key": told.secret } } : {}) });
};
