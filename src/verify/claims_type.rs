//! The bound on a claims type.

use serde::de::DeserializeOwned;

/// A type that the claims of a token can be read into. Every type that is `DeserializeOwned + Send + Sync + 'static`
/// implements it.
///
/// Generic code needs this one bound:
///
/// ```
/// use axum::Router;
/// use tower_jwt_auth::{ClaimsType, JwtAuthLayer, Verifier};
///
/// fn protected<C: ClaimsType>(app: Router, verifier: Verifier<C>) -> Router {
///     app.layer(JwtAuthLayer::new(verifier))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a claims type",
    label = "the claims of a token cannot be read into `{Self}`",
    note = "a claims type derives `serde::Deserialize`, owns its data (`String`, not `&str`), and is `Send` and `Sync` \
            (`Arc`, not `Rc`)"
)]
pub trait ClaimsType: DeserializeOwned + Send + Sync + 'static {}

// Otherwise rustc names the missing part in serde's words, and not what it is needed for.
#[diagnostic::do_not_recommend]
impl<C: DeserializeOwned + Send + Sync + 'static> ClaimsType for C {}
