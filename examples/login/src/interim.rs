//! TEMPORARY: stands in for what is not merged yet.
#![allow(missing_docs)]
use axum::http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;
use tower_jwt_auth::*;

#[derive(Debug, Clone)]
pub struct Issuer(Arc<TestIssuer>);
pub struct KeyRing;
pub struct B(TestIssuer);
impl KeyRing {
    pub fn builder(_: FileKeyStore) -> Self {
        Self
    }
    pub fn clock(self, _: impl Clock) -> Self {
        self
    }
    pub async fn open(self) -> Result<Self, ConfigError> {
        Ok(self)
    }
}
impl Issuer {
    pub fn builder(url: &str, _: KeyRing) -> B {
        B(TestIssuer::new(url))
    }
    pub fn sign(&self, claims: &impl serde::Serialize) -> Result<String, crate::error::AppError> {
        Ok(self.0.sign(claims))
    }
    pub fn authority(&self) -> Authority {
        self.0.authority()
    }
    pub fn jwks_service(&self) -> axum::routing::MethodRouter {
        let j = self.0.jwks();
        axum::routing::get(move || async move { ([("content-type", "application/jwk-set+json")], j) })
    }
}
impl B {
    pub fn audience(self, a: &str) -> Self {
        Self(self.0.audience(a))
    }
    pub fn lifetime(self, a: Duration) -> Self {
        Self(self.0.lifetime(a))
    }
    pub fn clock(self, a: impl Clock) -> Self {
        Self(self.0.clock(a))
    }
    pub fn build(self) -> Result<Issuer, ConfigError> {
        Ok(Issuer(Arc::new(self.0)))
    }
}
#[derive(Debug)]
pub struct TokenCookie(&'static str);
impl TokenCookie {
    pub fn new(n: &'static str) -> Result<Self, ConfigError> {
        Ok(Self(n))
    }
    pub fn set(&self, t: &str, d: Duration) -> Result<HeaderValue, crate::error::AppError> {
        Ok(format!("{}={t}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age={}", self.0, d.as_secs())
            .parse()
            .unwrap())
    }
    pub fn clear(&self) -> HeaderValue {
        format!("{}=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0", self.0).parse().unwrap()
    }
}
