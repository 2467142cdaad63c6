// Durable Objects, call by call: from outside, and inside an object by the name of what it shall do.

import { DurableObject, RpcTarget } from "cloudflare:workers";
import { inside } from "./inside.js";

/** A thing of an object's that is handed out over RPC. */
class Counter extends RpcTarget {
  #value = 0;
  add(by) {
    return (this.#value += by);
  }
  get value() {
    return this.#value;
  }
}

/** The object that the steps talk to. */
export class Ledger extends DurableObject {
  #calls = 0;
  #ready = false;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      await ctx.storage.get("nothing");
      this.#ready = true;
    });
  }

  /** Does what stands under that name in `inside.js`. */
  async perform(group, name) {
    return inside[group][name](this.ctx);
  }

  echo(...values) {
    return values.length === 1 ? values[0] : values;
  }

  fail(kind, message) {
    const kinds = { Error, TypeError, RangeError };
    if (kind === "own") throw Object.assign(new Error(message), { name: "OwnError", code: 7 });
    if (kind === "text") throw message;
    throw new kinds[kind](message);
  }

  calls() {
    return [(this.#calls += 1), this.#ready];
  }

  counter() {
    return new Counter();
  }

  later() {
    return (text) => `${text} from inside`;
  }

  numbers() {
    return new ReadableStream({ type: "bytes", start: (c) => (c.enqueue(new Uint8Array([49, 50])), c.close()) });
  }

  /** Reads, waits for the storage, writes: only right when no other call comes in between. */
  async increment() {
    const value = (await this.ctx.storage.get("n")) ?? 0;
    await this.ctx.storage.put("n", value + 1);
    return value + 1;
  }

  async guarded() {
    return this.ctx.blockConcurrencyWhile(async () => {
      const value = (await this.ctx.storage.get("g")) ?? 0;
      await scheduler.wait(1);
      await this.ctx.storage.put("g", value + 1);
      return value + 1;
    });
  }

  end() {
    this.ctx.abort("ended on purpose");
  }

  identity() {
    const { id } = this.ctx;
    return [id.toString().length, id.name, id.equals(id)];
  }

  async alarm(info) {
    const fired = (await this.ctx.storage.get("fired")) ?? [];
    const fails = (await this.ctx.storage.get("fails")) ?? 0;
    fired.push([info?.isRetry ?? false, info?.retryCount ?? 0]);
    await this.ctx.storage.put("fired", fired);
    if (fails >= fired.length) throw new Error("an alarm that fails");
  }

  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/fail") throw new Error("fetch fails");
    const headers = { "x-method": request.method, "x-header": request.headers.get("x-header") ?? "none" };
    return new Response(`${pathname}${search} ${await request.text()}`, { status: pathname === "/missing" ? 404 : 200, headers });
  }

  #hidden() {
    return this.#calls;
  }
}

const of = ({ LEDGER }, name) => LEDGER.get(LEDGER.idFromName(name));

/** Steps inside an object of their own. */
const within = (group) => async (env, step) => {
  const object = of(env, group);
  for (const name of Object.keys(inside[group])) await step(name, () => object.perform(group, name));
};

export const sql = within("sql");
export const values = within("values");
export const transactions = within("transactions");
export const alarms = within("alarms");

export async function ids({ LEDGER }, step) {
  const text = LEDGER.idFromName("a").toString();
  await step("the same name, the same id", () => LEDGER.idFromName("a").equals(LEDGER.idFromName("a")));
  await step("another name, another id", () => LEDGER.idFromName("a").equals(LEDGER.idFromName("b")));
  await step("its text", () => [text.length, /^[0-9a-f]+$/.test(text)]);
  await step("its name", () => LEDGER.idFromName("a").name);
  await step("from its text", () => LEDGER.idFromString(text).equals(LEDGER.idFromName("a")));
  await step("the name is not in the text", () => LEDGER.idFromString(text).name);
  await step("a new one", () => [LEDGER.newUniqueId().toString().length, LEDGER.newUniqueId().name]);
  await step("no two new ones are the same", () => LEDGER.newUniqueId().equals(LEDGER.newUniqueId()));
  await step("a new one from its text", () => {
    const id = LEDGER.newUniqueId();
    return LEDGER.idFromString(id.toString()).equals(id);
  });
  await step("from text that is none", () => LEDGER.idFromString("nonsense"));
  await step("from another's text", () => LEDGER.idFromString("0".repeat(64)));
  await step("from upper case", () => LEDGER.idFromString(text.toUpperCase()).equals(LEDGER.idFromName("a")));
  await step("of an empty name", () => LEDGER.idFromName("").toString().length);
  await step("of a long name", () => LEDGER.idFromName("x".repeat(5000)).toString().length);
  await step("no name", () => LEDGER.idFromName());
  await step("its stub", () => {
    const stub = LEDGER.get(LEDGER.idFromName("a"));
    return [stub.id.equals(LEDGER.idFromName("a")), stub.name];
  });
  await step("by name", () => LEDGER.getByName("a").id.equals(LEDGER.idFromName("a")));
  await step("get without an id", () => LEDGER.get());
  await step("in a jurisdiction", () => LEDGER.newUniqueId({ jurisdiction: "eu" }).toString().length);
  await step("a namespace of a jurisdiction", () => LEDGER.jurisdiction("eu").idFromName("a").toString().length);
  await step("an unknown jurisdiction", () => LEDGER.newUniqueId({ jurisdiction: "nowhere" }));
  await step("with a place", () => LEDGER.get(LEDGER.idFromName("place"), { locationHint: "weur" }).echo("there"));
  await step("with an unknown place", () => LEDGER.get(LEDGER.idFromName("place2"), { locationHint: "nowhere" }).echo("there"));
  await step("what it knows of itself", () => of({ LEDGER }, "self").identity());
  await step("what one without a name knows", () => LEDGER.get(LEDGER.newUniqueId()).identity());
}

