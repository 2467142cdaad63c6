// R2 objects, call by call. Each group works under a prefix of its own.

const PAST = new Date("2020-01-01T00:00:00Z");
const FUTURE = new Date("2035-01-01T00:00:00Z");
/** The fewest bytes of a part that is not the last. */
const PART = 5 << 20;

const encode = (text) => new TextEncoder().encode(text);
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const digest = (name, text) => crypto.subtle.digest(name, encode(text));

/** A stream whose length is known, as R2 wants it. */
function streamOf(text) {
  const { readable, writable } = new FixedLengthStream(encode(text).length);
  const writer = writable.getWriter();
  writer.write(encode(text)).then(() => writer.close(), () => {});
  return readable;
}

export async function puts({ FILES }, step) {
  await step("get what is not there", () => FILES.get("p/none"));
  await step("head what is not there", () => FILES.head("p/none"));
  await step("put text", () => FILES.put("p/text", "hello"));
  await step("get", () => FILES.get("p/text"));
  await step("head", () => FILES.head("p/text"));
  await step("get its text", async () => (await FILES.get("p/text")).text());
  await step("get its bytes", async () => (await FILES.get("p/text")).arrayBuffer());
  await step("get it as a blob", async () => {
    const blob = await (await FILES.get("p/text")).blob();
    return [blob.size, blob.type, await blob.text()];
  });
  await step("read it twice", async () => {
    const object = await FILES.get("p/text");
    return [await object.text(), await object.text()];
  });
  await step("put bytes", () => FILES.put("p/bytes", new Uint8Array([0, 255, 10]).buffer));
  await step("get bytes", () => FILES.get("p/bytes"));
  await step("put a view", () => FILES.put("p/view", encode("abcdef").subarray(1, 4)));
  await step("get a view", () => FILES.get("p/view"));
  await step("put a stream", () => FILES.put("p/stream", streamOf("streamed")));
  await step("get a stream", () => FILES.get("p/stream"));
  await step("put a stream of unknown length", () => FILES.put("p/unknown", new ReadableStream({ start: (c) => (c.enqueue(encode("a")), c.close()) })));
  await step("put a blob", () => FILES.put("p/blob", new Blob(["blob"], { type: "text/x" })));
  await step("get a blob", () => FILES.get("p/blob"));
  await step("put null", () => FILES.put("p/null", null));
  await step("get null", () => FILES.get("p/null"));
  await step("put nothing", () => FILES.put("p/empty", ""));
  await step("get nothing", () => FILES.get("p/empty"));
  await step("put undefined", () => FILES.put("p/undefined"));
  await step("put a number", () => FILES.put("p/number", 7));
  await step("put JSON", () => FILES.put("p/json", '{"a":[1]}'));
  await step("get JSON", async () => (await FILES.get("p/json")).json());
  await step("get JSON of what is none", async () => (await FILES.get("p/text")).json());
  await step("put over it", () => FILES.put("p/text", "again"));
  await step("get the later", () => FILES.get("p/text"));
  await step("put 6 MiB", () => FILES.put("p/large", new Uint8Array(6 << 20).fill(9)));
  await step("get 6 MiB", () => FILES.get("p/large"));
  await step("its storage class", async () => (await FILES.head("p/text")).storageClass);
  await step("the range of a head", async () => (await FILES.head("p/text")).range);
  await step("two puts are two versions", async () => {
    const [one, two] = [await FILES.put("p/v", "1"), await FILES.put("p/v", "1")];
    return [one.version === two.version, one.etag === two.etag];
  });
}

