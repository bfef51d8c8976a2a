//! For tests of your own service: an issuer that really signs, and a clock that you move.
//!
//! Tokens made here are real, so a test passes through the same verification as production. Keys are made at
//! random for each issuer and never leave the process. Where a test could not go on, they panic, and say so in
//! their docs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::crypto::SigningKey;
use crate::error::ConfigError;
use crate::jose::{self, Algorithm};
use crate::keys::{KeySet, Published};
use crate::time::{Clock, SystemClock, UnixTime};
use crate::verify::{Authority, Jwt, Verifier};

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
    issuer: String,
    audience: String,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    key: SigningKey,
    kid: String,
    published: Arc<Published>,
    set: KeySet,
}

impl TestIssuer {
    /// An issuer with this `iss` that signs with ES256, for the audience `test`, with tokens of ten minutes.
    ///
    /// # Panics
    /// If no backend is compiled in.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self::with_algorithm(issuer, Algorithm::ES256)
    }

    /// An issuer that signs with this algorithm.
    ///
    /// # Panics
    /// If the backend lacks the algorithm (RustCrypto has no ES512), or none is compiled in.
    #[must_use]
    #[allow(clippy::panic)] // a test kit: a test cannot go on without its issuer
    pub fn with_algorithm(issuer: impl Into<String>, algorithm: Algorithm) -> Self {
        Self::try_with_algorithm(issuer.into(), algorithm).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_with_algorithm(issuer: String, algorithm: Algorithm) -> Result<Self, ConfigError> {
        let key = SigningKey::generate(algorithm)?;
        let (kid, set) = publish(&key);
        Ok(Self {
            issuer,
            audience: "test".to_owned(),
            lifetime: Duration::from_secs(600),
            clock: Arc::new(SystemClock),
            key,
            kid,
            published: Arc::new(Published::new(set.clone())),
            set,
        })
    }

    /// The same issuer, for this audience.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// The same issuer, with tokens that live this long.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The same issuer, reading the time from this clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The authority that trusts this issuer, its audience set. It follows [`TestIssuer::rotate`].
    pub fn authority(&self) -> Authority {
        let source = Arc::clone(&self.published);
        Authority::from_source(source).issuer(&self.issuer).audience(&self.audience)
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
        &self.kid
    }

    /// Signs with a new key from now on. The old ones stay published.
    ///
    /// # Panics
    /// As [`TestIssuer::with_algorithm`].
    #[allow(clippy::panic)]
    pub fn rotate(&mut self) {
        self.key = SigningKey::generate(self.key.algorithm()).unwrap_or_else(|error| panic!("{error}"));
        let (kid, set) = publish(&self.key);
        self.kid = kid;
        self.set = set.merge(&self.set);
        self.published.replace(&self.set);
    }

    /// Withdraws every key but the one that signs.
    pub fn retire_old_keys(&mut self) {
        (_, self.set) = publish(&self.key);
        self.published.replace(&self.set);
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
        let now = self.clock.now();
        let header = completed(
            header,
            json!({ "alg": self.key.algorithm().as_str(), "typ": "at+jwt", "kid": self.kid }),
        );
        let claims = completed(
            claims,
            json!({
                "iss": self.issuer,
                "aud": self.audience,
                "iat": now.as_secs(),
                "exp": now.saturating_add(self.lifetime).as_secs(),
                "jti": next_id(),
            }),
        );
        self.sign_raw(header.to_string(), claims.to_string())
    }

    /// A signed token with exactly these bytes for header and payload, whatever they are.
    ///
    /// # Panics
    /// If the backend cannot sign.
    #[must_use]
    #[allow(clippy::panic)]
    pub fn sign_raw(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", jose::encode(header), jose::encode(payload));
        let signature =
            self.key.sign(message.as_bytes()).unwrap_or_else(|| panic!("the backend cannot sign"));
        format!("{message}.{}", jose::encode(signature))
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
        let builder = Verifier::<C>::builder().authority(self.authority()).clock(Arc::clone(&self.clock));
        let verifier = builder.build().unwrap_or_else(|error| panic!("{error}"));
        match verifier.verify(&token).into_now() {
            Ok(Ok(jwt)) => jwt,
            _ => panic!("a token of these claims is {}", verifier.explain(&token)),
        }
    }
}

fn publish(key: &SigningKey) -> (String, KeySet) {
    let unnamed = KeySet::of_material(key.algorithm(), "", key.public().clone());
    let kid = unnamed.iter().next().and_then(super::keys::Key::thumbprint).unwrap_or_default();
    let set = KeySet::of_material(key.algorithm(), &kid, key.public().clone());
    (kid, set)
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

fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
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
