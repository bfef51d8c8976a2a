//! A policy for each method of gRPC services.

use std::collections::HashMap;
use std::sync::Arc;

use super::require::Require;
use crate::error::ConfigError;

/// Policies by gRPC method, `/package.Service/Method`, as a layer around one service or a whole server.
///
/// What happens to methods that are not listed is chosen first, so that a method which is added later is not open
/// by accident. Put it around the server or the service itself: where a router has taken away a part of the path, no
/// method is found.
///
/// ```
/// use tower_jwt_auth::{Require, RequireMethods};
///
/// let methods = RequireMethods::deny_unlisted()
///     .method("/shop.Orders/List", Require::scope("orders:read"))
///     .method("/shop.Orders/Delete", Require::role("admin"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "add it to a server or a service"]
pub struct RequireMethods {
    listed: Arc<HashMap<String, Require>>,
    unlisted: Require,
}

impl RequireMethods {
    /// Methods that are not listed are refused.
    pub fn deny_unlisted() -> Self {
        Self { listed: Arc::default(), unlisted: Require::any([]) }
    }

    /// Methods that are not listed need this.
    pub fn unlisted(policy: Require) -> Self {
        Self { listed: Arc::default(), unlisted: policy }
    }

    /// The policy of one method, by its full path `/package.Service/Method`, compared exactly.
    ///
    /// Listed twice, a method needs both.
    pub fn method(mut self, path: impl Into<String>, policy: Require) -> Self {
        let path = path.into();
        let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        // What cannot stand in a path would never match, and leave the method that was meant unlisted.
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'%'))
        };
        if !parts.is_some_and(|(service, method)| is_name(service) && is_name(method)) {
            // The method that was meant is not listed, so it is the unlisted ones that nobody may call.
            self.unlisted = Require::broken(ConfigError::new(
                "RequireMethods::method",
                format!("{path:?} is not the path of a gRPC method"),
                "write it as /package.Service/Method",
            ));
            return self;
        }
        let listed = Arc::make_mut(&mut self.listed);
        let policy = match listed.remove(&path) {
            Some(earlier) => Require::all([earlier, policy]),
            None => policy,
        };
        listed.insert(path, policy);
        self
    }

    pub(super) fn policy_of(&self, path: &str) -> &Require {
        self.listed.get(path).unwrap_or(&self.unlisted)
    }
}
