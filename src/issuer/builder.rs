//! The settings of an issuer, checked.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::issuer::{Issuer, Keys, Settings};
use super::payload::{Own, OwnSet};
use super::ring::{KeyRing, MAX_TOKEN_LIFETIME};
use super::signer::Signer;
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::jose::Limits;
use crate::keys::Published;
use crate::runtime::{Clock, SystemClock};

/// What an [`Issuer`] signs with: a [`SigningKey`](crate::SigningKey), a [`KeyRing`], or a [`Signer`] of your own.
#[derive(Debug)]
pub struct IssuerKeys(Source);

#[derive(Debug)]
enum Source {
    Signer(Arc<dyn Signer>),
    Ring(KeyRing),
}

impl<S: Signer> From<S> for IssuerKeys {
    fn from(signer: S) -> Self {
        Self(Source::Signer(Arc::new(signer)))
    }
}

impl From<KeyRing> for IssuerKeys {
    fn from(ring: KeyRing) -> Self {
        Self(Source::Ring(ring))
    }
}

/// The settings of an [`Issuer`].
#[derive(Debug)]
#[must_use = "call build"]
pub struct IssuerBuilder {
    issuer: String,
    keys: IssuerKeys,
    audiences: Vec<String>,
    lifetime: Duration,
    typ: String,
    overridable: Vec<String>,
    clock: Arc<dyn Clock>,
}

impl IssuerBuilder {
    pub(super) fn new(issuer: String, keys: IssuerKeys) -> Self {
        Self {
            issuer,
            keys,
            audiences: Vec::new(),
            lifetime: Duration::from_secs(600),
            typ: "at+jwt".to_owned(),
            overridable: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }

    /// The audience of the tokens: `aud`. Called again, it adds another audience. Each service of several can use the token at
    /// the others, so one is better.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How long tokens live: 10 minutes by default, from 1 second to 24 hours.
    ///
    /// A stolen access token works this long.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// The media type in the header's `typ`: `at+jwt` (RFC 9068) by default.
    pub fn typ(mut self, media_type: impl Into<String>) -> Self {
        self.typ = media_type.into();
        self
    }

    /// Lets the claims that are given to [`Issuer::sign`] set this claim themselves: `aud`, `exp`, `iat` or `jti`.
    ///
    /// An `exp` may only be earlier than the lifetime says, and an `iat` not in the future. `iss` is never overridden.
    pub fn overridable(mut self, claim: impl Into<String>) -> Self {
        self.overridable.push(claim.into());
        self
    }

    /// Where the issuer reads the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// All mistakes at once: if the issuer or an audience is empty or padded, there is no audience, one twice or more than 32, the lifetime is
    /// out of bounds, the type is no media type, a claim cannot be overridden, or a signer has not exactly one public key
    /// with a `kid` and an algorithm.
    pub fn build(self) -> Result<Issuer, ConfigError> {
        let mut problems = Problems::default();
        let unusable = |text: &str| text.is_empty() || text.trim() != text;
        if unusable(&self.issuer) {
            let problem = format!("{:?} is empty or begins or ends with white space", self.issuer);
            problems.add(ConfigError::new(
                "issuer",
                problem,
                "name the issuer, such as https://id.example.com",
            ));
        }
        if self.audiences.is_empty() {
            let remedy =
                "call .audience(\"my-api\"): a token for nobody in particular would open every service";
            problems.add(
                ConfigError::new("audience", "it is not set", remedy).of_kind(ConfigProblemKind::Missing),
            );
        }
        if let Some(audience) = self.audiences.iter().find(|audience| unusable(audience)) {
            let problem = format!("{audience:?} is empty or begins or ends with white space");
            problems.add(ConfigError::new("audience", problem, "name the service that the tokens are for"));
        }
        let most = Limits::default().audience_elements;
        if self.audiences.len() > most {
            let problem = format!("there are {}, and verifiers take {most} at most", self.audiences.len());
            problems.add(ConfigError::new(
                "audience",
                problem,
                "make several issuers, each for fewer services",
            ));
        }
        let mut names = HashSet::new();
        if let Some(twice) = self.audiences.iter().find(|audience| !names.insert(*audience)) {
            let problem = format!("{twice:?} is there twice");
            problems.add(ConfigError::new("audience", problem, "name each service once"));
        }
        if self.lifetime < Duration::from_secs(1) || self.lifetime > MAX_TOKEN_LIFETIME {
            problems.add(
                ConfigError::new(
                    "lifetime",
                    format!("{:?} is out of bounds", self.lifetime),
                    "use 1 second to 24 hours; for longer sessions there are refresh tokens",
                )
                .of_kind(ConfigProblemKind::OutOfBounds),
            );
        }
        // 127 bytes: RFC 6838 section 4.2.
        if self.typ.is_empty()
            || self.typ.len() > 127
            || !self.typ.bytes().all(|byte| byte.is_ascii_graphic())
        {
            problems.add(ConfigError::new(
                "typ",
                format!("{:?} is no media type", self.typ),
                "use at+jwt, JWT, or a type of your own such as invitation+jwt",
            ));
        }
        let mut overridable = OwnSet::default();
        for name in &self.overridable {
            match Own::from_name(name) {
                Some(own) if own != Own::Issuer => overridable.insert(own),
                Some(_) => {
                    let remedy = "two issuers are two Issuers";
                    problems.add(ConfigError::new("overridable", "iss cannot be overridden", remedy));
                }
                None => {
                    problems.add(ConfigError::new(
                        "overridable",
                        format!("the issuer does not set {name:?}"),
                        "name aud, exp, iat or jti; other claims are yours anyway",
                    ));
                }
            }
        }
        let (keys, published) = match self.keys.0 {
            Source::Ring(ring) => {
                let published = Arc::clone(ring.published());
                (Some(Keys::Ring(ring)), published)
            }
            Source::Signer(signer) => {
                let published = Arc::new(Published::new(signer.key_set()));
                (problems.take(Keys::fixed(signer)), published)
            }
        };
        let Some(keys) = keys else { return Err(problems.into_error()) };
        problems.into_result()?;
        let audience = match self.audiences.as_slice() {
            [one] => serde_json::Value::from(one.as_str()),
            several => serde_json::Value::from(several),
        };
        Ok(Issuer::new(
            Settings {
                issuer: self.issuer,
                audience: audience.to_string(),
                audiences: self.audiences,
                lifetime: self.lifetime,
                typ: self.typ,
                overridable,
                clock: self.clock,
            },
            keys,
            published,
        ))
    }
}
