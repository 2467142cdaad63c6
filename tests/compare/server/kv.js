// KV, call by call. Each group begins with a namespace that holds nothing under its prefix.

const LATER = 2_000_000_000; // In 2033; the runtime takes no time beyond 2038.
const DATA = new TextEncoder().encode("bytes \u00e9");

const streamOf = (...pieces) => new Blob(pieces).stream();

export async function values({ KV }, step) {
  await step("get what is not there", () => KV.get("v/none"));
  await step("put text", () => KV.put("v/text", "hello"));
  await step("get", () => KV.get("v/text"));
  await step("get as text", () => KV.get("v/text", "text"));
  await step("get as text, in options", () => KV.get("v/text", { type: "text" }));
  await step("get as bytes", () => KV.get("v/text", "arrayBuffer"));
  await step("get as a stream", () => KV.get("v/text", "stream"));
  await step("get as JSON what is none", () => KV.get("v/text", "json"));
  await step("get as an unknown type", () => KV.get("v/text", "blob"));
  await step("put JSON", () => KV.put("v/json", '{"b":[1,null,"\u00fc"],"a":{"x":1.5}}'));
  await step("get as JSON", () => KV.get("v/json", "json"));
  await step("get as JSON, in options", () => KV.get("v/json", { type: "json" }));
  await step("put an empty text", () => KV.put("v/empty", ""));
  await step("get an empty text", () => KV.get("v/empty"));
  await step("get empty bytes", () => KV.get("v/empty", "arrayBuffer"));
  await step("get empty JSON", () => KV.get("v/empty", "json"));
  await step("put bytes", () => KV.put("v/bytes", DATA.buffer));
  await step("get those bytes", () => KV.get("v/bytes", "arrayBuffer"));
  await step("put a part of a buffer", () => KV.put("v/view", DATA.subarray(2, 5)));
  await step("get that part", () => KV.get("v/view"));
  await step("put bytes that are no text", () => KV.put("v/raw", new Uint8Array([0, 255, 254, 10, 13, 0])));
  await step("get them", () => KV.get("v/raw", "arrayBuffer"));
  await step("get them as text", () => KV.get("v/raw"));
  await step("put a stream", () => KV.put("v/stream", streamOf("one ", "two")));
  await step("get what was streamed", () => KV.get("v/stream"));
  await step("put an empty stream", () => KV.put("v/nothing", streamOf()));
  await step("get what was not", () => KV.get("v/nothing"));
  for (const [name, value] of [["a number", 1], ["null", null], ["undefined", undefined], ["an object", { a: 1 }], ["a boolean", true]]) {
    await step(`put ${name}`, () => KV.put("v/kind", value));
    await step(`get ${name}`, () => KV.get("v/kind"));
  }
  await step("put over another", () => KV.put("v/text", "again"));
  await step("get the other", () => KV.get("v/text"));
  await step("put a MiB", () => KV.put("v/mib", new Uint8Array(1 << 20).fill(7)));
  await step("get a MiB", () => KV.get("v/mib", "arrayBuffer"));
  await step("put 25 MiB", () => KV.put("v/most", new ArrayBuffer(25 << 20)));
  await step("get 25 MiB", async () => (await KV.get("v/most", "arrayBuffer")).byteLength);
  await step("put 25 MiB and a byte", () => KV.put("v/more", new ArrayBuffer((25 << 20) + 1)));
  await step("get 25 MiB and a byte", () => KV.get("v/more", "stream"));
}

