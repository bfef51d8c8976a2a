// npm openid-client revokes tokens and asks about them at the issuer whose URL is the argument, and npm jose verifies the signed
// answers. Prints what both saw.
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "openid-client";

const url = process.argv[2];
const seen = {};

function client(id, authentication, metadata = {}) {
  const options = { algorithm: "oauth2", execute: [oauth.allowInsecureRequests] };
  return oauth.discovery(new URL(url), id, metadata, authentication, options);
}

async function login() {
  return (await fetch(`${url}/login`, { method: "POST" })).json();
}

async function me(token) {
  return (await fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })).status;
}

async function refresh(token) {
  const body = JSON.stringify({ refresh_token: token });
  return (await fetch(`${url}/refresh`, { method: "POST", headers: { "content-type": "application/json" }, body })).status;
}

const webApp = await client("web-app", oauth.ClientSecretBasic("sesame"));
const otherApp = await client("other-app", oauth.ClientSecretPost("barley"));
const orders = await client("orders", oauth.ClientSecretPost("open:100%"));
// The same resource server, which wants signed answers and checks their signatures. Its secret has to be encoded in a header.
const signed = await client("orders", oauth.ClientSecretBasic("open:100%"), { introspection_signed_response_alg: "ES256" });
oauth.enableNonRepudiationChecks(signed);
const wrong = await client("web-app", oauth.ClientSecretBasic("barley"));

const metadata = webApp.serverMetadata();
seen.metadata = Object.fromEntries(Object.entries(metadata)
  .filter(([name]) => name.startsWith("revocation") || name.startsWith("introspection"))
  .map(([name, value]) => [name, typeof value === "string" ? value.replace(url, "") : value]));

const { access_token: token } = await login();
seen.before = await me(token);
seen.plain = await oauth.tokenIntrospection(orders, token);
seen.signed = await oauth.tokenIntrospection(signed, token);
seen.ofAnother = await oauth.tokenIntrospection(otherApp, token);
await oauth.tokenRevocation(otherApp, token);
seen.revokedByAnother = await me(token);
seen.wrongSecret = await oauth.tokenRevocation(wrong, token).catch((error) => [error.status, error.error ?? error.cause?.[0]?.scheme]);

async function signedByHand(token) {
  const response = await fetch(metadata.introspection_endpoint, {
    method: "POST",
    headers: { accept: "application/token-introspection+jwt" },
    body: new URLSearchParams({ token, client_id: "orders", client_secret: "open:100%" }),
  });
  const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
  const { payload } = await jwtVerify(await response.text(), keys, {
    issuer: url, audience: "orders", typ: "token-introspection+jwt", algorithms: ["ES256"], requiredClaims: ["iat"],
  });
  return [response.headers.get("content-type"), Object.keys(payload).sort(), payload.token_introspection];
}
seen.byJose = await signedByHand(token);

await oauth.tokenRevocation(webApp, token, { token_type_hint: "refresh_token" });
seen.after = await me(token);
seen.plainAfter = await oauth.tokenIntrospection(orders, token);
seen.signedAfter = await oauth.tokenIntrospection(signed, token);
seen.byJoseAfter = (await signedByHand(token))[2];
await oauth.tokenRevocation(webApp, token);
await oauth.tokenRevocation(webApp, "unknown");

const session = await login();
await oauth.tokenRevocation(otherApp, session.refresh_token);
seen.session = await me(session.access_token);
await oauth.tokenRevocation(webApp, session.refresh_token);
seen.sessionAfter = [await me(session.access_token), await refresh(session.refresh_token)];

console.log(JSON.stringify(seen));
