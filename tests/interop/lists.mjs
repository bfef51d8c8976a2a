// npm @sd-jwt/jwt-status-list as the provider of status lists, and npm jose as the issuer of tokens that name them. Prints
// `listening on http://ADDRESS`; `/tokens` answers all tokens with the statuses that their lists have.
import { createHeaderAndPayload, StatusList } from "@sd-jwt/jwt-status-list";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { createServer } from "node:http";

const kid = "lists";
const { privateKey, publicKey } = await generateKeyPair("ES256");
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }] };
const issuer = await generateKeyPair("EdDSA");
const key = { ...(await exportJWK(issuer.publicKey)), kid: "issuer", alg: "EdDSA" };

const lists = new Map();
const random = (below) => Math.floor(Math.random() * below);

const sign = async (sub, statuses, bits) => {
  const claims = { sub, iat: Math.floor(Date.now() / 1000), ttl: 3600 };
  const { header, payload } =
    createHeaderAndPayload(new StatusList(statuses, bits), claims, { alg: "ES256", typ: "statuslist+jwt", kid });
  return new SignJWT(payload).setProtectedHeader(header).sign(privateKey);
};

const token = (uri, idx) =>
  new SignJWT({ status: { status_list: { idx, uri } } }).setProtectedHeader({ alg: "EdDSA", kid: "issuer" })
    .setIssuer("https://id.example.com").setAudience("api").setSubject("bob").setIssuedAt().setExpirationTime("10m")
    .sign(issuer.privateKey);

const server = createServer(({ url, headers }, response) => {
  const answer = (text, type) => response.setHeader("content-type", type).end(text);
  if (url === "/jwks.json") return answer(JSON.stringify(jwks), "application/jwk-set+json");
  if (url === "/tokens") return answer(JSON.stringify({ key, tokens }), "application/json");
  if (lists.has(url) && headers.accept === "application/statuslist+jwt") {
    return answer(lists.get(url), "application/statuslist+jwt");
  }
  response.writeHead(404).end();
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `http://127.0.0.1:${server.address().port}`;

const tokens = [];
for (const bits of [1, 2, 4, 8]) {
  // The last byte is not full. The library wants all statuses in a number below 2 ** bits.
  const statuses = Array.from({ length: 10_007 }, () => (random(2) ? random(2 ** bits) : 0));
  const uri = `${base}/lists/${bits}`;
  lists.set(`/lists/${bits}`, await sign(uri, statuses, bits));
  const indexes = new Set([0, statuses.length - 1]);
  while (indexes.size < 500) indexes.add(random(statuses.length));
  for (const idx of indexes) tokens.push({ bits, idx, status: statuses[idx], token: await token(uri, idx) });
}
console.log(`listening on ${base}`);