export async function metadata({ FILES }, step) {
  const httpMetadata = {
    contentType: "text/plain; charset=utf-8",
    contentLanguage: "de",
    contentDisposition: 'attachment; filename="a.txt"',
    contentEncoding: "identity",
    cacheControl: "max-age=60",
    cacheExpiry: FUTURE,
  };
  await step("put with all headers", () => FILES.put("m/http", "v", { httpMetadata }));
  await step("get with all headers", () => FILES.get("m/http"));
  await step("their times", async () => (await FILES.head("m/http")).httpMetadata.cacheExpiry.toISOString());
  await step("written to headers", async () => {
    const headers = new Headers();
    (await FILES.head("m/http")).writeHttpMetadata(headers);
    return headers;
  });
  await step("written to headers that are there", async () => {
    const headers = new Headers({ "content-type": "x/y", other: "kept" });
    (await FILES.head("m/http")).writeHttpMetadata(headers);
    return headers;
  });
  await step("put with headers", () => FILES.put("m/headers", "v", { httpMetadata: new Headers({ "content-type": "a/b", "cache-control": "no-store", expires: "Wed, 01 Jan 2035 00:00:00 GMT", "x-other": "1" }) }));
  await step("head with headers", () => FILES.head("m/headers"));
  await step("put with custom", () => FILES.put("m/custom", "v", { customMetadata: { a: "1", b: "\u00fc \u2713", "": "empty name", C: "" } }));
  await step("get with custom", () => FILES.get("m/custom"));
  await step("put with numbers for text", () => FILES.put("m/numbers", "v", { customMetadata: { n: 1, t: true } }));
  await step("put with empty metadata", () => FILES.put("m/none", "v", { httpMetadata: {}, customMetadata: {} }));
  await step("head with empty metadata", () => FILES.head("m/none"));
  await step("put with a type alone", () => FILES.put("m/type", "v", { httpMetadata: { contentType: "application/json" } }));
  await step("put with 2000 bytes", () => FILES.put("m/2000", "v", { customMetadata: { k: "x".repeat(1999) } }));
  await step("put with 2049 bytes", () => FILES.put("m/2049", "v", { customMetadata: { k: "x".repeat(2048) } }));
  await step("put with 9000 bytes", () => FILES.put("m/9000", "v", { customMetadata: { k: "x".repeat(8999) } }));
  await step("put over it without", () => FILES.put("m/http", "w"));
  await step("none is left", () => FILES.head("m/http"));
  await step("put with a storage class", () => FILES.put("m/class", "v", { storageClass: "InfrequentAccess" }));
  await step("head with a storage class", async () => (await FILES.head("m/class")).storageClass);
  await step("put with an unknown class", () => FILES.put("m/class2", "v", { storageClass: "Frozen" }));
  await step("put with a customer's key", () => FILES.put("m/ssec", "v", { ssecKey: "00".repeat(32) }));
}

export async function checksums({ FILES }, step) {
  const text = "checked";
  for (const [field, name] of [["md5", "MD5"], ["sha1", "SHA-1"], ["sha256", "SHA-256"], ["sha384", "SHA-384"], ["sha512", "SHA-512"]]) {
    const right = await digest(name, text);
    const wrong = await digest(name, "other");
    await step(`${field}, right, bytes`, () => FILES.put(`c/${field}`, text, { [field]: right }));
    await step(`${field}, right, text`, () => FILES.put(`c/${field}-text`, text, { [field]: hex(right) }));
    await step(`${field}, head`, () => FILES.head(`c/${field}`));
    await step(`${field}, wrong`, () => FILES.put(`c/${field}-wrong`, text, { [field]: wrong }));
    await step(`${field}, wrong, head`, () => FILES.head(`c/${field}-wrong`));
    await step(`${field}, too short`, () => FILES.put(`c/${field}-short`, text, { [field]: right.slice(1) }));
  }
  await step("no hexadecimal", () => FILES.put("c/bad", text, { sha1: "z".repeat(40) }));
  await step("upper case", async () => FILES.put("c/upper", text, { sha1: hex(await digest("SHA-1", text)).toUpperCase() }));
  await step("two at once", async () => FILES.put("c/two", text, { md5: await digest("MD5", text), sha1: await digest("SHA-1", text) }));
  await step("as objects", async () => {
    const { checksums } = await FILES.head("c/sha256");
    return [Object.keys(checksums.toJSON()).sort(), checksums.sha256.byteLength, checksums.md5.byteLength, checksums.sha1];
  });
}