export async function calls(env, step) {
  const object = of(env, "calls");
  const given = { "text": "a\u00fc", "a number": 1.5, "null": null, "undefined": undefined, "bigint": 5n, "a list": [1, [2]], "an object": { a: { b: 1 } }, "a date": new Date(0), "bytes": new Uint8Array([1, 2]), "a map": new Map([["a", 1]]), "a set": new Set([1]), "an error": new RangeError("far"), "a pattern": /a/g };
  for (const [name, value] of Object.entries(given)) await step(`echo ${name}`, () => object.echo(value));
  await step("two values", () => object.echo(1, "b"));
  await step("what cannot be sent", () => object.echo(Symbol("s")));
  await step("an instance of a class", () => object.echo(new (class Own { a = 1; })()));
  await step("a response", async () => (await object.echo(new Response("body", { status: 201 }))).status);
  for (const kind of ["Error", "TypeError", "RangeError", "own", "text"]) await step(`throws ${kind}`, () => object.fail(kind, "on purpose"));
  await step("a method that is not there", () => object.nothing());
  await step("a method of its own", () => object.hidden());
  await step("its storage is not seen", () => object.ctx);
  await step("memory stays from call to call", async () => [await object.calls(), await object.calls()]);
  await step("a target", async () => {
    using counter = await object.counter();
    return [await counter.add(2), await counter.add(3), await counter.value];
  });
  await step("calls in one go", async () => object.counter().add(7));
  await step("a function", async () => {
    using later = await object.later();
    return later("hello");
  });
  await step("a function of ours", async () => object.echo((text) => text).then((f) => f("back")));
  await step("a stream", () => object.numbers());
  await step("a large text", async () => (await object.echo("x".repeat(1 << 20))).length);
  await step("another object is another", async () => (await of(env, "calls2").calls())[0]);
  await step("ended", () => object.end());
  await step("begins anew after that", async () => {
    const again = of(env, "calls");
    return again.calls();
  });
}

export async function fetches(env, step) {
  const object = of(env, "fetches");
  const told = async (response) => [response.status, response.headers.get("x-method"), response.headers.get("x-header"), await response.text()];
  await step("get", async () => told(await object.fetch("http://any/path?q=1")));
  await step("post", async () => told(await object.fetch("http://any/p", { method: "POST", body: "body", headers: { "x-header": "h" } })));
  await step("a request", async () => told(await object.fetch(new Request("https://other/x", { method: "PUT", body: "b" }))));
  await step("missing", async () => told(await object.fetch("http://any/missing")));
  await step("fails", () => object.fetch("http://any/fail"));
  await step("no URL", () => object.fetch("nonsense"));
  await step("works after that", async () => (await object.fetch("http://any/")).status);
}

export async function concurrency(env, step) {
  const object = of(env, "concurrency");
  await step("twenty at once", async () => {
    const seen = await Promise.all(Array.from({ length: 20 }, () => object.increment()));
    return seen.sort((a, b) => a - b).join();
  });
  await step("ten that keep the others out", async () => {
    const seen = await Promise.all(Array.from({ length: 10 }, () => object.guarded()));
    return seen.sort((a, b) => a - b).join();
  });
  await step("in order", async () => (await Promise.all([object.echo(1), object.echo(2), object.echo(3)])).join());
  await step("objects beside each other", async () => Promise.all(["c1", "c2", "c3"].map((name) => of(env, name).increment())));
}

/** Waits until an object's alarms have fired so often. */
async function fired(object, times) {
  for (let n = 0; n < 200; n += 1) {
    const seen = await object.perform("fired", "seen");
    if (seen.length >= times) return seen;
    await scheduler.wait(25);
  }
  return "never";
}

export async function firing(env, step) {
  const object = of(env, "firing");
  await step("set for at once", () => object.perform("fired", "soon"));
  await step("it fires", () => fired(object, 1));
  await step("none is set any more", () => object.perform("fired", "set"));
  await step("set in the past", () => object.perform("fired", "past"));
  await step("that fires too", async () => (await fired(object, 2)).length);
  const failing = of(env, "failing");
  await step("one that fails", () => failing.perform("fired", "fails"));
  await step("is tried again", async () => fired(failing, 2));
  const deleted = of(env, "deleted");
  await step("one that is deleted", () => deleted.perform("fired", "deleted"));
  await step("does not fire", async () => {
    await scheduler.wait(200);
    return deleted.perform("fired", "seen");
  });
}
