//! Signs tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::builder::{IssuerBuilder, IssuerKeys};
use super::error::{Problem, SignError};
use super::payload::{self, OwnClaims, OwnSet};
use super::ring::KeyRing;
use super::signer::Signer;
#[cfg(feature = "test-util")]
use super::signing_key::SigningKey;
use crate::error::ConfigError;
use crate::jose::{self, Algorithm, Limits};
#[cfg(feature = "test-util")]
use crate::keys::KeySet;
use crate::keys::Published;
use crate::runtime::{Clock, NowOrLater};
use crate::verify::Authority;

/// Signs tokens, and publishes the keys to verify them with (feature `issuer`).
///
/// Each token gets `iss`, `aud`, `iat`, `exp`, a random `jti`, and a header with `alg`, `kid` and `typ`. Claims that
/// would override these are refused. Cheap to clone.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use serde_json::json;
/// use tower_jwt_auth::{Algorithm, Claims, Issuer, SigningKey, Verifier};
///
/// let key = SigningKey::generate(Algorithm::ES256)?; // or from_pem, from_jwk, or a KeyRing that rotates
/// let issuer = Issuer::builder("https://id.example.com", key)
///     .audience("api")
///     .lifetime(Duration::from_secs(300))
///     .build()?;
/// let token = issuer.sign(&json!({ "sub": "bob" }))?;
///
/// let verifier = Verifier::<Claims>::new(issuer.authority())?;
/// assert_eq!(verifier.verify(&token).now().unwrap()?.sub.as_deref(), Some("bob"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    settings: Settings,
    keys: Keys,
    published: Arc<Published>,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// As JSON.
    pub(super) audience: String,
    pub(super) lifetime: Duration,
    pub(super) typ: String,
    pub(super) overridable: OwnSet,
    pub(super) clock: Arc<dyn Clock>,
}

#[derive(Clone)]
pub(super) enum Keys {
    Fixed { signer: Arc<dyn Signer>, kid: String, algorithm: Algorithm },
    Ring(KeyRing),
}

impl Keys {
    /// # Errors
    /// If the signer has not exactly one public key with a `kid` and an algorithm.
    pub(super) fn fixed(signer: Arc<dyn Signer>) -> Result<Self, ConfigError> {
        let set = signer.key_set();
        let mut keys = set.iter();
        let (first, further) = (keys.next(), keys.next());
        match first.map(|key| (key.kid(), key.algorithm())) {
            Some((Some(kid), Some(algorithm))) if further.is_none() => {
                let kid = kid.to_owned();
                Ok(Self::Fixed { signer, kid, algorithm })
            }
            _ => Err(ConfigError::new(
                "Signer::key_set",
                "it is not exactly one key with a `kid` and an algorithm",
                "make it with KeySet::from_pem(algorithm, pem)?.with_kid(kid)?",
            )),
        }
    }
}

impl Issuer {
    /// The settings of an issuer with this `iss`, exactly as verifiers will demand it, and these keys: a
    /// [`SigningKey`](crate::SigningKey), a [`KeyRing`] or a [`Signer`].
    pub fn builder(issuer: impl Into<String>, keys: impl Into<IssuerKeys>) -> IssuerBuilder {
        IssuerBuilder::new(issuer.into(), keys.into())
    }

    pub(super) fn new(settings: Settings, keys: Keys, published: Arc<Published>) -> Self {
        Self(Arc::new(Inner { settings, keys, published }))
    }

    /// A signed token with these claims and the issuer's own.
    ///
    /// # Errors
    /// If the claims are not a JSON object, override what the issuer sets, or make the token longer than 16 KiB; if a key
    /// ring could not be read for too long, or a [`Signer`] fails or has to be awaited.
    pub fn sign<C: Serialize + ?Sized>(&self, claims: &C) -> Result<String, SignError> {
        let unsigned = self.prepare(claims)?;
        match unsigned.signature().into_now() {
            Ok(signature) => unsigned.with(&signature?),
            Err(_) => Err(Problem::MustWait.into()),
        }
    }