export async function metadata({ KV }, step) {
  const put = (key, metadata) => KV.put(key, "v", { metadata });
  await step("with metadata, not there", () => KV.getWithMetadata("m/none"));
  await step("put without", () => KV.put("m/plain", "v"));
  await step("get without", () => KV.getWithMetadata("m/plain"));
  await step("put an object", () => put("m/object", { by: "me", deep: { list: [1, "\u00fc", null] } }));
  await step("get an object", () => KV.getWithMetadata("m/object"));
  await step("get it without its metadata", () => KV.get("m/object"));
  await step("as bytes", () => KV.getWithMetadata("m/object", "arrayBuffer"));
  await step("as a stream", () => KV.getWithMetadata("m/object", { type: "stream" }));
  await step("as JSON what is none", () => KV.getWithMetadata("m/object", "json"));
  for (const [name, value] of [["a list", [1, 2]], ["text", "a\nb \u00fc \u2713"], ["a number", 0], ["false", false], ["null", null], ["undefined", undefined]]) {
    await step(`put ${name}`, () => put("m/kind", value));
    await step(`get ${name}`, () => KV.getWithMetadata("m/kind"));
  }
  await step("put over it without", () => KV.put("m/object", "w"));
  await step("none is left", () => KV.getWithMetadata("m/object"));
  await step("put 1024 bytes", () => put("m/most", "x".repeat(1022)));
  await step("get 1024 bytes", async () => (await KV.getWithMetadata("m/most")).metadata.length);
  await step("put 1025 bytes", () => put("m/more", "x".repeat(1023)));
  await step("put 1024 bytes in fewer characters", () => put("m/wide", "\u00fc".repeat(511)));
  await step("put 1026 bytes in fewer characters", () => put("m/wider", "\u00fc".repeat(512)));
  await step("put what has a circle", () => {
    const circle = {};
    circle.own = circle;
    return put("m/circle", circle);
  });
  await step("put with a value that is refused", () => KV.put("m/bad", 1n, { metadata: { a: 1 } }));
  await step("list it", () => KV.list({ prefix: "m/" }));
}

export async function expiry({ KV }, step) {
  const now = Math.floor(Date.now() / 1000);
  const near = async (key, ttl) => {
    const { keys } = await KV.list({ prefix: key });
    return keys.map(({ name, expiration }) => [name, Math.abs(expiration - now - ttl) < 10]);
  };
  await step("put for 60 seconds", () => KV.put("e/60", "v", { expirationTtl: 60 }));
  await step("it is there", () => KV.get("e/60"));
  await step("its expiration", () => near("e/60", 60));
  for (const ttl of [59, 1, 0, -1, 60.9, "90", "soon", Number.NaN, 1e15]) {
    await step(`put for ${JSON.stringify(ttl)} seconds`, () => KV.put("e/ttl", "v", { expirationTtl: ttl }));
  }
  await step("put until 2033", () => KV.put("e/2033", "v", { expiration: LATER }));
  await step("its expiration then", () => KV.list({ prefix: "e/2033" }));
  await step("put until text of 2033", () => KV.put("e/text", "v", { expiration: String(LATER) }));
  await step("put until a date", () => KV.put("e/date", "v", { expiration: new Date(LATER * 1000) }));
  await step("put until half a second later", () => KV.put("e/half", "v", { expiration: LATER + 0.5 }));
  await step("put until 2001", () => KV.put("e/past", "v", { expiration: 1_000_000_000 }));
  await step("put until 0", () => KV.put("e/zero", "v", { expiration: 0 }));
  await step("put until before 1970", () => KV.put("e/minus", "v", { expiration: -5 }));
  await step("put until soon", async () => {
    try {
      return await KV.put("e/soon", "v", { expiration: now + 30 });
    } catch (error) {
      error.message = error.message.replace(String(now + 30), "<time>");
      throw error;
    }
  });
  await step("put until both", () => KV.put("e/both", "v", { expiration: LATER, expirationTtl: 120 }));
  await step("the nearer one counts", () => near("e/both", 120));
  await step("put over it without", () => KV.put("e/both", "v"));
  await step("it does not expire", () => KV.list({ prefix: "e/both" }));
  await step("with metadata", () => KV.put("e/meta", "v", { expiration: LATER, metadata: { m: 1 } }));
  await step("list both", () => KV.list({ prefix: "e/meta" }));
  await step("which are there", async () => (await KV.list({ prefix: "e/" })).keys.map(({ name }) => name));
}

