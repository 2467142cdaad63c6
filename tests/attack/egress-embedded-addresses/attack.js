// Mapped, translated and tunnelled addresses.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
