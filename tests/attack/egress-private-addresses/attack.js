// Asks for addresses that the manifest allows and the platform does not.
import { reach } from "./ask.js";

export default (row) => reach(`http://${row}/`);