export async function ranges({ FILES }, step) {
  await FILES.put("r/ten", "0123456789");
  await FILES.put("r/empty", "");
  const get = (range, key = "r/ten") => FILES.get(key, { range });
  const cases = {
    "an offset": { offset: 3 },
    "an offset and a length": { offset: 3, length: 4 },
    "a length": { length: 4 },
    "a suffix": { suffix: 3 },
    "all of it": { offset: 0, length: 10 },
    "more than there is": { offset: 8, length: 100 },
    "the last byte": { offset: 9 },
    "from the end": { offset: 10 },
    "from beyond the end": { offset: 11 },
    "no length": { length: 0 },
    "a longer suffix": { suffix: 100 },
    "an empty suffix": { suffix: 0 },
    "a suffix and an offset": { suffix: 2, offset: 1 },
    "a negative offset": { offset: -1 },
    "a fraction": { offset: 1.5 },
    "nothing": {},
    "undefined": undefined,
  };
  for (const [name, range] of Object.entries(cases)) await step(name, () => get(range));
  for (const header of ["bytes=2-4", "bytes=7-", "bytes=-2", "bytes=0-100", "bytes=20-", "bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", ""]) {
    await step(`header ${JSON.stringify(header)}`, () => get(new Headers({ range: header })));
  }
  await step("headers without a range", () => get(new Headers({ other: "x" })));
  await step("of an empty object", () => get({ offset: 0 }, "r/empty"));
  await step("a suffix of an empty object", () => get({ suffix: 1 }, "r/empty"));
  await step("of what is not there", () => get({ offset: 1 }, "r/none"));
}

export async function conditions({ FILES }, step) {
  const { etag, httpEtag } = await FILES.put("o/a", "first");
  const other = "0".repeat(32);
  const cases = {
    "etag matches": { etagMatches: etag },
    "etag does not match": { etagMatches: other },
    "any etag": { etagMatches: "*" },
    "not that etag": { etagDoesNotMatch: other },
    "not this etag": { etagDoesNotMatch: etag },
    "no etag at all": { etagDoesNotMatch: "*" },
    "etag in quotes": { etagMatches: `"${etag}"` },
    "uploaded before later": { uploadedBefore: FUTURE },
    "uploaded before then": { uploadedBefore: PAST },
    "uploaded after then": { uploadedAfter: PAST },
    "uploaded after later": { uploadedAfter: FUTURE },
    "an etag that matches outweighs a time": { etagMatches: etag, uploadedBefore: PAST },
    "an etag that differs outweighs a time": { etagDoesNotMatch: other, uploadedAfter: FUTURE },
    "both etags": { etagMatches: etag, etagDoesNotMatch: other },
    "in whole seconds": { uploadedBefore: FUTURE, secondsGranularity: true },
    "nothing": {},
  };
  for (const [name, onlyIf] of Object.entries(cases)) await step(`get, ${name}`, () => FILES.get("o/a", { onlyIf }));
  for (const [name, value] of Object.entries({ "if-match": httpEtag, "if-none-match": httpEtag, "if-modified-since": PAST.toUTCString(), "if-unmodified-since": PAST.toUTCString() })) {
    await step(`get, header ${name}`, () => FILES.get("o/a", { onlyIf: new Headers({ [name]: value }) }));
  }
  await step("get, list of etags", () => FILES.get("o/a", { onlyIf: new Headers({ "if-match": `"${other}", ${httpEtag}` }) }));
  await step("get, weak etag", () => FILES.get("o/a", { onlyIf: new Headers({ "if-none-match": `W/${httpEtag}` }) }));
  await step("get, weak etag must match", () => FILES.get("o/a", { onlyIf: new Headers({ "if-match": `W/${httpEtag}` }) }));
  await step("get with a range as well", () => FILES.get("o/a", { onlyIf: { etagMatches: other }, range: { offset: 1 } }));
  await step("get what is not there", () => FILES.get("o/none", { onlyIf: { etagMatches: etag } }));
  for (const [name, onlyIf] of Object.entries(cases)) {
    await step(`put, ${name}`, async () => {
      await FILES.put("o/b", "first");
      return FILES.put("o/b", "second", { onlyIf });
    });
    await step(`put, ${name}: what is there`, async () => (await FILES.get("o/b")).text());
  }
  await step("put only if new", () => FILES.put("o/new", "1", { onlyIf: { etagDoesNotMatch: "*" } }));
  await step("put only if new, again", () => FILES.put("o/new", "2", { onlyIf: { etagDoesNotMatch: "*" } }));
  await step("put only if it is there", () => FILES.put("o/missing", "1", { onlyIf: { etagMatches: "*" } }));
  await step("put with a header", () => FILES.put("o/new", "3", { onlyIf: new Headers({ "if-none-match": "*" }) }));
  await step("put 6 MiB if it is there", () => FILES.put("o/missing", new Uint8Array(6 << 20), { onlyIf: { etagMatches: "*" } }));
  await step("put if uploaded after, not there", () => FILES.put("o/missing", "1", { onlyIf: { uploadedAfter: PAST } }));
  await step("put if uploaded before, not there", () => FILES.put("o/fresh", "1", { onlyIf: { uploadedBefore: PAST } }));
}

