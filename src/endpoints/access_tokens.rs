//! The access tokens of our own issuer, judged for somebody else.

use serde::de::IgnoredAny;

use super::answer::Refused;
use crate::error::ConfigError;
use crate::issuer::Issuer;
use crate::revocation::Revocations;
use crate::runtime::trace;
use crate::verify::{Authority, Jwt, Principal, Verifier};

/// A verifier of our own tokens. Their claims may be of any type.
#[derive(Debug)]
pub(super) struct AccessTokens(Verifier<IgnoredAny>);

impl AccessTokens {
    /// By the issuer's clock.
    pub(super) fn new(
        issuer: &Issuer,
        authority: Authority,
        revocations: Option<Revocations>,
    ) -> Result<Self, ConfigError> {
        let builder = Verifier::builder().authority(authority).clock(issuer.time());
        let builder = match revocations {
            Some(revocations) => builder.revocations(revocations),
            None => builder,
        };
        builder.build().map(Self)
    }

    /// The token, if it is good.
    ///
    /// # Errors
    /// If that cannot be found out now.
    pub(super) async fn verify(&self, token: &str) -> Result<Option<Principal>, Refused> {
        match self.0.verify(token).await {
            Ok(jwt) => Ok(Some(Jwt::principal(&jwt))),
            Err(refused) if refused.is_transient() => {
                trace::error!(
                    reason = refused.reason().as_str(),
                    "an endpoint for tokens answers 503, because it cannot judge them"
                );
                Err(Refused::Unavailable)
            }
            Err(_) => Ok(None),
        }
    }
}

/// The client that a token was issued to: `client_id` (RFC 9068), else `azp` (OpenID Connect).
pub(super) fn client_of(token: &Principal) -> Option<String> {
    token.client_id().map(str::to_owned).or_else(|| token.claim("azp"))
}

/// Whether a text is to be judged as an access token. Refresh tokens have no dots.
pub(super) fn looks_like_a_jwt(token: &str) -> bool {
    token.contains('.')
}
