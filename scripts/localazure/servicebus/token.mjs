// Shared access signatures, as the client puts them to $cbs. The one key is a namespace-wide policy, so a valid token opens every
// entity.

import crypto from "node:crypto";

// refuse says why a token does not count at time now (milliseconds since the epoch), or gives undefined when it does.
export function refuse(token, { keyName, key }, now) {
  const [scheme, query] = String(token).split(" ");
  const part = Object.fromEntries((query ?? "").split("&").map((pair) => pair.split(/=(.*)/s, 2)));
  if (scheme !== "SharedAccessSignature" || !part.sr || !part.sig || !part.se || part.skn !== keyName) {
    return "the token is not a shared access signature of this namespace";
  }
  const want = crypto.createHmac("sha256", key).update(`${part.sr}\n${part.se}`).digest();
  const have = Buffer.from(new URLSearchParams(query).get("sig"), "base64");
  if (have.length !== want.length || !crypto.timingSafeEqual(have, want)) {
    return "the signature of the token is wrong";
  }
  if (!(Number(part.se) * 1000 > now)) {
    return "the token has expired";
  }
  return undefined;
}
