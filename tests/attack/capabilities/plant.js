// What the neighbour keeps, and where: an attacker is told all of the names.
import { DurableObject } from "cloudflare:workers";

/** Keeps one text. */
export class Keeper extends DurableObject {
  keep(text) {
    return this.ctx.storage.put("kept", text);
  }
  kept() {
    return this.ctx.storage.get("kept");
  }
  /** Fills its database, in pieces that are on the disk one by one. */
  async fill(bytes) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS filled (a BLOB)");
    for (let done = 0; done < bytes; done += 1 << 18) {
      sql.exec("INSERT INTO filled VALUES (randomblob(?))", 1 << 18);
      await this.ctx.storage.sync();
    }
    return "written";
  }
}

/** As the owner, with `canary`; `row` "caller" gives the token that says who calls. */
export default async function plant(row, { env, request, told }) {
  if (row === "caller") return request.headers.get("smcp-caller") ?? "none";
  const { canary } = told;
  for (const key of ["kept", "a/kept", "é", "kept-2"]) {
    await env.NOTES.put(key, canary, { metadata: { canary } });
    await env.FILES.put(key, canary, { customMetadata: { canary } });
  }
  const heavy = new Uint8Array(256 << 10).fill(65);
  await Promise.all([env.NOTES.put("heavy", heavy), env.FILES.put("heavy", heavy)]);
  await env.DB.exec("CREATE TABLE IF NOT EXISTS kept (text TEXT)");
  await env.DB.prepare("INSERT INTO kept VALUES (?)").bind(canary).run();
  const id = env.KEEPER.idFromName("kept");
  await env.KEEPER.get(id).keep(canary);
  console.log(`kept ${canary}`);
  const upload = await env.FILES.createMultipartUpload("big");
  await upload.uploadPart(1, new Uint8Array(1 << 10).fill(65));
  return JSON.stringify({
    object: id.toString(),
    upload: upload.uploadId,
    keys: (await env.NOTES.list({ limit: 1 })).cursor,
    files: (await env.FILES.list({ limit: 1 })).cursor,
  });
}
