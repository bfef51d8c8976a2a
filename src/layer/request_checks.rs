//! The user's checks of a request, made before its token is looked for.

use std::fmt;
use std::sync::Arc;

use super::source::RequestHead;
use crate::error::AuthError;

#[derive(Clone, Default)]
pub(super) struct RequestChecks(Vec<Arc<RequestCheck>>);

type RequestCheck = dyn Fn(&RequestHead<'_>) -> Result<(), AuthError> + Send + Sync;

impl RequestChecks {
    pub(super) fn add<F>(&mut self, check: F)
    where
        F: Fn(&RequestHead<'_>) -> Result<(), AuthError> + Send + Sync + 'static,
    {
        self.0.push(Arc::new(check));
    }

    /// # Errors
    /// The first refusal.
    pub(super) fn run(&self, request: &RequestHead<'_>) -> Result<(), AuthError> {
        self.0.iter().try_for_each(|check| check(request))
    }
}

impl fmt::Debug for RequestChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} checks", self.0.len())
    }
}
