//! Mistakes in the set-up, all of them at once.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The mistakes in a set-up, found before the first request.
///
/// `build()` reports all of them at once. The text names each setting, what is wrong with it, and the remedy; it shows
/// the value unless that is secret. A program reads [`ConfigError::problems`].
///
/// ```
/// use std::time::Duration;
/// use tower_jwt_auth::{Authority, Claims, ConfigProblemKind, Secret, Verifier};
///
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// let authority = Authority::hs256(Secret::generate()?).issuer("shop").leeway(Duration::from_secs(3600));
/// let error = Verifier::<Claims>::new(authority).unwrap_err();
///
/// let problems: Vec<_> = error.problems().iter().map(|problem| (problem.setting(), problem.kind())).collect();
/// assert_eq!(
///     problems,
///     [("audience", ConfigProblemKind::Missing), ("leeway", ConfigProblemKind::OutOfBounds)]
/// );
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError {
    first: ConfigProblem,
    others: Vec<ConfigProblem>,
}

/// One mistake in a set-up: a setting, what is wrong with it, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    kind: ConfigProblemKind,
    setting: Cow<'static, str>,
    problem: String,
    remedy: String,
}

/// The kind of a mistake in a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigProblemKind {
    /// The setting contradicts another one.
    Conflict,
    /// The value cannot be used.
    Invalid,
    /// A setting that has no default was not made, or a cargo feature is off.
    Missing,
    /// The value is a number or a time outside of its bounds.
    OutOfBounds,
    /// Another system, which the setting names, did not answer as it should.
    Unavailable,
}

impl ConfigError {
    pub(crate) fn new(
        setting: impl Into<Cow<'static, str>>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (setting, problem, remedy) = (setting.into(), problem.into(), remedy.into());
        let first = ConfigProblem { kind: ConfigProblemKind::Invalid, setting, problem, remedy };
        Self { first, others: Vec::new() }
    }

    /// The same mistake, said to be of this kind.
    pub(crate) const fn of_kind(mut self, kind: ConfigProblemKind) -> Self {
        self.first.kind = kind;
        self
    }

    pub(crate) fn no_backend() -> Self {
        Self::new(
            "backend",
            "no cryptography is compiled in",
            "turn on the feature aws-lc-rs or rust-crypto, or give the builder a Backend",
        )
        .of_kind(ConfigProblemKind::Missing)
    }

    /// All mistakes, in the order in which the settings were checked; never empty.
    #[must_use]
    pub fn problems(&self) -> Vec<&ConfigProblem> {
        std::iter::once(&self.first).chain(&self.others).collect()
    }

    /// The setting of the first mistake, such as `audience`.
    #[must_use]
    pub fn setting(&self) -> &str {
        self.first.setting()
    }

    /// The remedy for the first mistake, in words.
    #[must_use]
    pub fn remedy(&self) -> &str {
        self.first.remedy()
    }
}

impl ConfigProblem {
    /// The kind of the mistake.
    #[must_use]
    pub const fn kind(&self) -> ConfigProblemKind {
        self.kind
    }

    /// The setting that is wrong, such as `audience`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// What is wrong, with the value unless that is secret.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The remedy, in words.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.setting, self.problem, self.remedy)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.others.is_empty() {
            return self.first.fmt(f);
        }
        write!(f, "{} settings are wrong:", self.others.len() + 1)?;
        self.problems().iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

// The same text: it is what `fn main() -> Result<(), Box<dyn Error>>` prints.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ConfigError {}

/// A URL as a mistake shows it: without what may be a password or a key in it.
#[cfg(any(feature = "cookie", feature = "jwks"))]
pub(crate) fn shown_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    // Before the query, because a password may have a question mark.
    let (hidden, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, host)| ("..@", host));
    match rest.split_once(['?', '#']) {
        Some((place, _)) => format!("{scheme}{hidden}{place}?.."),
        None => format!("{scheme}{hidden}{rest}"),
    }
}

