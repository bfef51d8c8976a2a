//! For tests of your own service: an issuer that really signs, and a clock that you move.
//!
//! Tokens made here are real, so a test passes through the same verification as production. Keys are made at
//! random for each issuer and never leave the process. Where a test could not go on, they panic, and say so in
//! their docs.

pub mod conformance;
#[cfg(feature = "jwks")]
mod fault;
#[cfg(feature = "jwks")]
mod provider;
#[cfg(feature = "jwks")]
mod script;
#[cfg(feature = "jwks")]
mod serve;

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::issuer::{Issuer, SigningKey};
use crate::jose::Algorithm;
use crate::keys::KeySet;
use crate::runtime::{Clock, SystemClock, UnixTime};
use crate::verify::{Authority, Jwt, Verifier};

#[cfg(feature = "jwks")]
pub use self::{fault::ProviderFault, provider::TestProvider};

/// An issuer for tests (feature `test-util`): signs any claims with a key of its own.
///
/// ```
/// use serde_json::json;
/// use tower_jwt_auth::{Claims, Jwt, TestIssuer};
///
/// async fn hello(user: Jwt) -> String {
///     format!("hello {}", user.sub.as_deref().unwrap_or("nobody"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let issuer = TestIssuer::new("https://test");
/// let bob = issuer.jwt::<Claims>(json!({ "sub": "bob" }));
/// assert_eq!(hello(bob).await, "hello bob");
/// # }
/// ```
#[derive(Debug)]
pub struct TestIssuer {
    issuer: Issuer,
    key: SigningKey,
    /// What is published: the key that signs, then older ones.
    set: KeySet,
}

impl TestIssuer {
    /// An issuer with this `iss` that signs with ES256, for the audience `test`, with tokens of ten minutes.
    ///
    /// # Panics
    /// If `issuer` is empty, or no backend is compiled in.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self::with_algorithm(issuer, Algorithm::ES256)
    }

    /// An issuer that signs with this algorithm.
    ///
    /// # Panics
    /// If `issuer` is empty, the backend lacks the algorithm (RustCrypto has no ES512), or none is compiled in.
    #[must_use]
    pub fn with_algorithm(issuer: impl Into<String>, algorithm: Algorithm) -> Self {
        let key = or_panic(SigningKey::generate(algorithm));
        let builder = Issuer::builder(issuer, key.clone()).audience("test");
        Self { issuer: or_panic(builder.build()), set: key.key_set(), key }
    }

    /// The same issuer, for this audience.
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { issuer: self.issuer.for_audience(audience.into()), ..self }
    }

    /// The same issuer, with tokens that live this long.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        Self { issuer: self.issuer.living(lifetime), ..self }
    }

    /// The same issuer, reading the time from this clock.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { issuer: self.issuer.at_time_of(Arc::new(clock)), ..self }
    }

    /// The issuer inside, for code under test that signs: with this key, at the time of this issuer's clock.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.issuer.clone()
    }

    /// The authority that trusts this issuer, its audience set. It follows [`TestIssuer::rotate`], and takes any
    /// usual `typ`.
    pub fn authority(&self) -> Authority {
        self.issuer.authority_of_any_typ()
    }

    /// The public keys; for HMAC the set holds the secret.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        self.set.clone()
    }

    /// The JSON of the JWK set that this issuer publishes.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.set.to_public_jwks()
    }

    /// The `kid` of the key that signs.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// Signs with a new key from now on. The old ones stay published.
    ///
    /// # Panics
    /// As [`TestIssuer::with_algorithm`].
    pub fn rotate(&mut self) {
        self.key = or_panic(SigningKey::generate(self.key.algorithm()));
        self.publish(self.key.key_set().merge(&self.set));
    }

    /// Withdraws every key but the one that signs.
    pub fn retire_old_keys(&mut self) {
        self.publish(self.key.key_set());
    }

    fn publish(&mut self, set: KeySet) {
        self.issuer = self.issuer.signing_with(&self.key);
        self.issuer.publish(&set);
        self.set = set;
    }

    /// A signed token with these claims, and `iss`, `aud`, `iat`, `exp` and `jti` where they are not among them.
    ///
    /// A claim that is given as null is left out, so that a token without `exp` can be made.
    ///
    /// # Panics
    /// If the claims are not a JSON object.
    #[must_use]
    pub fn sign(&self, claims: impl Serialize) -> String {
        self.sign_with(json!({}), claims)
    }

    /// Like [`TestIssuer::sign`], with these members of the header beside or instead of `alg`, `typ` and `kid`.
    ///
    /// # Panics
    /// If header or claims are not JSON objects.
    #[must_use]
    pub fn sign_with(&self, header: impl Serialize, claims: impl Serialize) -> String {
        let (usual_header, usual_claims) = or_panic(self.issuer.usual());
        let (header, claims) = (completed(header, usual_header), completed(claims, usual_claims));
        self.sign_raw(header.to_string(), claims.to_string())
    }

    /// A signed token with exactly these bytes for header and payload, whatever they are.
    ///
    /// # Panics
    /// If the backend cannot sign, or the token would be longer than 16 KiB.
    #[must_use]
    pub fn sign_raw(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        or_panic(self.issuer.sign_raw(header.as_ref(), payload.as_ref()))
    }

    /// The value of an `Authorization` header with a token of these claims.
    ///
    /// # Panics
    /// If the claims are not a JSON object.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn bearer(&self, claims: impl Serialize) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.sign(claims)))
            .expect("base64url is a header value");
        value.set_sensitive(true);
        value
    }

    /// The start of a request that carries a token of these claims.
    ///
    /// # Panics
    /// If the claims are not a JSON object.
    pub fn request(&self, claims: impl Serialize) -> http::request::Builder {
        Request::builder().header(AUTHORIZATION, self.bearer(claims))
    }

    /// A verified token of these claims, to call a handler as the function that it is.
    ///
    /// # Panics
    /// If the claims are not a JSON object, do not fit `C`, or would be refused.
    #[must_use]
    #[allow(clippy::panic)]
    pub fn jwt<C: DeserializeOwned + Send + Sync + 'static>(&self, claims: impl Serialize) -> Jwt<C> {
        let token = self.sign(claims);
        let builder = Verifier::<C>::builder().authority(self.authority()).clock(self.issuer.time());
        let verifier = or_panic(builder.build());
        match verifier.verify(&token).into_now() {
            Ok(Ok(jwt)) => jwt,
            _ => panic!("a token of these claims is {}", verifier.explain(&token)),
        }
    }
}

