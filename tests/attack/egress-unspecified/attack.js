// Nobody's address is everybody's own.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
