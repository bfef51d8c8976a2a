//! Presets of identity providers, on tokens of the shape that each really sends: the good one passes, and what is
//! taken for it elsewhere does not. Keys go the whole way, from discovery to the JWK set.

mod arguments;
mod login;
mod proxy;
mod users;
mod workload;

use std::collections::HashMap;
use std::sync::OnceLock;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};
use tower_jwt_auth::{
    Algorithm, Authority, Claims, Fetch, FetchError, Jwt, NowOrLater, Reason, TestIssuer, Verifier,
};

/// A provider: its documents in memory, and its key.
struct Provider {
    authority: fn() -> Authority,
    documents: HashMap<String, String>,
    header: Value,
    claims: Value,
}

/// Answers with the documents of a provider, and 404 otherwise.
#[derive(Debug)]
struct Memory(HashMap<String, String>);

impl Fetch for Memory {
    fn fetch(&self, url: &str, _max_bytes: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        let answer = match self.0.get(url) {
            Some(body) => Response::new(Bytes::from(body.clone())),
            None => Response::builder().status(404).body(Bytes::new()).unwrap(),
        };
        NowOrLater::ready(Ok(answer))
    }
}

/// One RSA key for all: making one takes a while.
fn rsa() -> &'static TestIssuer {
    static ISSUER: OnceLock<TestIssuer> = OnceLock::new();
    ISSUER.get_or_init(|| TestIssuer::with_algorithm("https://unused.example", Algorithm::RS256))
}

/// A key that no provider publishes.
fn stranger() -> &'static TestIssuer {
    static ISSUER: OnceLock<TestIssuer> = OnceLock::new();
    ISSUER.get_or_init(|| TestIssuer::with_algorithm("https://unused.example", Algorithm::RS256))
}

/// The public key as the provider publishes it: nulls among `members` leave a member out.
fn jwk(issuer: &TestIssuer, members: &Value) -> Value {
    let set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    merged(&set["keys"][0], members)
}

/// `change` in `base`, member by member; null removes.
fn merged(base: &Value, change: &Value) -> Value {
    let mut members: Map<String, Value> = base.as_object().unwrap().clone();
    members.extend(change.as_object().unwrap().clone());
    Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

impl Provider {
    /// A provider with a discovery document and the set that it names: one RS256 key.
    fn discovered(authority: fn() -> Authority, issuer: &str, claims: Value) -> Self {
        let jwks_uri = "https://keys.example.net/set";
        let discovery = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let mut provider = Self::with_set_at(authority, jwks_uri, claims);
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        provider.documents.insert(discovery, document);
        provider.claims = merged(&json!({ "iss": issuer }), &provider.claims);
        provider
    }

    /// A provider of whom the set's own place is known.
    fn with_set_at(authority: fn() -> Authority, url: &str, claims: Value) -> Self {
        let key = jwk(rsa(), &json!({ "kid": "key-1" }));
        Self {
            authority,
            documents: HashMap::from([(url.to_owned(), json!({ "keys": [key] }).to_string())]),
            header: json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }),
            claims,
        }
    }

    /// The same with this header and these keys.
    fn publishing(mut self, header: Value, keys: &[Value]) -> Self {
        let set = json!({ "keys": keys, "public_certs": [] }).to_string();
        for (url, document) in &mut self.documents {
            if !url.ends_with("openid-configuration") {
                document.clone_from(&set);
            }
        }
        self.header = header;
        self
    }

    fn verifier_of(&self, authority: Authority) -> Verifier<Claims> {
        let documents = self.documents.clone();
        Verifier::new(authority.remote_keys(move |keys| keys.fetch(Memory(documents)))).unwrap()
    }

    /// The good token, changed; null takes a claim away.
    fn token(&self, change: &Value) -> String {
        rsa().sign_with(&self.header, self.claims_with(change))
    }

    fn claims_with(&self, change: &Value) -> Value {
        // What the provider does not send must not come from the test issuer either.
        let mut claims = json!({ "iss": null, "aud": null, "jti": null });
        for members in [&self.claims, change] {
            claims.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        }
        claims
    }

    async fn verify(&self, token: &str) -> Result<Jwt<Claims>, (Reason, String)> {
        verify(&self.verifier_of((self.authority)()), token).await
    }

    /// The good token, verified.
    async fn good(&self) -> Jwt<Claims> {
        self.verify(&self.token(&json!({}))).await.expect("the good token is accepted")
    }

    /// The good token with this change is accepted, too.
    async fn accepts(&self, change: Value) -> Jwt<Claims> {
        let verified = self.verify(&self.token(&change)).await;
        verified.unwrap_or_else(|refused| panic!("{change}: {refused:?}"))
    }

    /// The good token passes, and with each of these changes it does not.
    async fn refuses(&self, rows: &[(&str, Value, Reason, &str)]) {
        self.good().await;
        for (what, change, reason, claim) in rows {
            let refused = self.verify(&self.token(change)).await.err();
            assert_eq!(refused, Some((*reason, (*claim).to_owned())), "{what}");
        }
        self.refuses_what_nobody_signed().await;
    }

    /// What no preset may accept, whoever the provider is.
    async fn refuses_what_nobody_signed(&self) {
        let claims = self.claims_with(&json!({}));
        let forged = stranger().sign_with(&self.header, &claims);
        assert_eq!(self.verify(&forged).await.err().unwrap().0, Reason::BadSignature);

        let unsigned = rsa().sign_with(merged(&self.header, &json!({ "alg": "none" })), &claims);
        let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
        let refused = self.verify(&unsigned).await.err().unwrap().0;
        assert!(matches!(refused, Reason::AlgorithmNotAllowed | Reason::MalformedToken), "{refused:?}");

        let hmac = rsa().sign_with(merged(&self.header, &json!({ "alg": "HS512" })), &claims);
        assert_eq!(self.verify(&hmac).await.err().unwrap().0, Reason::AlgorithmNotAllowed);

        let expired = self.token(&json!({ "exp": 1_700_000_000, "iat": 1_699_999_000, "nbf": null }));
        assert_eq!(self.verify(&expired).await.err(), Some((Reason::Expired, "exp".to_owned())));
        let eternal = self.token(&json!({ "exp": null }));
        assert_eq!(self.verify(&eternal).await.err(), Some((Reason::MissingClaim, "exp".to_owned())));
    }
}

async fn verify(verifier: &Verifier<Claims>, token: &str) -> Result<Jwt<Claims>, (Reason, String)> {
    let refused = |error: tower_jwt_auth::AuthError| (error.reason(), error.claim().unwrap_or("").to_owned());
    verifier.verify(token).await.map_err(refused)
}

fn roles(jwt: &Jwt<Claims>) -> Vec<String> {
    let mut roles: Vec<_> = Jwt::principal(jwt).roles().unwrap().map(str::to_owned).collect();
    roles.sort();
    roles
}

fn scopes(jwt: &Jwt<Claims>) -> Vec<String> {
    Jwt::principal(jwt).scopes().map(str::to_owned).collect()
}

/// Asking for roles where the provider has none is a mistake of the program, not of the caller.
fn has_no_place_of_roles(jwt: &Jwt<Claims>) -> bool {
    Jwt::principal(jwt).roles().err().is_some_and(|error| error.reason() == Reason::NotConfigured)
}