#[allow(clippy::panic)] // a test kit: a test cannot go on without its issuer
fn or_panic<T, E: std::fmt::Display>(made: Result<T, E>) -> T {
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// `given`, completed by what it lacks of `defaults`; nulls are left out.
#[allow(clippy::panic)]
fn completed(given: impl Serialize, defaults: Value) -> Value {
    let given = serde_json::to_value(given).unwrap_or_else(|error| panic!("not JSON: {error}"));
    let (Value::Object(given), Value::Object(mut members)) = (given, defaults) else {
        panic!("header and claims must be JSON objects");
    };
    members.extend(given);
    Value::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>())
}

/// A clock (feature `test-util`) that stands still until you move it. Clones share the time.
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_auth::{Clock, TestClock};
///
/// let clock = TestClock::now();
/// let start = Clock::now(&clock);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(Clock::now(&clock), start.saturating_add(Duration::from_secs(60)));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Arc<std::sync::Mutex<UnixTime>>);

impl TestClock {
    /// A clock that stands at the time of the system.
    #[must_use]
    pub fn now() -> Self {
        Self::at(SystemClock.now())
    }

    /// A clock that stands at this time.
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self(Arc::new(std::sync::Mutex::new(time)))
    }

    /// Moves the time forward.
    pub fn advance(&self, span: Duration) {
        self.change(|time| *time = time.saturating_add(span));
    }

    /// Sets the time, forward or back.
    pub fn set(&self, time: UnixTime) {
        self.change(|now| *now = time);
    }

    fn change<T>(&self, change: impl FnOnce(&mut UnixTime) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        self.change(|time| *time)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::TestIssuer;
    use crate::error::Reason;
    use crate::keys::{KeySet, Published};
    use crate::verify::{Authority, Verifier};

    #[test]
    fn a_source_left_without_keys_is_our_fault_and_heals() {
        let issuer = TestIssuer::new("https://id.example.com").audience("api");
        let source = Arc::new(Published::new(issuer.key_set()));
        let keys = Arc::clone(&source);
        let authority = Authority::from_source(keys).issuer("https://id.example.com").audience("api");
        let verifier = Verifier::<()>::new(authority).unwrap();
        let token = issuer.sign(serde_json::json!({}));
        let verdict = || verifier.verify(&token).now().unwrap().map(drop).map_err(|error| error.reason());
        assert_eq!(verdict(), Ok(()));
        source.replace(&KeySet::default());
        assert_eq!(verdict(), Err(Reason::KeysUnavailable));
        source.replace(&issuer.key_set());
        assert_eq!(verdict(), Ok(()));
    }
}