export async function keys({ KV }, step) {
  const names = ["a b", "a/b/c", "a%2Fb", "100%", "a?b=c&d", "a#b", "\u00fcber \u2713 \ud83d\ude00", "a\nb", "a+b", "%", "bulk/get", "...", "a\u0000b", "'\"\\", "../x", "."+"/x"];
  for (const name of names) {
    await step(`put ${JSON.stringify(name)}`, () => KV.put(name, `value of ${name}`));
    await step(`get ${JSON.stringify(name)}`, () => KV.get(name));
  }
  await step("as they are listed", async () => (await KV.list()).keys.map(({ name }) => name).filter((name) => names.includes(name)));
  for (const name of names) await KV.delete(name);
  for (const name of ["", ".", ".."]) {
    await step(`put ${JSON.stringify(name)}`, () => KV.put(name, "v"));
    await step(`get ${JSON.stringify(name)}`, () => KV.get(name));
    await step(`with metadata ${JSON.stringify(name)}`, () => KV.getWithMetadata(name));
    await step(`delete ${JSON.stringify(name)}`, () => KV.delete(name));
  }
  for (const [what, name] of [["512 bytes", "k".repeat(512)], ["513 bytes", "k".repeat(513)], ["512 bytes of 256 characters", "\u00fc".repeat(256)], ["514 bytes of 257 characters", "\u00fc".repeat(257)]]) {
    await step(`put ${what}`, () => KV.put(name, "v"));
    await step(`get ${what}`, () => KV.get(name));
    await step(`delete ${what}`, () => KV.delete(name));
  }
  await step("a number as a key", () => KV.put(7, "seven"));
  await step("get by the number's text", () => KV.get("7"));
  await step("undefined as a key", () => KV.get(undefined));
  await step("half a character", () => KV.put("\ud83d", "v"));
  await step("no key at all", () => KV.get());
  await KV.delete("7");
}

export async function caching({ KV }, step) {
  await step("put", () => KV.put("c/a", "v"));
  for (const ttl of [30, 60, 86_400, 29, 0, -1, "60", "soon"]) {
    await step(`get with cacheTtl ${JSON.stringify(ttl)}`, () => KV.get("c/a", { cacheTtl: ttl }));
  }
  await step("with metadata", () => KV.getWithMetadata("c/a", { cacheTtl: 60, type: "text" }));
  await step("put after a cached get", () => KV.put("c/a", "w"));
  await step("get after that", () => KV.get("c/a", { cacheTtl: 60 }));
}

export async function bulk({ KV }, step) {
  for (const [name, value] of [["b/1", '{"n":1}'], ["b/2", '"two"'], ["b/3", "not JSON"], ["b/0", "0"], ["b/empty", ""]]) await KV.put(name, value);
  await KV.put("b/meta", "5", { metadata: { m: [1] } });
  await step("get three", () => KV.get(["b/2", "b/none", "b/1"]));
  await step("get one", () => KV.get(["b/1"]));
  await step("get the same twice", () => KV.get(["b/1", "b/2", "b/1"]));
  await step("get none", () => KV.get([]));
  await step("as text", () => KV.get(["b/1"], "text"));
  await step("as JSON", () => KV.get(["b/1", "b/2", "b/meta"], "json"));
  await step("as JSON, in options", () => KV.get(["b/1", "b/none"], { type: "json" }));
  await step("as JSON what is none", () => KV.get(["b/1", "b/3"], "json"));
  await step("as JSON a zero", () => KV.get(["b/0"], "json"));
  await step("an empty value", () => KV.get(["b/empty"]));
  await step("with metadata", () => KV.getWithMetadata(["b/meta", "b/1", "b/none"]));
  await step("with metadata, as JSON", () => KV.getWithMetadata(["b/meta"], "json"));
  await step("with cacheTtl", () => KV.get(["b/1"], { cacheTtl: 60 }));
  await step("with a short cacheTtl", () => KV.get(["b/1"], { cacheTtl: 10 }));
  await step("as bytes", () => KV.get(["b/1"], "arrayBuffer"));
  await step("as a stream", () => KV.get(["b/1"], "stream"));
  await step("with an empty key", () => KV.get(["b/1", ""]));
  await step("with a dot", () => KV.get(["."]));
  await step("with a long key", () => KV.get(["k".repeat(513)]));
  const many = (count) => Array.from({ length: count }, (_, n) => `b/many/${n}`);
  await step("get a hundred", async () => (await KV.get(many(100))).size);
  await step("get a hundred and one", () => KV.get(many(101)));
}