    /// Like [`Issuer::sign`], for a [`Signer`] whose key lives elsewhere.
    ///
    /// # Errors
    /// As [`Issuer::sign`].
    pub async fn sign_async<C: Serialize + ?Sized>(&self, claims: &C) -> Result<String, SignError> {
        let unsigned = self.prepare(claims)?;
        let signature = unsigned.signature().await?;
        unsigned.with(&signature)
    }

    /// The authority that trusts this issuer: its `iss`, audiences, `typ` and keys, across rotations.
    ///
    /// Roles, scopes and further demands are set on it as on any other.
    pub fn authority(&self) -> Authority {
        self.authority_of_any_typ().typ(&self.0.settings.typ)
    }

    pub(crate) fn authority_of_any_typ(&self) -> Authority {
        let Settings { issuer, audiences, .. } = &self.0.settings;
        let authority = Authority::from_source(Arc::clone(&self.0.published) as _).issuer(issuer);
        audiences.iter().fold(authority, Authority::audience)
    }

    /// The same, of tokens for every audience that they can be signed for.
    pub(crate) fn authority_for_any_audience(&self) -> Authority {
        let Settings { issuer, typ, .. } = &self.0.settings;
        Authority::from_source(Arc::clone(&self.0.published) as _).issuer(issuer).any_audience().typ(typ)
    }

    /// The `iss` of the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.settings.issuer
    }

    /// How long the tokens live, as OAuth's `expires_in` says it.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.0.settings.lifetime
    }

    pub(crate) fn published(&self) -> &Arc<Published> {
        &self.0.published
    }

    /// Where the issuer reads the time.
    pub(crate) fn time(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.0.settings.clock)
    }

    /// A token of another kind than access tokens, with these claims and no others.
    pub(crate) async fn sign_as<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims)
            .map_err(|error| SignError::from(Problem::Unserializable).with_source(error))?;
        let unsigned = self.unsigned(typ, &payload)?;
        let signature = unsigned.signature().await?;
        unsigned.with(&signature)
    }

    /// The algorithm of the next token.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.0.keys {
            Keys::Fixed { algorithm, .. } => *algorithm,
            Keys::Ring(ring) => ring.algorithm(),
        }
    }

    /// Whether a replica may sign with a key that is not published here yet.
    pub(crate) fn may_lack_a_key(&self) -> bool {
        matches!(&self.0.keys, Keys::Ring(ring) if ring.may_lack_a_key())
    }

    fn prepare<C: Serialize + ?Sized>(&self, claims: &C) -> Result<Unsigned, SignError> {
        let settings = &self.0.settings;
        let payload = payload::write(claims, &self.own_claims()?, settings.overridable)?;
        self.unsigned(&settings.typ, &payload)
    }

    fn unsigned(&self, typ: &str, payload: &[u8]) -> Result<Unsigned, SignError> {
        let (signer, algorithm, kid) = match &self.0.keys {
            Keys::Fixed { signer, kid, algorithm } => {
                (Arc::clone(signer), *algorithm, std::borrow::Cow::Borrowed(kid))
            }
            Keys::Ring(ring) => {
                let key = ring.signing()?;
                let (algorithm, kid) = (key.algorithm(), key.kid().to_owned());
                (Arc::new(key) as _, algorithm, std::borrow::Cow::Owned(kid))
            }
        };
        let header = Header { alg: algorithm.as_str(), typ, kid: &kid };
        let header = serde_json::to_vec(&header)
            .map_err(|error| SignError::from(Problem::Unserializable).with_source(error))?;
        Ok(Unsigned::new(signer, &header, payload))
    }

    fn own_claims(&self) -> Result<OwnClaims<'_>, SignError> {
        let settings = &self.0.settings;
        let now = settings.clock.now();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| SignError::signer(error.to_string()))?;
        Ok(OwnClaims {
            issuer: &settings.issuer,
            audience: &settings.audience,
            issued_at: now,
            expires: now.saturating_add(settings.lifetime),
            id: jose::encode(id),
        })
    }
}

