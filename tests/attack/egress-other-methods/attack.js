// GET and POST alone are allowed there.
import { ask } from "./ask.js";

export default (method) => ask("http://api.example.com:8080/method-of-attack", { method });
