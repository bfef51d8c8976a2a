//! Keys that are made at each start, and the tokens that are sent.

use aws_lc_rs::signature::{self, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://id.example.com/realms/shop";
pub const AUDIENCE: &str = "https://api.example.com";
pub const KID: &str = "2026-06-primary";
const FAR: u64 = 4_102_444_800; // the year 2100

/// What every contender reads of a token.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: u64,
    pub nbf: u64,
    pub iat: u64,
    pub jti: String,
    pub azp: String,
    pub scope: String,
    pub email: String,
    pub name: String,
    pub roles: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    HS256,
    RS256,
    PS256,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    pub const ALL: [Self; 7] =
        [Self::HS256, Self::RS256, Self::PS256, Self::ES256, Self::ES384, Self::ES512, Self::EdDSA];

    pub fn name(self) -> String {
        format!("{self:?}")
    }

    pub fn of_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.name() == name).expect("an algorithm")
    }
}

/// A key and its public half.
pub struct Keys {
    pub algorithm: Algorithm,
    /// A JWK without `kid`.
    jwk: Value,
    signer: Signer,
}

enum Signer {
    Jsonwebtoken(jsonwebtoken::Algorithm, EncodingKey),
    /// `jsonwebtoken` has no ES512.
    P521(signature::EcdsaKeyPair),
}

impl Keys {
    pub fn new(algorithm: Algorithm) -> Self {
        use jsonwebtoken::Algorithm as Jwa;
        let b64 = |bytes: &[u8]| BASE64URL.encode(bytes);
        let rsa = |jwa| {
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            let public = signature::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = aws_lc_rs::encoding::AsDer::as_der(&pair).unwrap();
            // Its DER key is PKCS#1 inside of PKCS#8.
            let pkcs1 = pkcs1_of(der.as_ref());
            let jwk = json!({ "kty": "RSA", "n": b64(&public.n), "e": b64(&public.e) });
            (jwk, Signer::Jsonwebtoken(jwa, EncodingKey::from_rsa_der(&pkcs1)))
        };
        let ec = |curve: &'static signature::EcdsaSigningAlgorithm, name: &str, jwa: Option<Jwa>| {
            let pair = signature::EcdsaKeyPair::generate(curve).unwrap();
            let point = pair.public_key().as_ref()[1..].to_vec();
            let (x, y) = point.split_at(point.len() / 2);
            let jwk = json!({ "kty": "EC", "crv": name, "x": b64(x), "y": b64(y) });
            let signer = match jwa {
                Some(jwa) => {
                    let der = pair.to_pkcs8v1().unwrap();
                    Signer::Jsonwebtoken(jwa, EncodingKey::from_ec_der(der.as_ref()))
                }
                None => Signer::P521(pair),
            };
            (jwk, signer)
        };
        let (jwk, signer) = match algorithm {
            Algorithm::HS256 => {
                let secret: Vec<u8> = (0..32).map(|_| fastrand::u8(..)).collect();
                let key = EncodingKey::from_secret(&secret);
                (json!({ "kty": "oct", "k": b64(&secret) }), Signer::Jsonwebtoken(Jwa::HS256, key))
            }
            Algorithm::RS256 => rsa(Jwa::RS256),
            Algorithm::PS256 => rsa(Jwa::PS256),
            Algorithm::ES256 => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", Some(Jwa::ES256)),
            Algorithm::ES384 => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", Some(Jwa::ES384)),
            Algorithm::ES512 => ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", None),
            Algorithm::EdDSA => {
                let pair = signature::Ed25519KeyPair::generate().unwrap();
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref()) });
                let der = pair.to_pkcs8v1().unwrap();
                (jwk, Signer::Jsonwebtoken(Jwa::EdDSA, EncodingKey::from_ed_der(der.as_ref())))
            }
        };
        Self { algorithm, jwk, signer }
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = kid.into();
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// `count` keys; that of the tokens is the last.
    pub fn jwks(&self, count: usize) -> String {
        let mut keys: Vec<Value> = (1..count).map(|number| self.jwk(&format!("other-{number}"))).collect();
        keys.push(self.jwk(KID));
        json!({ "keys": keys }).to_string()
    }

    pub fn sign(&self, kid: &str, claims: &impl Serialize) -> String {
        match &self.signer {
            Signer::Jsonwebtoken(algorithm, key) => {
                let header = Header { kid: Some(kid.to_owned()), ..Header::new(*algorithm) };
                jsonwebtoken::encode(&header, claims, key).unwrap()
            }
            Signer::P521(pair) => {
                let header = json!({ "typ": "JWT", "alg": "ES512", "kid": kid }).to_string();
                let input = format!(
                    "{}.{}",
                    BASE64URL.encode(header),
                    BASE64URL.encode(serde_json::to_string(claims).unwrap())
                );
                let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), input.as_bytes()).unwrap();
                format!("{input}.{}", BASE64URL.encode(signature))
            }
        }
    }

    pub fn good(&self) -> String {
        self.sign(KID, &claims())
    }

    /// Another token for each number.
    pub fn of_user(&self, number: usize) -> String {
        self.sign(KID, &Claims { sub: format!("user-{number:08}"), ..claims() })
    }
}

/// The private key inside of a PKCS#8 document: what follows the last header of an octet string.
fn pkcs1_of(pkcs8: &[u8]) -> Vec<u8> {
    // SEQUENCE, version, AlgorithmIdentifier of RSA (15 bytes), OCTET STRING with a length of two bytes.
    let start = 4 + 3 + 15 + 4;
    pkcs8[start..].to_vec()
}

pub fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        sub: "5f1c2f6e-2d1e-4f5e-9d0a-7c2f8f6a1b22".into(),
        aud: AUDIENCE.into(),
        exp: FAR,
        nbf: 1_700_000_000,
        iat: 1_700_000_000,
        jti: "0b8c6c1e-7a52-4c7e-8b8e-5d5f4f0c9d63".into(),
        azp: "storefront".into(),
        scope: "openid profile email orders:read orders:write".into(),
        email: "ada@example.com".into(),
        name: "Ada Example".into(),
        roles: vec!["customer".into(), "editor".into(), "beta-tester".into()],
    }
}

/// What is sent to be refused: its name, and the token if there is one.
pub fn refused(keys: &Keys) -> Vec<(&'static str, Option<String>)> {
    let good = keys.good();
    let parts: Vec<&str> = good.split('.').collect();
    let other = keys.sign(KID, &Claims { sub: "eve".into(), ..claims() });
    let eve = other.rsplit('.').next().unwrap();
    vec![
        ("no token", None),
        ("8 KiB without dots", Some(noise(8192))),
        ("8 KiB in three segments", Some(format!("{}.{}.{}", noise(2728), noise(2728), noise(2728)))),
        ("8 KiB of garbage as payload", Some(format!("{}.{}.{eve}", parts[0], noise(7600)))),
        ("unknown kid", Some(keys.sign("no-such-key-0001", &claims()))),
        ("expired", Some(keys.sign(KID, &Claims { exp: 1_700_003_600, ..claims() }))),
        (
            "other audience",
            Some(keys.sign(KID, &Claims { aud: "https://elsewhere.example".into(), ..claims() })),
        ),
        ("bad signature", Some(format!("{}.{}.{eve}", parts[0], parts[1]))),
    ]
}

/// Characters of base64url that look random, the same at each start.
fn noise(characters: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = fastrand::Rng::with_seed(7);
    (0..characters).map(|_| char::from(ALPHABET[random.usize(..ALPHABET.len())])).collect()
}
