// npm jose on the other side. `sign`: prints keys and tokens of each algorithm. `verify`: reads tokens of ours
// and their JWK sets, prints what it makes of them.
import { createLocalJWKSet, exportJWK, generateKeyPair, generateSecret, jwtVerify, SignJWT } from "jose";
import { readFileSync } from "node:fs";

const issuer = "https://id.example.com";
const audience = "api";

async function sign() {
  const answer = { public: [], secret: [], tokens: {} };
  const symmetric = ["HS256", "HS384", "HS512"];
  const asymmetric =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];
  for (const alg of [...symmetric, ...asymmetric]) {
    let signer, published;
    if (symmetric.includes(alg)) {
      signer = published = await generateSecret(alg, { extractable: true });
    } else {
      ({ privateKey: signer, publicKey: published } = await generateKeyPair(alg, { extractable: true }));
    }
    const kid = `jose-${alg}`;
    answer[symmetric.includes(alg) ? "secret" : "public"].push({ ...(await exportJWK(published)), kid, alg, use: "sig" });
    answer.tokens[alg] = await new SignJWT({ name: "Bob" })
      .setProtectedHeader({ alg, kid })
      .setIssuer(issuer).setAudience(audience).setSubject("bob").setIssuedAt().setExpirationTime("10m")
      .sign(signer);
  }
  return answer;
}

async function verify() {
  const answer = {};
  for (const { alg, token, jwks } of JSON.parse(readFileSync(0, "utf8"))) {
    try {
      const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), { issuer, audience, algorithms: [alg] });
      answer[alg] = payload.sub;
    } catch (error) {
      answer[alg] = `${error.code ?? error.name}: ${error.message}`;
    }
  }
  return answer;
}

console.log(JSON.stringify(await (process.argv[2] === "sign" ? sign() : verify())));
