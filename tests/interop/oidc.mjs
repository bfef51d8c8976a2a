// A certified OpenID provider (npm oidc-provider), and load on a service that trusts it while its keys rotate, or while it
// is away.
//
// Prints `issuer URL`, then answers each line of its input, JSON such as
// {"rotation": "announced", "service": "127.0.0.1:3000", "seconds": 14}, by a line of JSON: what was seen.
//
// All tokens are of the client-credentials grant, and are made before anything is measured: this process is the provider
// and the load at once, and signing would count as the service's time.
import { decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const CONNECTIONS = 4;
const PAUSE_MS = 2; // of a connection, between an answer and the next request

// What the provider says about its settings, which are those of a demonstration.
console.info = console.warn = () => {};

let provider;
let keyFetches = [];
const server = createServer((request, response) => {
  if (request.url === "/jwks") keyFetches.push(performance.now());
  provider.callback()(request, response);
});
await once(server.listen(0, "127.0.0.1"), "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

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
          scope: "orders:read", audience: "api", accessTokenFormat: "jwt", accessTokenTTL: 7200, jwt: { sign: { alg: "RS256" } },
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

const seconds = n => new Promise(resolve => setTimeout(resolve, n * 1000));
const inSeconds = ms => Number((ms / 1000).toFixed(2));

// Requests that flow until `stop`.
class Load {
  constructor(service, bearer) {
    this.url = `http://${service}/`;
    this.bearer = bearer;
    this.agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    this.log = [];
    this.flowing = true;
    this.connections = Array.from({ length: CONNECTIONS }, async () => {
      while (this.flowing) {
        await this.ask();
        await seconds(PAUSE_MS / 1000);
      }
    });
  }

  ask() {
    return new Promise(resolve => {
      const at = performance.now();
      const end = status => { this.log.push({ at, took: performance.now() - at, status }); resolve(status); };
      const headers = { authorization: `Bearer ${this.bearer}` };
      get(this.url, { agent: this.agent, headers }, response => response.resume().on("end", () => end(response.statusCode)))
        .on("error", error => end(error.code));
    });
  }

  // What came of the requests that were sent since then.
  since(begin) {
    const requests = this.log.filter(({ at }) => at >= begin);
    const refused = requests.filter(({ status }) => status !== 200);
    const times = requests.map(({ took }) => took).sort((a, b) => a - b);
    const quantile = q => Number(times[Math.min(times.length - 1, Math.floor(times.length * q))].toFixed(2));
    return {
      requests: requests.length, refused: refused.length, statuses: [...new Set(refused.map(({ status }) => status))],
      lastRefusalAfter: refused.length ? inSeconds(refused.at(-1).at - begin) : 0,
      p50: quantile(0.5), p99: quantile(0.99), p999: quantile(0.999), longest: quantile(1),
    };
  }

  async stop() {
    this.flowing = false;
    await Promise.all(this.connections);
    this.agent.destroy();
  }
}

async function fetchAfter(count, patience) {
  const until = performance.now() + patience * 1000;
  while (keyFetches.length <= count && performance.now() < until) await seconds(0.05);
}

// The second key is published, taken up by a refresh that was due anyhow, signs; the first one is withdrawn.
async function announced({ service, seconds: length, refresh }) {
  const [one, two] = [await newKey("one"), await newKey("two")];
  publish(two);
  const bySecond = await token();
  publish(one);
  const byFirst = await token();
  keyFetches = [];
  const load = new Load(service, byFirst);
  await seconds(2);
  const start = performance.now();
  await seconds(length);
  const calm = load.since(start);

  const announcement = performance.now();
  const known = keyFetches.length;
  publish(one, two);
  await fetchAfter(known, refresh);
  await seconds(0.5); // the answer reaches the service
  const change = performance.now();
  publish(two, one);
  load.bearer = bySecond;
  await seconds(1);
  publish(two);
  await seconds(Math.max(0, length - (performance.now() - announcement) / 1000));
  const rotation = load.since(announcement);

  // The service learns that the first key is gone.
  const withdrawal = performance.now();
  await fetchAfter(keyFetches.length, refresh);
  await seconds(2);
  const withdrawn = load.since(withdrawal);
  await load.stop();
  const gaps = keyFetches.slice(1).map((at, i) => inSeconds(at - keyFetches[i]));
  load.bearer = byFirst;
  const old = await load.ask();
  const signedBy = decodeProtectedHeader(await token()).kid;
  return {
    calm, announced: rotation, withdrawn, old, signedBy, fetches: keyFetches.length, gaps,
    rotationTook: inSeconds(change - announcement),
    fetchedBeforeChange: keyFetches.filter(at => at > announcement && at < change).length,
    fetchedAfterwards: inSeconds(keyFetches.find(at => at > change) - change),
  };
}

// All keys are replaced at once, and the new one signs.
async function unannounced({ service }) {
  const [one, three] = [await newKey("one"), await newKey("three")];
  publish(three);
  const byNew = await token();
  publish(one);
  keyFetches = [];
  const load = new Load(service, await token());
  await seconds(2);
  const known = keyFetches.length;
  const begin = performance.now();
  publish(three);
  load.bearer = byNew;
  await seconds(16);
  const seen = load.since(begin);
  const fetches = keyFetches.length - known;
  const afterwards = performance.now();
  await seconds(3);
  const settled = load.since(afterwards);
  await load.stop();
  return { unannounced: seen, settled, fetches };
}

// The provider is away. Meanwhile the service is killed and started again, which whoever asked for this is told to do.
async function outage({ service, seconds: length }) {
  const [one, two] = [await newKey("one"), await newKey("two")];
  publish(two);
  const bySecond = await token();
  publish(one);
  const byFirst = await token();
  keyFetches = [];
  const load = new Load(service, byFirst);
  await seconds(2);
  const start = performance.now();
  await seconds(length / 2);
  const calm = load.since(start);

  const { port } = server.address();
  server.close();
  server.closeAllConnections();
  const down = performance.now();
  await seconds(length / 2);
  await load.stop();
  const beforeRestart = load.since(down);
  const fetchedBefore = keyFetches.length;

  console.log(JSON.stringify({ restart: true }));
  const again = new Load(JSON.parse((await lines.next()).value).service, byFirst);
  const restarted = performance.now();
  await seconds(length / 2);
  const providerIsAway = await fetch(`${issuer}/jwks`).then(() => false, () => true);
  const afterRestart = again.since(restarted);

  // It comes back, and has a new key.
  publish(two, one);
  const known = keyFetches.length;
  await once(server.listen(port, "127.0.0.1"), "listening");
  const up = performance.now();
  const probe = new Load(again.url.split("/")[2], bySecond);
  while (!probe.log.some(({ status }) => status === 200) && performance.now() - up < 90_000) await seconds(0.1);
  const recovered = inSeconds(performance.now() - up);
  const statusesOfTheNewKey = [...new Set(probe.log.map(({ status }) => status))];
  const found = performance.now();
  await seconds(2);
  const back = again.since(up);
  const byTheNewKey = probe.since(found);
  await probe.stop();
  await again.stop();
  return {
    calm, beforeRestart, afterRestart, back, newKey: byTheNewKey, providerIsAway, fetchedBefore, recovered, statusesOfTheNewKey,
    fetchesAfterwards: keyFetches.length - known,
  };
}

publish(await newKey("first"));
console.log(`issuer ${issuer}`);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for await (const line of lines) {
  const { rotation, ...settings } = JSON.parse(line);
  console.log(JSON.stringify(await { announced, unannounced, outage }[rotation](settings)));
}
process.exit(0);