export async function lists({ FILES }, step) {
  const names = ["l/a", "l/b/1", "l/b/2", "l/c/d/e", "l/c/f", "l/z", "l/\u00fc", "l/B", "l/a_1", "l/a%1"];
  for (const name of names) await FILES.put(name, name, { httpMetadata: { contentType: "a/b" }, customMetadata: { n: name } });
  const list = async (options) => {
    const { objects, cursor, truncated, delimitedPrefixes } = await FILES.list(options);
    return { keys: objects.map(({ key }) => key), cursor: typeof cursor, truncated, delimitedPrefixes };
  };
  await step("one whole", () => FILES.list({ prefix: "l/z" }));
  await step("all", () => list({ prefix: "l/" }));
  await step("a prefix", () => list({ prefix: "l/b" }));
  await step("a prefix with an underscore", () => list({ prefix: "l/a_" }));
  await step("a prefix with a percent sign", () => list({ prefix: "l/a%" }));
  await step("a prefix of none", () => list({ prefix: "l/nothing" }));
  await step("a delimiter", () => list({ prefix: "l/", delimiter: "/" }));
  await step("a delimiter without a prefix", async () => (await list({ delimiter: "/" })).delimitedPrefixes.includes("l/"));
  await step("a delimiter below", () => list({ prefix: "l/c/", delimiter: "/" }));
  await step("a delimiter that does not occur", () => list({ prefix: "l/", delimiter: "#" }));
  await step("a delimiter of two characters", () => list({ prefix: "l/", delimiter: "/d" }));
  await step("an empty delimiter", () => list({ prefix: "l/b", delimiter: "" }));
  await step("a delimiter and a limit", () => list({ prefix: "l/", delimiter: "/", limit: 3 }));
  const pages = async (options) => {
    const all = [];
    let cursor;
    do {
      const page = await FILES.list({ ...options, cursor });
      all.push([page.objects.map(({ key }) => key), page.delimitedPrefixes, page.truncated]);
      cursor = page.truncated ? page.cursor : undefined;
    } while (cursor !== undefined && all.length < 12);
    return all;
  };
  await step("pages of three", () => pages({ prefix: "l/", limit: 3 }));
  await step("pages of one", () => pages({ prefix: "l/b", limit: 1 }));
  await step("pages with a delimiter", () => pages({ prefix: "l/", delimiter: "/", limit: 2 }));
  await step("as many as there are", () => list({ prefix: "l/b/", limit: 2 }));
  await step("start after one", () => list({ prefix: "l/", startAfter: "l/b/1" }));
  await step("start after none of them", () => list({ prefix: "l/", startAfter: "l/bb" }));
  await step("start after the last", () => list({ prefix: "l/", startAfter: "l/\u00fc" }));
  await step("start after, with a delimiter", () => list({ prefix: "l/", startAfter: "l/b/1", delimiter: "/" }));
  await step("include headers", () => FILES.list({ prefix: "l/z", include: ["httpMetadata"] }));
  await step("include custom", () => FILES.list({ prefix: "l/z", include: ["customMetadata"] }));
  await step("include both", () => FILES.list({ prefix: "l/z", include: ["httpMetadata", "customMetadata"] }));
  await step("include what is unknown", () => FILES.list({ prefix: "l/z", include: ["everything"] }));
  for (const limit of [1000, 1001, 0, -1, "2", 1.5]) await step(`limit ${JSON.stringify(limit)}`, async () => (await FILES.list({ prefix: "l/", limit })).objects.length);
  await step("a cursor that is none", () => list({ prefix: "l/", cursor: "nonsense!" }));
  await step("an empty cursor", () => list({ prefix: "l/b", cursor: "" }));
  await step("a long prefix", () => list({ prefix: "l".repeat(1025) }));
}

