// A certified OpenID provider (npm oidc-provider) whose keys rotate while requests flow.
//
// Prints `issuer URL`, then reads the address of the service that trusts it, sends it requests with access tokens of the
// client-credentials grant, rotates, and prints what was seen as JSON.
import { exportJWK, generateKeyPair } from "jose";
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const server = createServer((request, response) => {
  fetches[request.url] = (fetches[request.url] ?? 0) + 1;
  provider.callback()(request, response);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;
let fetches = {};
let provider;

async function newKey(kid) {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, use: "sig", alg: "RS256" };
}

// The first key signs; all are published.
function publish(...keys) {
  provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: "job", client_secret: "a-secret-of-the-job", grant_types: ["client_credentials"],
      redirect_uris: [], response_types: [],
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => "urn:api",
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "orders:read", audience: "api", accessTokenFormat: "jwt", accessTokenTTL: 600, jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
}

async function token() {
  const answer = await fetch(`${issuer}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("job:a-secret-of-the-job").toString("base64")}` },
    body: new URLSearchParams({ grant_type: "client_credentials", scope: "orders:read" }),
  });
  const body = await answer.json();
  if (!body.access_token) throw new Error(JSON.stringify(body));
  return body.access_token;
}

const [one, two, three] = [await newKey("one"), await newKey("two"), await newKey("three")];
publish(one, two);
console.log(`issuer ${issuer}`);
const [service] = await once(createInterface({ input: process.stdin }), "line");

// Requests that flow, four at a time.
const agent = new Agent({ keepAlive: true, maxSockets: 4 });
const log = [];
let current = await token();
let flowing = true;
const ask = () => new Promise(resolve => {
  const start = performance.now();
  get(`http://${service}/`, { agent, headers: { authorization: `Bearer ${current}` } }, response => {
    response.resume().on("end", () => {
      log.push({ at: start, took: performance.now() - start, status: response.statusCode });
      resolve();
    });
  }).on("error", error => { log.push({ at: start, took: performance.now() - start, status: error.code }); resolve(); });
});
const workers = Array.from({ length: 4 }, async () => { while (flowing) await ask(); });
const seconds = n => new Promise(resolve => setTimeout(resolve, n * 1000));
const phase = async (length, change) => {
  const begin = performance.now();
  if (change) await change();
  const from = performance.now();
  await seconds(length);
  const requests = log.filter(({ at }) => at >= begin);
  const refused = requests.filter(({ status }) => status !== 200);
  const times = requests.map(({ took }) => took).sort((a, b) => a - b);
  const quantile = q => Number(times[Math.min(times.length - 1, Math.floor(times.length * q))].toFixed(2));
  return {
    requests: requests.length, refused: refused.length, statuses: [...new Set(refused.map(({ status }) => status))],
    lastRefusalAfter: refused.length ? Number(((refused.at(-1).at - from) / 1000).toFixed(1)) : 0,
    p50: quantile(0.5), p999: quantile(0.999),
  };
};

await seconds(1);
const seen = {};
seen.calm = await phase(4);
// Announced: the other key has been in the set since the service fetched it.
seen.announced = await phase(4, async () => { publish(two, one); current = await token(); });
const before = { ...fetches };
// Unannounced: all keys are replaced, and the new one signs at once.
seen.unannounced = await phase(16, async () => { publish(three); current = await token(); });
seen.keyFetches = (fetches["/jwks"] ?? 0) - (before["/jwks"] ?? 0);
seen.settled = await phase(3);
flowing = false;
await Promise.all(workers);
agent.destroy();
console.log(JSON.stringify(seen));
process.exit(0);
