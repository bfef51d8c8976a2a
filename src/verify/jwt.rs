//! The proof that a token was verified.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::principal::{Principal, Registered, Verified};
use crate::error::{AuthError, Reason};
use crate::jose::Claims;
use crate::runtime::{UnixTime, trace};

/// The claims of a token that a verifier found good. It derefs to your claims type.
///
/// Nothing else makes one: there is no public constructor, no `Default` and no `Deserialize`. A clone is another
/// handle on the same memory, so your type need not be `Clone`. Its own functions are called with the type in
/// front (`Jwt::principal(&jwt)`), so that they never hide a field of yours.
///
/// As an axum extractor it needs the feature `axum`, which is on by default:
///
/// ```
/// use serde::Deserialize;
/// use tower_jwt_auth::Jwt;
///
/// #[derive(Deserialize)]
/// struct User {
///     sub: String,
///     name: String,
/// }
///
/// async fn hello(user: Jwt<User>) -> String {
///     format!("hello {}", user.name)
/// }
/// ```
pub struct Jwt<C = Claims> {
    token: Arc<Token<C>>,
    /// The token may have been found good before, and judged by the clock again.
    verified_at: UnixTime,
}

struct Token<C> {
    claims: C,
    registered: Registered,
}

impl<C: Send + Sync + 'static> Verified for Token<C> {
    fn registered(&self) -> &Registered {
        &self.registered
    }

    fn claims_type(&self) -> &'static str {
        std::any::type_name::<C>()
    }
}

impl<C> Jwt<C> {
    pub(super) fn of_verified(claims: C, registered: Registered, verified_at: UnixTime) -> Self {
        Self { token: Arc::new(Token { claims, registered }), verified_at }
    }

    /// The same token, found good again.
    pub(super) fn verified_again(self, verified_at: UnixTime) -> Self {
        Self { verified_at, ..self }
    }

    /// The claims that time and policy are judged by.
    pub(super) fn registered(&self) -> &Registered {
        &self.token.registered
    }

    /// About how many bytes it keeps: what the claims hold on the heap is taken to be as long as the payload.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Token<C>>() + 2 * self.token.registered.payload_bytes()
    }
}

impl<C: Send + Sync + 'static> Jwt<C> {
    /// The same token, untyped.
    #[must_use]
    pub fn principal(jwt: &Self) -> Principal {
        jwt.clone().into_principal()
    }

    /// The same handle, untyped.
    pub(crate) fn into_principal(self) -> Principal {
        Principal { token: self.token, verified_at: self.verified_at }
    }

    pub(crate) fn from_principal(principal: &Principal) -> Result<Self, AuthError> {
        let token: Arc<dyn Any + Send + Sync> = Arc::clone(&principal.token) as _;
        let verified_at = principal.verified_at;
        token.downcast().map(|token| Self { token, verified_at }).map_err(|_| {
            trace::error!(
                wanted = std::any::type_name::<C>(),
                verified = principal.claims_type(),
                "the handler asks for another claims type than the innermost JwtAuthLayer verifies; \
                 use the same type in Verifier::<C> and Jwt<C>"
            );
            AuthError::new(Reason::NotConfigured)
        })
    }
}

/// As your claims: so a handler can answer with `Json(jwt)`.
impl<C: Serialize> Serialize for Jwt<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.token.claims.serialize(serializer)
    }
}

impl<C> Deref for Jwt<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.token.claims
    }
}

// By hand: a derive would ask for `C: Clone`.
impl<C> Clone for Jwt<C> {
    fn clone(&self) -> Self {
        Self { token: Arc::clone(&self.token), verified_at: self.verified_at }
    }
}

// Without `C: Debug`, and without your claims: they may be personal. Print `*jwt` to see them.
impl<C> fmt::Debug for Jwt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jwt").field(&self.token.registered).finish()
    }
}
