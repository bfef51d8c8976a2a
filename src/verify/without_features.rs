//! Stand-ins for the constructors whose feature is off, so that rustc names the feature. They cannot be called, because no
//! type implements the traits.

use super::authority::Authority;

#[doc(hidden)]
#[cfg(not(feature = "oidc"))]
#[diagnostic::on_unimplemented(
    message = "`Authority::oidc` needs the feature `oidc` of `tower-jwt-auth`",
    label = "the feature `oidc` is off",
    note = "run `cargo add tower-jwt-auth --features oidc`"
)]
#[allow(unreachable_pub)] // it stands in a public signature
pub trait NeedsOidc {
    #[doc(hidden)]
    fn never(self) -> Authority;
}

#[cfg(not(feature = "oidc"))]
impl Authority {
    #[doc(hidden)]
    pub fn oidc<K: NeedsOidc>(issuer: K) -> Self {
        issuer.never()
    }
}

#[doc(hidden)]
#[cfg(not(feature = "jwks"))]
#[diagnostic::on_unimplemented(
    message = "`Authority::jwks` needs the feature `jwks` of `tower-jwt-auth`",
    label = "the feature `jwks` is off",
    note = "run `cargo add tower-jwt-auth --features jwks`"
)]
#[allow(unreachable_pub)] // it stands in a public signature
pub trait NeedsJwks {
    #[doc(hidden)]
    fn never(self) -> Authority;
}

#[cfg(not(feature = "jwks"))]
impl Authority {
    #[doc(hidden)]
    pub fn jwks<K: NeedsJwks>(keys: K) -> Self {
        keys.never()
    }
}
