//! Glue for tonic: a status from a refusal, and the name of a service that is wrapped alone.

use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::authorize::Authorize;
use crate::error::AuthError;
use crate::layer::JwtAuth;

/// What `?` makes of [`Jwt::of`](crate::Jwt::of) in a tonic method.
impl From<AuthError> for Status {
    fn from(error: AuthError) -> Self {
        let reason = error.reason();
        let mut status = Self::new(Code::from_i32(reason.grpc_code()), reason.public_text());
        status.set_source(std::sync::Arc::new(error));
        status
    }
}

/// So that a single service can be protected: `Server::builder().add_service(layer.layer(service))`.
impl<S: NamedService, C, R> NamedService for JwtAuth<S, C, R> {
    const NAME: &'static str = S::NAME;
}

/// So that a policy can stand around a single service: `Server::builder().add_service(policy.layer(service))`.
impl<S: NamedService, R> NamedService for Authorize<S, R> {
    const NAME: &'static str = S::NAME;
}
