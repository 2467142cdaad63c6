// As a control, the code sends a secret of its own to where such a path leads.
import { ask } from "./ask.js";

export default (path, { told }) =>
  told.control
    ? ask("https://vault.example.com/open", { headers: { "x-key": told.secret } })
    : ask(`https://vault.example.com${path}`);
