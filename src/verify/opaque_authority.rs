//! Authorities whose tokens say nothing by themselves.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;

use super::authority::Authority;
use super::key_origin::KeyOrigin;
use super::opaque_origin::OpaqueOrigin;
#[cfg(feature = "introspection")]
use crate::error::ConfigError;
use crate::keys::{KeySet, Static};
use crate::opaque::{AskedParty, Function, OpaqueToken, OpaqueTokens};

impl Authority {
    /// Tokens that only your function knows, such as API keys in a table. It answers with the claims of a token, or `None` for a
    /// token that does not count (any longer). It needs a tokio runtime with the time driver on.
    ///
    /// The claims are anything that serializes as a JSON object. They are checked like those of a JWT: issuer, audience, times, required
    /// claims, your checks, policies. Three things differ: `exp` may be absent, and `iss` as well, which is then the issuer of this
    /// authority; a key for one service has no audience, so call [`Authority::any_audience`].
    ///
    /// A client without a key that counts gets 401 ([`Reason::Inactive`](crate::Reason::Inactive)). If your function returns an error, or
    /// does not answer in time, the request is refused with 503
    /// ([`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable)). [`OpaqueTokens`] says how long answers are kept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use std::collections::HashMap;
    /// use std::sync::Arc;
    /// use serde_json::json;
    /// use tower_jwt_auth::{Authority, Claims, OpaqueToken, OpaqueTokens, Verifier};
    ///
    /// let key = OpaqueToken::generate("sk_live_")?; // shown to the customer once
    /// let table = Arc::new(HashMap::from([(key.sha256(), "customer-7")])); // a database, really
    ///
    /// let authority = Authority::opaque(OpaqueTokens::with_prefix("sk_live_"), move |key| {
    ///     let table = Arc::clone(&table);
    ///     async move {
    ///         let owner = table.get(&key.sha256());
    ///         Ok::<_, std::io::Error>(owner.map(|owner| json!({ "sub": owner, "scope": "orders:read" })))
    ///     }
    /// });
    /// let verifier = Verifier::<Claims>::new(authority.issuer("https://shop.example.com").any_audience())?;
    /// assert_eq!(verifier.verify(key.as_str()).await.unwrap().sub.as_deref(), Some("customer-7"));
    /// # Ok(()) }
    /// ```
    pub fn opaque<F, Fut, T, E>(tokens: OpaqueTokens, ask: F) -> Self
    where
        F: Fn(OpaqueToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<T>, E>> + Send + 'static,
        T: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::asking(tokens, Box::new(Function::new(ask)))
    }

    pub(crate) fn asking(tokens: OpaqueTokens, asked: Box<dyn AskedParty>) -> Self {
        let no_keys = KeyOrigin::Source(Ok(Arc::new(Static(KeySet::default()))));
        Self { opaque: Some(OpaqueOrigin { tokens, asked }), ..Self::of(no_keys) }
    }

    /// The authority whose signed answers (RFC 9701) count, instead of its tokens.
    ///
    /// # Errors
    /// If it takes answers of anybody, or to anybody.
    #[cfg(feature = "introspection")]
    pub(crate) fn for_signed_answers(self) -> Result<Self, ConfigError> {
        const MAX_AGE: std::time::Duration = std::time::Duration::from_secs(300);
        let refused = |problem, remedy| Err(ConfigError::new("signed_answers", problem, remedy));
        if self.any_issuer || self.tenant_issuer.is_some() {
            return refused("it takes answers of any issuer", "name the issuer of the authorization server");
        }
        if self.any_audience || self.audience_may_lack {
            return refused(
                "it takes answers to anybody",
                "name this resource server as the authorization server does",
            );
        }
        if self.opaque.is_some() {
            return refused(
                "it asks about tokens, and has no keys",
                "use Authority::oidc, Authority::jwks or Authority::keys",
            );
        }
        let max_age = self.max_age.or(Some(MAX_AGE));
        Ok(Self { signed_answers: true, max_age, ..self }.required_claim("token_introspection"))
    }
}
