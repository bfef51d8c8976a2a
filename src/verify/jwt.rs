//! The proof that a token was verified.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::principal::{Principal, Registered, Verified};
use crate::error::{AuthError, Reason};
use crate::jose::Claims;
use crate::runtime::trace;

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
pub struct Jwt<C = Claims>(Arc<Token<C>>);

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
    pub(super) fn of_verified(claims: C, registered: Registered) -> Self {
        Self(Arc::new(Token { claims, registered }))
    }
}

impl<C: Send + Sync + 'static> Jwt<C> {
    /// The same token, untyped.
    #[must_use]
    pub fn principal(jwt: &Self) -> Principal {
        Principal(Arc::clone(&jwt.0) as Arc<dyn Verified>)
    }

    /// The same handle, untyped.
    pub(crate) fn into_principal(self) -> Principal {
        Principal(self.0)
    }

    pub(crate) fn from_principal(principal: &Principal) -> Result<Self, AuthError> {
        let token: Arc<dyn Any + Send + Sync> = Arc::clone(&principal.0) as _;
        token.downcast().map(Self).map_err(|_| {
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
        self.0.claims.serialize(serializer)
    }
}

impl<C> Deref for Jwt<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0.claims
    }
}

// By hand: a derive would ask for `C: Clone`.
impl<C> Clone for Jwt<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// Without `C: Debug`, and without your claims: they may be personal. Print `*jwt` to see them.
impl<C> fmt::Debug for Jwt<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Jwt").field(&self.0.registered).finish()
    }
}
