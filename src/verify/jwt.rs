//! The proof that a token was verified, and its one place in a request's extensions.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::Extensions;

use super::principal::{Principal, Registered, Verified};
use crate::answer::Answers;
use crate::claims::Claims;
use crate::error::AuthError;
use crate::reason::Reason;
use crate::trace;

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
}

impl<C> Jwt<C> {
    pub(super) fn of_verified(claims: C, registered: Registered) -> Self {
        Self(Arc::new(Token { claims, registered }))
    }
}

impl<C: Send + Sync + 'static> Jwt<C> {
    /// The verified token of this request.
    ///
    /// # Errors
    /// `missing` if the request is anonymous. `not_configured` if no [`JwtAuthLayer`](crate::JwtAuthLayer) is
    /// around the handler, or the innermost one verifies another claims type.
    pub fn of(extensions: &Extensions) -> Result<Self, AuthError> {
        Slot::of(extensions).principal().and_then(Self::from_principal)
    }

    /// The verified token of this request, or `None` if it is anonymous.
    ///
    /// # Errors
    /// `not_configured` as in [`Jwt::of`]: a forgotten layer is not an anonymous caller.
    pub fn optional(extensions: &Extensions) -> Result<Option<Self>, AuthError> {
        Slot::of(extensions).optional_principal()?.map(Self::from_principal).transpose()
    }

    /// The same token, untyped.
    #[must_use]
    pub fn principal(jwt: &Self) -> Principal {
        Principal(Arc::clone(&jwt.0) as Arc<dyn Verified>)
    }

    pub(crate) fn from_principal(principal: &Principal) -> Result<Self, AuthError> {
        let token: Arc<dyn Any + Send + Sync> = Arc::clone(&principal.0) as _;
        token.downcast().map(Self).map_err(|_| {
            trace::error!(
                wanted = std::any::type_name::<C>(),
                "the handler asks for another claims type than the innermost JwtAuthLayer verifies; \
                 use the same type in Verifier::<C> and Jwt<C>"
            );
            AuthError::new(Reason::NotConfigured)
        })
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

/// What a layer leaves in the extensions. There is one entry whatever the claims type, so an inner layer replaces
/// what an outer one left, and tokens of different verifications never mix.
#[derive(Clone)]
pub(crate) struct Slot {
    /// `None`: anonymous.
    principal: Option<Principal>,
    /// How the layer answers; a refusal further in does the same.
    answers: Arc<Answers>,
}

impl Slot {
    pub(crate) const fn new(principal: Option<Principal>, answers: Arc<Answers>) -> Self {
        Self { principal, answers }
    }

    pub(crate) fn clear(extensions: &mut Extensions) {
        extensions.remove::<Self>();
    }

    pub(crate) fn put(self, extensions: &mut Extensions) {
        extensions.insert(self);
    }

    pub(crate) fn of(extensions: &Extensions) -> Looked<'_> {
        Looked(extensions.get())
    }
}

/// What was found in the extensions; `None` if no layer has been there.
pub(crate) struct Looked<'e>(Option<&'e Slot>);

impl<'e> Looked<'e> {
    pub(crate) fn principal(self) -> Result<&'e Principal, AuthError> {
        let answers = self.answers();
        self.optional_principal()?.ok_or_else(|| AuthError::new(Reason::Missing).with_answers(answers))
    }

    pub(crate) fn optional_principal(self) -> Result<Option<&'e Principal>, AuthError> {
        self.0.map(|slot| slot.principal.as_ref()).ok_or_else(no_layer)
    }

    pub(crate) fn answers(&self) -> &'e Arc<Answers> {
        match self.0 {
            Some(slot) => &slot.answers,
            None => Answers::defaults(),
        }
    }
}

fn no_layer() -> AuthError {
    trace::error!(
        "a handler asks for a verified token, but no JwtAuthLayer is around it; \
         add .layer(JwtAuthLayer::new(verifier)) after the last route, for it covers only those before it"
    );
    AuthError::new(Reason::NotConfigured)
}
