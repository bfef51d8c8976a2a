// A certified OpenID provider (npm oidc-provider) whose access tokens are opaque, and which introspects them (RFC 7662), in plain
// and signed (RFC 9701).
//
// Prints a line of JSON: the issuer, the endpoint, tokens, and the private key of a client. Then it answers each line of its input by
// a line of JSON: {"count": true} how often it was asked since the last count; {"revoke": token} withdraws a token (RFC 7009);
// {"away": true} and {"away": false} close and open its port.
import { calculateJwkThumbprint, exportJWK, exportPKCS8, generateKeyPair } from "jose";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

console.info = console.warn = () => {};

let provider;
let asked = 0;
const server = createServer((request, response) => {
  if (request.url === "/token/introspection") asked += 1;
  provider.callback()(request, response);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;

const signing = await generateKeyPair("RS256", { extractable: true });
const client = await generateKeyPair("ES256", { extractable: true });
const published = await exportJWK(client.publicKey);
const kid = await calculateJwkThumbprint(published); // which assertions name
const secret = "a secret: of the+service & more";
const resourceServer = { grant_types: [], redirect_uris: [], response_types: [] };
provider = new Provider(issuer, {
  jwks: { keys: [{ ...(await exportJWK(signing.privateKey)), kid: "one", use: "sig", alg: "RS256" }] },
  clients: [
    { client_id: "job", client_secret: "a-secret-of-the-job", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] },
    { ...resourceServer, client_id: "orders:basic", client_secret: secret },
    { ...resourceServer, client_id: "orders-post", client_secret: secret, token_endpoint_auth_method: "client_secret_post" },
    {
      ...resourceServer, client_id: "orders-key", token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256", jwks: { keys: [{ ...published, kid, use: "sig", alg: "ES256" }] },
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: "orders:read", audience: resource === "urn:billing" ? "billing" : "api", accessTokenFormat: "opaque",
        accessTokenTTL: 600,
      }),
    },
  },
});

const job = { authorization: `Basic ${Buffer.from("job:a-secret-of-the-job").toString("base64")}` };

async function token(resource) {
  const body = new URLSearchParams({ grant_type: "client_credentials", scope: "orders:read", resource });
  const answer = await (await fetch(`${issuer}/token`, { method: "POST", headers: job, body })).json();
  if (!answer.access_token) throw new Error(JSON.stringify(answer));
  return answer.access_token;
}

console.log(JSON.stringify({
  issuer, endpoint: `${issuer}/token/introspection`, secret, key: await exportPKCS8(client.privateKey),
  tokens: await Promise.all(Array.from({ length: 8 }, () => token("urn:api"))), other: await token("urn:billing"),
}));
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer = {};
  if (order.count) {
    answer = { asked };
    asked = 0;
  } else if (order.revoke) {
    const body = new URLSearchParams({ token: order.revoke });
    answer = { status: (await fetch(`${issuer}/token/revocation`, { method: "POST", headers: job, body })).status };
  } else if (order.away) {
    server.close();
    server.closeAllConnections();
  } else {
    await once(server.listen(port, "127.0.0.1"), "listening");
  }
  console.log(JSON.stringify(answer));
}
process.exit(0);