/// What the test kit builds upon.
#[cfg(feature = "test-util")]
impl Issuer {
    /// The same issuer for this audience alone.
    pub(crate) fn for_audience(&self, audience: String) -> Self {
        let json = serde_json::Value::from(audience.as_str()).to_string();
        self.changed(|settings| (settings.audience, settings.audiences) = (json, vec![audience]))
    }

    /// The same issuer with this lifetime, whatever it is.
    pub(crate) fn living(&self, lifetime: Duration) -> Self {
        self.changed(|settings| settings.lifetime = lifetime)
    }

    /// The same issuer with this clock.
    pub(crate) fn at_time_of(&self, clock: Arc<dyn Clock>) -> Self {
        self.changed(|settings| settings.clock = clock)
    }

    fn changed(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::new(settings, self.0.keys.clone(), Arc::clone(&self.0.published))
    }

    /// The same issuer, with this key and what was published before.
    pub(crate) fn signing_with(&self, key: &SigningKey) -> Self {
        let (kid, algorithm) = (key.kid().to_owned(), key.algorithm());
        let keys = Keys::Fixed { signer: Arc::new(key.clone()), kid, algorithm };
        Self::new(self.0.settings.clone(), keys, Arc::clone(&self.0.published))
    }

    pub(crate) fn publish(&self, keys: &KeySet) {
        self.0.published.replace(keys);
    }

    /// Header and claims of a token that says nothing by itself.
    pub(crate) fn usual(&self) -> Result<(serde_json::Value, serde_json::Value), SignError> {
        let unsigned = self.prepare(&serde_json::Map::new())?;
        let mut parts = unsigned.message.split('.').map(|part| {
            let json = jose::decode_vec(part).unwrap_or_default();
            serde_json::from_slice(&json).unwrap_or_default()
        });
        Ok((parts.next().unwrap_or_default(), parts.next().unwrap_or_default()))
    }

    /// A token of exactly these bytes.
    pub(crate) fn sign_raw(&self, header: &[u8], payload: &[u8]) -> Result<String, SignError> {
        let signer = match &self.0.keys {
            Keys::Fixed { signer, .. } => Arc::clone(signer),
            Keys::Ring(ring) => Arc::new(ring.signing()?),
        };
        let unsigned = Unsigned::new(signer, header, payload);
        let signature = unsigned.signature().now().ok_or(Problem::MustWait)??;
        Ok(unsigned.joined(&signature))
    }
}

/// A token that lacks its signature.
struct Unsigned {
    signer: Arc<dyn Signer>,
    message: String,
}

#[derive(Serialize)]
struct Header<'h> {
    alg: &'static str,
    typ: &'h str,
    kid: &'h str,
}

impl Unsigned {
    fn new(signer: Arc<dyn Signer>, header: &[u8], payload: &[u8]) -> Self {
        // Room for the signature of an RSA key of 4,096 bits.
        let mut message = String::with_capacity((header.len() + payload.len() + 512) * 4 / 3 + 8);
        jose::encode_into(header, &mut message);
        message.push('.');
        jose::encode_into(payload, &mut message);
        Self { signer, message }
    }

    fn signature(&self) -> NowOrLater<Result<Vec<u8>, SignError>> {
        self.signer.sign(self.message.as_bytes())
    }

    fn with(self, signature: &[u8]) -> Result<String, SignError> {
        let token = self.joined(signature);
        match token.len() {
            length if length > Limits::default().token_bytes => Err(Problem::TooLong(length).into()),
            _ => Ok(token),
        }
    }

    fn joined(mut self, signature: &[u8]) -> String {
        self.message.push('.');
        jose::encode_into(signature, &mut self.message);
        self.message
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { issuer, audiences, lifetime, typ, .. } = &self.0.settings;
        let mut debug = f.debug_struct("Issuer");
        debug.field("issuer", issuer).field("audiences", audiences);
        debug.field("lifetime", lifetime).field("typ", typ);
        match &self.0.keys {
            Keys::Fixed { signer, .. } => debug.field("key", signer),
            Keys::Ring(ring) => debug.field("keys", ring),
        };
        debug.finish_non_exhaustive()
    }
}
