// Results as JSON that two sides can be compared by: types are named, bytes are read, what no two runs share is left out.

/** Of an R2 object; `storageClass` and the `range` of a head have steps of their own. */
const HEAD = ["key", "version", "size", "etag", "httpEtag", "checksums", "uploaded", "httpMetadata", "customMetadata", "ssecKeyMd5"];
/** Longer text is shown by its beginning, its length and its digest. */
const LONGEST = 200;

/** A result, with its types. */
export async function shown(value) {
  switch (typeof value) {
    case "undefined":
      return { undefined: true };
    case "bigint":
      return { bigint: String(value) };
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { number: Object.is(value, -0) ? "-0" : String(value) };
    case "string":
      return text(value);
    case "boolean":
      return value;
    case "function":
    case "symbol":
      return { [typeof value]: true };
    default:
      return value === null ? null : object(value);
  }
}

async function object(value) {
  if (value instanceof Error) return refusal(value);
  if (value instanceof Date) return { Date: Number.isNaN(value.getTime()) ? "invalid" : "<time>" };
  if (value instanceof ArrayBuffer) return { ArrayBuffer: await bytes(new Uint8Array(value)) };
  if (ArrayBuffer.isView(value)) return { [value.constructor.name]: await bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) };
  if (value instanceof ReadableStream) return { ReadableStream: await bytes(new Uint8Array(await new Response(value).arrayBuffer())) };
  if (value instanceof Map) return { Map: await shown([...value]) };
  if (value instanceof Set) return { Set: await shown([...value]) };
  if (value instanceof Headers) return { Headers: await shown([...value]) };
  if (Array.isArray(value)) return Promise.all(value.map(shown));
  if ("httpEtag" in value && "customMetadata" in value) return stored(value);
  return plain(value);
}

async function plain(value) {
  const fields = {};
  // Which names are there with nothing under them is the runtime's doing, not the storage's.
  for (const name of Object.keys(value).sort()) if (value[name] !== undefined) fields[name] = await shown(value[name]);
  const kind = value.constructor?.name ?? "Object";
  return kind === "Object" ? fields : { [kind]: fields };
}

/** An R2 object: its fields are getters of a class. */
async function stored(value) {
  const fields = {};
  for (const name of HEAD) {
    if (value[name] === undefined) continue;
    if (name === "version") fields.version = typeof value.version === "string" && value.version !== "" ? "<version>" : value.version;
    else if (name === "checksums") fields.checksums = await shown(value.checksums.toJSON());
    else fields[name] = await shown(value[name]);
  }
  if (value.body !== undefined) {
    fields.range = await shown(value.range);
    fields.body = await shown(value.bodyUsed ? "used" : value.body);
  }
  return { [value.body === undefined ? "R2Object" : "R2ObjectBody"]: fields };
}

async function bytes(value) {
  if (value.length <= LONGEST) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    } catch {
      return { hex: hex(value) };
    }
  }
  return { length: value.length, sha256: hex(new Uint8Array(await crypto.subtle.digest("SHA-256", value))) };
}

async function text(value) {
  if (value.length <= LONGEST) return value;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(value));
  return { text: value.slice(0, 20), length: value.length, sha256: hex(new Uint8Array(digest)) };
}

const hex = (value) => [...value].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** What was thrown: its kind and its words, without what workerd makes up anew for each error. */
export function refusal(error) {
  if (!(error instanceof Error)) return { thrown: String(error) };
  return { error: error.name, message: error.message.replace(/reference = \w+/g, "reference = <id>").replace(/\n {4}at [^]*$/, "") };
}
