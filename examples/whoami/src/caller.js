// Verifies the header Smcp-Caller (docs/identity.md). `request.url` is our public origin, set by the platform.

const TYPE = "smcp-caller+jwt";
const LEEWAY_SECONDS = 5;

const keys = new Map();

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
const json = (text) => JSON.parse(new TextDecoder().decode(bytes(text)));

// An unknown key id means that the platform signs with a new key: the set is read again.
async function key(origin, kid) {
  if (!keys.has(kid)) {
    const answer = await fetch(`${origin}/identity/jwks.json`);
    if (!answer.ok) throw new Error(`no key set: ${answer.status}`);
    for (const { kty, crv, x, kid } of (await answer.json()).keys) {
      const imported = crypto.subtle.importKey("jwk", { kty, crv, x }, { name: "Ed25519" }, false, ["verify"]);
      keys.set(kid, await imported);
    }
  }
  const found = keys.get(kid);
  if (!found) throw new Error("signed with an unknown key");
  return found;
}

/** The claims of the caller's token. Throws when it is not one for this server. */
export async function verifiedCaller(request, server) {
  const origin = new URL(request.url).origin;
  const parts = (request.headers.get("smcp-caller") ?? "").split(".");
  if (parts.length !== 3) throw new Error("no caller");
  const header = json(parts[0]);
  if (header.alg !== "EdDSA" || header.typ !== TYPE) throw new Error("another kind of token");
  const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
  const verifies = await crypto.subtle.verify(
    { name: "Ed25519" },
    await key(origin, header.kid),
    bytes(parts[2]),
    signed,
  );
  if (!verifies) throw new Error("the signature does not verify");
  const claims = json(parts[1]);
  const now = Date.now() / 1000;
  if (claims.iss !== `${origin}/identity`) throw new Error("another issuer");
  // The slug of the tenant is not known here; the rest of the audience is.
  if (!claims.aud.startsWith(`${origin}/t/`) || !claims.aud.endsWith(`/${server}`)) throw new Error("for another server");
  if (claims.exp + LEEWAY_SECONDS < now || claims.iat - LEEWAY_SECONDS > now) throw new Error("not valid now");
  return claims;
}