/// Collects the mistakes of a builder, so that it can report all of them.
#[derive(Debug, Default)]
pub(crate) struct Problems(Option<ConfigError>);

impl Problems {
    pub(crate) fn add(&mut self, error: ConfigError) {
        match &mut self.0 {
            None => self.0 = Some(error),
            Some(all) => {
                let ConfigError { first, others } = error;
                for problem in std::iter::once(first).chain(others) {
                    if all.first != problem && !all.others.contains(&problem) {
                        all.others.push(problem);
                    }
                }
            }
        }
    }

    /// Whether this setting or a part of it has a mistake.
    #[cfg(feature = "config")]
    pub(crate) fn tells(&self, setting: &str) -> bool {
        let is_told = |told: &&ConfigProblem| {
            let rest = told.setting.strip_prefix(setting);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        self.0.as_ref().is_some_and(|all| all.problems().iter().any(is_told))
    }

    /// Adds mistakes of settings that have none yet, neither of their own nor of a part.
    #[cfg(feature = "config")]
    pub(crate) fn add_unless_told(&mut self, error: &ConfigError) {
        let is_new = |problem: &&ConfigProblem| !self.tells(&problem.setting);
        let new: Vec<ConfigProblem> = error.problems().into_iter().filter(is_new).cloned().collect();
        for first in new {
            self.add(ConfigError { first, others: Vec::new() });
        }
    }

    /// The same for all that were collected elsewhere.
    #[cfg(feature = "config")]
    pub(crate) fn add_all_unless_told(&mut self, others: Self) {
        if let Some(error) = others.0 {
            self.add_unless_told(&error);
        }
    }

    /// The value, or `None` once its mistake was noted.
    pub(crate) fn take<T>(&mut self, result: Result<T, ConfigError>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// All mistakes. Called after one was added.
    pub(crate) fn into_error(self) -> ConfigError {
        self.0.unwrap_or_else(ConfigError::no_backend)
    }

    /// # Errors
    /// If there is a mistake: all of them.
    pub(crate) fn into_result(self) -> Result<(), ConfigError> {
        self.0.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(any(feature = "cookie", feature = "jwks"))]
    #[test]
    fn a_url_is_shown_without_secrets() {
        for (url, shown) in [
            ("https://id.example.com/keys", "https://id.example.com/keys"),
            ("https://bob:hunter2@id.example.com/keys?key=hunter2", "https://..@id.example.com/keys?.."),
            ("https://bob:hun/ter2@id.example.com", "https://..@id.example.com"),
            ("https://bob:hunter 2@id.example.com", "https://..@id.example.com"),
            ("https://bob:hun?ter2@id.example.com", "https://..@id.example.com"),
            ("https://id.example.com/keys#key=hunter2", "https://id.example.com/keys?.."),
            ("bob:hunter2@id.example.com", "..@id.example.com"),
            ("keys", "keys"),
            ("", ""),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn all_mistakes_are_told_once_each() {
        let mut problems = Problems::default();
        assert!(Problems::default().into_result().is_ok());
        assert_eq!(problems.take(Ok(7)), Some(7));
        for (setting, kind) in [("a", ConfigProblemKind::Missing), ("b", ConfigProblemKind::Conflict)] {
            let failed: Result<(), _> = Err(ConfigError::new(setting, "wrong", "mend it").of_kind(kind));
            assert_eq!(problems.take(failed.clone()), None);
            assert_eq!(problems.take(failed), None);
        }
        let error = problems.into_result().unwrap_err();
        assert_eq!(error.to_string(), "2 settings are wrong:\n  - a: wrong; mend it\n  - b: wrong; mend it");
        let kinds: Vec<_> = error.problems().iter().map(|problem| problem.kind()).collect();
        assert_eq!(kinds, [ConfigProblemKind::Missing, ConfigProblemKind::Conflict]);
    }
}
