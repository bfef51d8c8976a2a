// A certified OpenID provider (npm oidc-provider) that logs a user out at a service that trusts it, and security events that
// npm jose signs.
//
// Prints `issuer URL`, then answers each line of its input, JSON such as {"do": "login", "sid": true}, by a line of JSON. The
// first line names the service: {"do": "start", "service": "127.0.0.1:3000"}.
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

// What the provider says about its settings, which are those of a demonstration.
console.info = console.warn = () => {};

const { privateKey } = await generateKeyPair("RS256", { extractable: true });
const key = { ...(await exportJWK(privateKey)), kid: "one", use: "sig", alg: "RS256" };

let provider;
const server = createServer((request, response) => provider.callback()(request, response));
await once(server.listen(0, "127.0.0.1"), "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
const REDIRECT = "http://127.0.0.1/callback"; // Nobody listens there: the code is read off the redirect.

// What the provider says of the logouts that it sent: their status, or an error.
const sent = [];

function client(id, service, sessionRequired) {
  return {
    client_id: id, client_secret: "a-secret-of-the-shop", redirect_uris: [REDIRECT], grant_types: ["authorization_code"],
    response_types: ["code"], backchannel_logout_uri: `http://${service}/backchannel-logout`,
    backchannel_logout_session_required: sessionRequired,
  };
}

function start({ service, otherService }) {
  provider = new Provider(issuer, {
    jwks: { keys: [key] },
    // It sends nothing to loopback addresses unless told.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    // The one has `sid` in its logout tokens, the other only `sub`.
    clients: [client("shop", service, true), client("shop-by-sub", otherService ?? service, false)],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    // The session of the access token, by the name that the logout token gives it.
    async extraTokenClaims(_, token) {
      if (!token.sessionUid || !addsSid) return undefined;
      const session = await provider.Session.findByUid(token.sessionUid);
      return { sid: session.sidFor(token.clientId) };
    },
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:api",
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "", audience: "api", accessTokenFormat: "jwt", accessTokenTTL: 3600, jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // Whoever asks is let in, as the user that the login names.
    async loadExistingGrant(context) {
      const grant = new context.oidc.provider.Grant({
        clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId,
      });
      grant.addOIDCScope("openid");
      grant.addResourceScope("urn:api", "");
      await grant.save();
      return grant;
    },
  });
  provider.use(async (context, next) => {
    if (!context.path.startsWith("/interaction/")) return next();
    const { req, res } = context;
    const result = { login: { accountId: loggingIn } };
    context.respond = false;
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  });
  provider.on("backchannel.success", (_, client) => sent.push({ client: client.clientId, ok: true }));
  provider.on("backchannel.error", (_, error, client) => sent.push({ client: client.clientId, error: error.message }));
  return {};
}

let loggingIn, addsSid;

// A browser's cookies, and its following of redirects up to our own callback.
class Browser {
  cookies = new Map();

  async request(url, options = {}) {
    for (let hops = 0; hops < 10; hops++) {
      const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(new URL(url, issuer), {
        ...options, redirect: "manual", headers: { ...options.headers, cookie },
      });
      for (const line of response.headers.getSetCookie()) {
        const [pair] = line.split(";");
        const at = pair.indexOf("=");
        if (pair.length === at + 1) this.cookies.delete(pair.slice(0, at));
        else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
      }
      const location = response.headers.get("location");
      if (!location) return { response, text: await response.text() };
      if (location.startsWith(REDIRECT)) return { location };
      [url, options] = [location, {}];
    }
    throw new Error("too many redirects");
  }
}

const browsers = new Map();

async function login({ user, browser = user, client = "shop", sid = true }) {
  [loggingIn, addsSid] = [user, sid];
  if (!browsers.has(browser)) browsers.set(browser, new Browser());
  const verifier = randomBytes(32).toString("base64url");
  const { location } = await browsers.get(browser).request(`/auth?${new URLSearchParams({
    client_id: client, response_type: "code", scope: "openid", redirect_uri: REDIRECT, nonce: randomBytes(8).toString("hex"),
    code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
  })}`);
  const code = new URL(location).searchParams.get("code");
  const answer = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from(`${client}:a-secret-of-the-shop`).toString("base64")}` },
    body: new URLSearchParams({
      grant_type: "authorization_code", code, redirect_uri: REDIRECT, code_verifier: verifier,
    }),
  });
  const { access_token, id_token, ...rest } = await answer.json();
  if (!access_token) throw new Error(JSON.stringify(rest));
  return { access_token, id_token };
}

// The user ends the session at the provider, as by its page.
async function logout({ browser, id_token }) {
  sent.length = 0;
  const { text } = await browsers.get(browser).request(`/session/end?id_token_hint=${id_token}`);
  const [, xsrf] = /name="xsrf" value="([^"]+)"/.exec(text);
  await browsers.get(browser).request("/session/end/confirm", {
    method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ xsrf, logout: "yes" }),
  });
  return { sent: [...sent] };
}

// A security event, posted as RFC 8935 says.
async function event({ service, authorization, claims, header = {} }) {
  const token = await new SignJWT({ jti: randomBytes(8).toString("hex"), ...claims })
    .setProtectedHeader({ alg: "RS256", kid: "one", typ: "secevent+jwt", ...header })
    .setIssuer(issuer).setAudience("api-events").setIssuedAt().sign(privateKey);
  const answer = await fetch(`http://${service}/security-events`, {
    method: "POST", headers: { authorization, "content-type": "application/secevent+jwt" }, body: token,
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

console.log(`issuer ${issuer}`);
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...settings } = JSON.parse(line);
  console.log(JSON.stringify(await { start, login, logout, event }[what](settings)));
}
process.exit(0);
