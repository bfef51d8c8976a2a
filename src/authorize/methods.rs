//! A policy for each method of gRPC services.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::require::Require;
use crate::error::{ConfigError, Problems};

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
    /// Paths that are not those of a gRPC method.
    wrong_paths: Arc<Vec<ConfigError>>,
    /// The methods that exist, if they were told.
    known: Option<Arc<BTreeSet<String>>>,
}

impl RequireMethods {
    /// Methods that are not listed are refused.
    pub fn deny_unlisted() -> Self {
        Self::unlisted(Require::any([]))
    }

    /// Methods that are not listed need this.
    pub fn unlisted(policy: Require) -> Self {
        Self { listed: Arc::default(), unlisted: policy, wrong_paths: Arc::default(), known: None }
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
            let error = ConfigError::new(
                "RequireMethods::method",
                format!("{path:?} is not the path of a gRPC method"),
                "write it as /package.Service/Method",
            );
            // The method that was meant is not listed, so it is the unlisted ones that nobody may call.
            self.unlisted = Require::broken(error.clone());
            Arc::make_mut(&mut self.wrong_paths).push(error);
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

    /// Names all methods of the services behind this layer, so that [`RequireMethods::checked_for`] finds a path that is
    /// misspelt. A file descriptor set of the services has the names.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// # use tower_jwt_auth::{Authority, Claims, Require, RequireMethods, Secret, Verifier};
    /// # let authority = Authority::hs256(Secret::generate()?).issuer("shop").audience("api");
    /// # let verifier = Verifier::<Claims>::new(authority)?;
    /// let error = RequireMethods::deny_unlisted()
    ///     .known_methods(["/shop.Orders/List", "/shop.Orders/Delete"])
    ///     .method("/shop.Orders/Lst", Require::scope("orders:read"))
    ///     .checked_for(&verifier)
    ///     .unwrap_err();
    /// assert!(error.to_string().contains("/shop.Orders/Lst"));
    /// # Ok(()) }
    /// ```
    pub fn known_methods<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        let mut known = self.known.as_deref().cloned().unwrap_or_default();
        known.extend(paths.into_iter().map(Into::into));
        self.known = Some(Arc::new(known));
        self
    }

    pub(super) fn policy_of(&self, path: &str) -> &Require {
        self.listed.get(path).unwrap_or(&self.unlisted)
    }

    pub(super) fn policies(&self) -> impl Iterator<Item = &Require> {
        self.listed.values().chain([&self.unlisted])
    }

    pub(super) fn check_paths(&self, problems: &mut Problems) {
        self.wrong_paths.iter().for_each(|error| problems.add(error.clone()));
        let Some(known) = &self.known else { return };
        let mut unknown: Vec<_> = self.listed.keys().filter(|path| !known.contains(*path)).collect();
        unknown.sort_unstable();
        for path in unknown {
            problems.add(ConfigError::new(
                "RequireMethods::method",
                format!("{path:?} is no method of the services"),
                format!("use one of {known:?}"),
            ));
        }
    }
}