export async function list({ KV }, step) {
  const names = ["l/a", "l/a/1", "l/b", "l/B", "l/\u00fc", "l/\u2713", "l/z", "l/a_1", "l/a%1", "l/a*1", "l/10", "l/9"];
  for (const name of names) await KV.put(name, name);
  await KV.put("l/meta", "v", { metadata: { m: true }, expiration: LATER });
  const page = async (options) => {
    const { cursor, ...rest } = await KV.list(options);
    return { ...rest, cursor: typeof cursor };
  };
  await step("all", () => page({ prefix: "l/" }));
  await step("a prefix", () => page({ prefix: "l/a" }));
  await step("a prefix with an underscore", () => page({ prefix: "l/a_" }));
  await step("a prefix with a percent sign", () => page({ prefix: "l/a%" }));
  await step("a prefix with a star", () => page({ prefix: "l/a*" }));
  await step("a prefix in upper case", () => page({ prefix: "L/" }));
  await step("a prefix that is a key", () => page({ prefix: "l/meta" }));
  await step("a prefix of none", () => page({ prefix: "l/nothing" }));
  await step("an empty prefix", async () => (await KV.list({ prefix: "" })).keys.length > 0);
  await step("a prefix of 512 bytes", () => page({ prefix: "l".repeat(512) }));
  await step("a prefix of 513 bytes", () => page({ prefix: "l".repeat(513) }));
  await step("pages of five", async () => {
    const pages = [];
    let cursor;
    do {
      const { keys, list_complete, cursor: next } = await KV.list({ prefix: "l/", limit: 5, cursor });
      pages.push([keys.map(({ name }) => name), list_complete, typeof next]);
      cursor = next;
    } while (cursor !== undefined && pages.length < 9);
    return pages;
  });
  await step("as many as there are", () => page({ prefix: "l/a", limit: 5 }));
  await step("one fewer", () => page({ prefix: "l/a", limit: 4 }));
  await step("a cursor with another limit", async () => {
    const { cursor } = await KV.list({ prefix: "l/", limit: 1 });
    return page({ prefix: "l/", limit: 3, cursor });
  });
  await step("a cursor after its key is gone", async () => {
    const { cursor, keys } = await KV.list({ prefix: "l/", limit: 2 });
    await KV.delete(keys[1].name);
    const rest = await page({ prefix: "l/", limit: 2, cursor });
    await KV.put(keys[1].name, "v");
    return rest;
  });
  await step("the cursor of another prefix", async () => {
    const { cursor } = await KV.list({ prefix: "l/", limit: 1 });
    return page({ prefix: "l/b", cursor });
  });
  for (const limit of [1, 1000, 1001, 0, -1, "2", "many", 1.5, null]) {
    await step(`limit ${JSON.stringify(limit)}`, async () => {
      const { keys, list_complete } = await KV.list({ prefix: "l/a", limit });
      return [keys.length, list_complete];
    });
  }
  await step("a cursor that is none", () => page({ prefix: "l/", cursor: "nonsense" }));
  await step("an empty cursor", () => page({ prefix: "l/z", cursor: "" }));
  await step("a null cursor", () => page({ prefix: "l/z", cursor: null }));
}

export async function deletes({ KV }, step) {
  await KV.put("d/a", "v", { metadata: { m: 1 } });
  await step("delete", () => KV.delete("d/a"));
  await step("get it", () => KV.get("d/a"));
  await step("with metadata", () => KV.getWithMetadata("d/a"));
  await step("delete it again", () => KV.delete("d/a"));
  await step("delete what never was", () => KV.delete("d/none"));
  await step("list them", () => KV.list({ prefix: "d/" }));
  await step("put it anew", () => KV.put("d/a", "w"));
  await step("without the old metadata", () => KV.getWithMetadata("d/a"));
  await step("delete a list", async () => {
    await KV.put("d/b", "v");
    return KV.delete(["d/a", "d/b"]);
  });
  await step("what is left of the list", async () => (await KV.list({ prefix: "d/" })).keys);
  await step("many at once", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, n) => KV.put(`d/many/${n}`, String(n))));
    const got = await Promise.all(Array.from({ length: 20 }, (_, n) => KV.get(`d/many/${n}`)));
    await Promise.all(Array.from({ length: 20 }, (_, n) => KV.delete(`d/many/${n}`)));
    return [got.join(), (await KV.list({ prefix: "d/many/" })).keys.length];
  });
}