export async function deletes({ FILES }, step) {
  for (const name of ["d/1", "d/2", "d/3", "d/4"]) await FILES.put(name, name);
  const left = async () => (await FILES.list({ prefix: "d/" })).objects.map(({ key }) => key);
  await step("one", () => FILES.delete("d/1"));
  await step("it is gone", () => FILES.get("d/1"));
  await step("it is gone for head", () => FILES.head("d/1"));
  await step("again", () => FILES.delete("d/1"));
  await step("many", () => FILES.delete(["d/2", "d/3", "d/none"]));
  await step("what is left", left);
  await step("none", () => FILES.delete([]));
  await step("the same twice", () => FILES.delete(["d/4", "d/4"]));
  await step("nothing is left", left);
  await step("a thousand", () => FILES.delete(Array.from({ length: 1000 }, (_, n) => `d/${n}`)));
  await step("a thousand and one", () => FILES.delete(Array.from({ length: 1001 }, (_, n) => `d/${n}`)));
  await step("an empty key", () => FILES.delete(""));
  await step("an empty key among others", () => FILES.delete(["d/x", ""]));
}

export async function keys({ FILES }, step) {
  for (const name of ["a b", "a/b", "%2F", "?q=1#h", "\u00fcber \u2713 \ud83d\ude00", ".", "..", "a\nb", "/", "//", "a\u0000b", "'\"\\"]) {
    await step(`put ${JSON.stringify(name)}`, () => FILES.put(name, "v"));
    await step(`get ${JSON.stringify(name)}`, () => FILES.get(name));
    await step(`delete ${JSON.stringify(name)}`, () => FILES.delete(name));
  }
  for (const [what, name] of [["no bytes", ""], ["1024 bytes", "k".repeat(1024)], ["1025 bytes", "k".repeat(1025)], ["1026 bytes of 513 characters", "\u00fc".repeat(513)]]) {
    await step(`put ${what}`, () => FILES.put(name, "v"));
    await step(`put 6 MiB under ${what}`, () => FILES.put(name, new Uint8Array(6 << 20)));
    await step(`get ${what}`, () => FILES.get(name));
    await step(`head ${what}`, () => FILES.head(name));
    await step(`delete ${what}`, () => FILES.delete(name));
    await step(`upload ${what}`, async () => (await (await FILES.createMultipartUpload(name)).abort()));
  }
}

