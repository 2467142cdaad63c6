// As a control, the same with GET.
import { ask } from "./ask.js";

export default (method, { told }) => ask("https://vault.example.com/v1/of-trace", { method: told.control ? "GET" : method });
