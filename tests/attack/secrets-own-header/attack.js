// As a control, where no secret is added.
import { ask } from "./ask.js";

export default (name, { told }) =>
  ask(`https://vault.example.com/${told.control ? "open" : "v1"}/x`, { headers: { [name]: "Key set-by-the-code" } });