export async function uploads({ FILES }, step) {
  const big = new Uint8Array(PART).fill(65);
  const part = ({ partNumber, etag }) => ({ partNumber, etag: typeof etag });
  const real = await FILES.createMultipartUpload("u/a", { httpMetadata: { contentType: "x/y" }, customMetadata: { a: "b" } });
  await step("its fields", () => [real.key, typeof real.uploadId, real.uploadId.length > 0]);
  let one;
  let two;
  await step("part 1", async () => part((one = await real.uploadPart(1, big))));
  await step("part 2", async () => part((two = await real.uploadPart(2, "the rest"))));
  await step("part 0", async () => part(await real.uploadPart(0, "x")));
  await step("part 10001", async () => part(await real.uploadPart(10_001, "x")));
  await step("part -1", async () => part(await real.uploadPart(-1, "x")));
  await step("an empty part", async () => part(await real.uploadPart(3, "")));
  await step("not there before it is complete", () => FILES.head("u/a"));
  await step("complete", async () => real.complete([one, two]));
  await step("head", () => FILES.head("u/a"));
  await step("a range over both parts", async () => FILES.get("u/a", { range: { offset: PART - 3, length: 6 } }));
  await step("its end", () => FILES.get("u/a", { range: { suffix: 8 } }));
  await step("all of it", () => FILES.get("u/a"));
  await step("complete it again", () => real.complete([one, two]));
  await step("a part of what is complete", async () => part(await real.uploadPart(3, "x")));
  await step("abort what is complete", () => real.abort());
  await step("it is still there", async () => (await FILES.head("u/a")).size);

  const second = await FILES.createMultipartUpload("u/b");
  const parts = [await second.uploadPart(1, "small"), await second.uploadPart(2, "last")];
  await step("a small part that is not the last", () => second.complete(parts));
  await step("in the wrong order", () => second.complete([parts[1], parts[0]]));
  await step("with a wrong etag", () => second.complete([{ ...parts[0], etag: "0".repeat(32) }]));
  await step("with a part that is not there", () => second.complete([{ partNumber: 7, etag: parts[0].etag }]));
  await step("with a part twice", () => second.complete([parts[0], parts[0]]));
  await step("resume", async () => {
    const again = FILES.resumeMultipartUpload("u/b", second.uploadId);
    return [again.key, again.uploadId === second.uploadId, part(await again.uploadPart(1, "other"))];
  });
  await step("with the etag of a part that was replaced", () => second.complete([parts[0]]));
  await step("of some parts", () => second.complete([parts[1]]));
  await step("what became of it", () => FILES.get("u/b"));

  const none = await FILES.createMultipartUpload("u/none");
  const empty = await FILES.createMultipartUpload("u/empty");
  await step("one empty part", async () => (await empty.complete([await empty.uploadPart(1, "")])).size);
  await step("what is in it", () => FILES.get("u/empty"));
  const tail = await FILES.createMultipartUpload("u/tail");
  await step("an empty last part", async () => (await tail.complete([await tail.uploadPart(1, big), await tail.uploadPart(2, "")])).size);
  await step("its last bytes", () => FILES.get("u/tail", { range: { suffix: 2 } }));
  await step("delete both", () => FILES.delete(["u/empty", "u/tail"]));
  await step("with no part", () => none.complete([]));
  const third = await FILES.createMultipartUpload("u/c");
  await third.uploadPart(1, "x");
  await step("abort", () => third.abort());
  await step("abort again", () => third.abort());
  await step("a part after that", async () => part(await third.uploadPart(2, "x")));
  await step("complete after that", () => third.complete([{ partNumber: 1, etag: "x" }]));
  await step("nothing is there", () => FILES.head("u/c"));
  const stranger = FILES.resumeMultipartUpload("u/c", "no-such-upload");
  await step("resume what never was", () => [stranger.key, stranger.uploadId]);
  await step("a part of it", async () => part(await stranger.uploadPart(1, "x")));
  await step("complete it", () => stranger.complete([{ partNumber: 1, etag: "x" }]));
  await step("abort it", () => stranger.abort());
  const moved = await FILES.createMultipartUpload("u/d");
  await step("resume under another key", async () => part(await FILES.resumeMultipartUpload("u/e", moved.uploadId).uploadPart(1, "x")));
  await step("an empty one over an object", async () => {
    await FILES.put("u/f", "whole");
    const over = await FILES.createMultipartUpload("u/f");
    return [(await over.complete([await over.uploadPart(1, "parts")])).size, await (await FILES.get("u/f")).text()];
  });
  const uneven = await FILES.createMultipartUpload("u/g");
  const three = [await uneven.uploadPart(1, big), await uneven.uploadPart(2, new Uint8Array(PART + 1)), await uneven.uploadPart(3, "x")];
  await step("parts of two sizes", () => uneven.complete(three));
  await step("a last part greater than the first", () => uneven.complete(three.slice(0, 2)));
}
