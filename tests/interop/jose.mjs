// npm jose on the other side. `sign`: prints keys and tokens of each algorithm. `verify`: reads a list of
// { name, alg, token, issuer } with either `jwksUri` or `key` (a JWK), and prints what it makes of each.
import { createLocalJWKSet, createRemoteJWKSet, exportJWK, generateKeyPair, generateSecret, jwtVerify, SignJWT } from "jose";
import { readFileSync } from "node:fs";

const issuer = "https://id.example.com";
const audience = "api";

async function sign() {
  const answer = { public: [], secret: [], tokens: {}, private: {} };
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
    answer.private[alg] = { ...(await exportJWK(signer)), kid, alg, use: "sig" };
    answer.tokens[alg] = await new SignJWT({ name: "Bob" })
      .setProtectedHeader({ alg, kid })
      .setIssuer(issuer).setAudience(audience).setSubject("bob").setIssuedAt().setExpirationTime("10m")
      .sign(signer);
  }
  return answer;
}

async function verify() {
  const answer = {};
  for (const { name, alg, token, issuer, jwksUri, key } of JSON.parse(readFileSync(0, "utf8"))) {
    try {
      const keys = jwksUri ? createRemoteJWKSet(new URL(jwksUri)) : createLocalJWKSet({ keys: [key] });
      const { payload } = await jwtVerify(token, key?.kty === "oct" ? Buffer.from(key.k, "base64url") : keys,
        { issuer, audience, algorithms: [alg], typ: "at+jwt", requiredClaims: ["jti", "exp", "iat"] });
      answer[name] = payload.sub;
    } catch (error) {
      answer[name] = `${error.code ?? error.name}: ${error.message}`;
    }
  }
  return answer;
}

console.log(JSON.stringify(await (process.argv[2] === "sign" ? sign() : verify())));
