//! The cases that are measured: a service, and the request that it gets.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::{Request, Response, header};
use jsonwebtoken::{EncodingKey, Header};
use serde::Deserialize;
use tower_jwt_auth::{Algorithm, Authority, Clock, KeySet, Secret, SigningKey, UnixTime};
use tower_service::Service;

/// The claims of the usual token; all of them are read.
#[derive(Deserialize)]
#[allow(dead_code)]
pub(crate) struct User {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    client_id: String,
    scope: String,
    name: String,
    email: String,
    roles: Vec<String>,
}

/// The time stands still, so that the tokens below stay good.
#[derive(Debug)]
pub(crate) struct Noon;

pub(crate) const NOON: u64 = 1_790_000_000;

impl Clock for Noon {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(NOON)
    }
}

/// What `cases` makes of a name: the keys, and the token if there is one.
pub(crate) struct Case {
    pub(crate) authorities: Vec<Authority>,
    pub(crate) token: Option<String>,
}

pub(crate) fn answer<S>(service: &mut S, request: Request<Body>) -> axum::http::StatusCode
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut context).is_ready());
    match pin!(service.call(request)).poll(&mut context) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("it waits"),
    }
}

pub(crate) fn request(token: Option<&str>) -> Request<Body> {
    let mut request = Request::get("/orders/7")
        .header(header::HOST, "api.example.com")
        .header(header::USER_AGENT, "curl/8.5.0")
        .header(header::ACCEPT, "application/json")
        .header(header::ACCEPT_ENCODING, "gzip")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-request-id", "6f0c7c0e-5d5f-4f0c-9d63-0a9d8b4d8b3f")
        .header(header::CONTENT_LENGTH, "0");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

#[derive(Clone)]
pub(crate) struct Handler;

impl Service<Request<Body>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        std::hint::black_box(&request);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

thread_local! {
    /// Whether the request is to pass; the other way would count something else.
    pub(crate) static EXPECTED: Cell<bool> = const { Cell::new(true) };
}

pub(crate) const ISSUER: &str = "https://id.example.com/realms/shop";
const AUDIENCE: &str = "https://api.example.com";

pub(crate) fn case(name: &str) -> Case {
    EXPECTED.with(|expected| expected.set(name.starts_with("accepted")));
    let algorithm = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
        .into_iter()
        .find(|one| name.contains(one))
        .unwrap_or("HS256");
    let signer = Signer::new(algorithm);
    let mut claims = signer.claims();
    let token = match name
        .trim_start_matches("refused, ")
        .trim_start_matches("accepted, ")
        .trim_start_matches("cached, ")
    {
        "no token" => None,
        "8 KiB without dots" => Some(noise(8192)),
        "8 KiB in three segments of garbage" => {
            Some(format!("{}.{}.{}", noise(2728), noise(2728), noise(2728)))
        }
        "unknown kid" => Some(signer.token("no-such-key-0001", &claims)),
        rest if rest.starts_with("good header") => {
            let good = signer.token(KID, &claims);
            let parts: Vec<&str> = good.split('.').collect();
            Some(format!("{}.{}.{}", parts[0], noise(7600), parts[2]))
        }
        rest if rest.starts_with("expired") => {
            claims["exp"] = (NOON - 3600).into();
            Some(signer.token(KID, &claims))
        }
        rest if rest.starts_with("other audience") => {
            claims["aud"] = "https://elsewhere.example.com".into();
            Some(signer.token(KID, &claims))
        }
        rest if rest.starts_with("bad signature") => {
            let (good, mut other) = (signer.token(KID, &claims), claims.clone());
            other["sub"] = "eve".into();
            let other = signer.token(KID, &other);
            let (message, _) = good.rsplit_once('.').unwrap();
            Some(format!("{message}.{}", other.rsplit('.').next().unwrap()))
        }
        _ => Some(signer.token(KID, &claims)),
    };
    let number_before = |word: &str| name.split(word).next()?.rsplit(' ').next()?.parse().ok();
    let keys = number_before(" keys").map_or_else(|| signer.keys(), |count: usize| signer.many(count));
    let of = |issuer: String| {
        let authority = Authority::keys(keys.clone()).issuer(issuer).audience(AUDIENCE);
        authority.algorithms([algorithm.parse::<Algorithm>().unwrap()])
    };
    let mut authorities = vec![of(ISSUER.to_owned())];
    if let Some(count) = number_before(" authorities") {
        authorities.extend((1..count).map(|number| of(format!("https://other-{number}.example.com"))));
    }
    Case { authorities, token }
}

const KID: &str = "2026-06-primary";
const SECRET: [u8; 32] = *b"q7Vd2mZx9Lw4Rk8TnB3yHc6JfP1sGuEa";
const RSA: &str = include_str!("../../../../tests/it/fixtures/private/rsa.pkcs8.pem");
const P256: &str = include_str!("../../../../tests/it/fixtures/private/p256.pkcs8.pem");
const P384: &str = include_str!("../../../../tests/it/fixtures/private/p384.pkcs8.pem");
const ED25519: &str = include_str!("../../../../tests/it/fixtures/private/ed25519.pkcs8.pem");

/// Signs with keys that are the same in each run.
struct Signer {
    algorithm: jsonwebtoken::Algorithm,
    key: EncodingKey,
    public: KeySet,
}

impl Signer {
    fn new(name: &str) -> Self {
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let algorithm = name.parse().unwrap();
        let pem = |pem: &str| SigningKey::from_pem(name.parse().unwrap(), pem).unwrap().key_set();
        let (key, public) = match name {
            "RS256" => (EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(), pem(RSA)),
            "ES256" => (EncodingKey::from_ec_pem(P256.as_bytes()).unwrap(), pem(P256)),
            "PS256" => (EncodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(), pem(RSA)),
            "ES384" => (EncodingKey::from_ec_pem(P384.as_bytes()).unwrap(), pem(P384)),
            "EdDSA" => (EncodingKey::from_ed_pem(ED25519.as_bytes()).unwrap(), pem(ED25519)),
            _ => {
                let secret = Secret::from_bytes(SECRET).unwrap();
                (EncodingKey::from_secret(&SECRET), KeySet::from_secret(Algorithm::HS256, secret).unwrap())
            }
        };
        Self { algorithm, key, public: public.with_kid(KID).unwrap() }
    }

    fn keys(&self) -> KeySet {
        self.public.clone()
    }

    /// `count` keys, that of the tokens the last.
    fn many(&self, count: usize) -> KeySet {
        let others =
            (1..count).map(|number| self.public.clone().with_kid(format!("other-{number}")).unwrap());
        others.reduce(|all, one| all.merge(&one)).unwrap().merge(&self.public)
    }

    fn claims(&self) -> serde_json::Value {
        serde_json::json!({
            "iss": ISSUER, "sub": "5f1c2f6e-2d1e-4f5e-9d0a-7c2f8f6a1b22", "aud": AUDIENCE,
            "exp": NOON + 600, "nbf": NOON - 5, "iat": NOON - 5, "jti": "0b8c6c1e-7a52-4c7e-8b8e-5d5f4f0c9d63",
            "client_id": "storefront", "scope": "openid profile orders:read orders:write",
            "name": "Ada Example", "email": "ada@example.com", "roles": ["customer", "beta-tester"]
        })
    }

    fn token(&self, kid: &str, claims: &serde_json::Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// Characters of base64url that look random, the same in each run.
fn noise(characters: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = fastrand::Rng::with_seed(7);
    (0..characters).map(|_| char::from(ALPHABET[random.usize(..ALPHABET.len())])).collect()
}
