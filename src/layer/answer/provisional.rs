//! The mark of a refusal from inside a layer, which that layer completes.

use http::Extensions;

use crate::error::AuthError;
#[cfg(feature = "tonic")]
use crate::runtime::trace;

/// Left in the extensions of an answer that a layer further out may still complete.
#[derive(Clone, Copy)]
struct Provisional {
    /// Somebody's own `Reject` has answered: only the default challenge in it is still to be replaced.
    answered: bool,
}

/// Marks the answer to `error` as one that a layer further out completes.
pub(crate) fn provisional(extensions: &mut Extensions, error: AuthError) {
    extensions.insert(error);
    extensions.insert(Provisional { answered: false });
}

/// Marks an answer of somebody's own: a layer further out replaces the default challenge in it, and nothing else.
pub(super) fn answered(extensions: &mut Extensions, error: AuthError) {
    extensions.insert(error);
    extensions.insert(Provisional { answered: true });
}

/// Whether somebody's own `Reject` has answered.
pub(super) fn is_answered(extensions: &Extensions) -> bool {
    extensions.get::<Provisional>().is_some_and(|mark| mark.answered)
}

/// The refusal that something inside has answered provisionally, if that is what this answer is.
pub(super) fn refusal_from_inside(extensions: &mut Extensions) -> Option<AuthError> {
    if extensions.remove::<Provisional>().is_some() {
        return extensions.get::<AuthError>().cloned();
    }
    #[cfg(feature = "tonic")]
    if extensions.get::<AuthError>().is_none()
        && let Some(status) = extensions.get::<tonic::Status>()
        && let Some(error) =
            std::error::Error::source(status).and_then(|source| source.downcast_ref::<AuthError>())
    {
        trace::debug!(reason = %error.reason(), claim = error.claim(), "request refused in a method");
        return Some(error.clone());
    }
    None
}
