//! Policies as values.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{AuthError, ConfigError};
use crate::runtime::NowOrLater;
use crate::verify::{ClaimsType, Jwt, Principal};

/// A policy, as a value: it composes, prints, and means the same as a layer, as an axum guard ([`Allowed`](crate::Allowed))
/// and for a gRPC method ([`RequireMethods`](crate::RequireMethods)).
///
/// It judges the token that a [`JwtAuthLayer`](crate::JwtAuthLayer) around it has verified. It refuses an anonymous caller
/// with 401. On a route without that layer it refuses every caller with 500.
///
/// ```
/// use tower_jwt_auth::Require;
///
/// let policy = Require::all([
///     Require::scope("orders:write"),
///     Require::any([Require::role("admin"), Require::not(Require::issuer("https://partner.example"))]),
/// ]);
/// assert_eq!(
///     policy.to_string(),
///     r#"(scope("orders:write") and (role("admin") or not issuer("https://partner.example")))"#
/// );
/// ```
///
/// On a route (it is a tower layer):
///
/// ```
/// # async fn list() {}
/// use axum::{Router, routing::get};
/// use tower_jwt_auth::Require;
///
/// let app: Router = Router::new().route("/orders", get(list).route_layer(Require::scope("orders:read")));
/// ```
#[derive(Clone)]
#[must_use = "use it as a layer, in a guard or in a map of methods"]
pub struct Require(pub(super) Arc<Rule>);

pub(super) enum Rule {
    Anyone,
    Authenticated,
    Scope(String),
    Role(String),
    Issuer(String),
    That {
        claims: &'static str,
        type_id: TypeId,
        holds: Box<Predicate>,
    },
    MaxAuthAge(Duration),
    Acr(Vec<String>),
    Ask {
        name: String,
        question: Box<Question>,
        deadline: Duration,
    },
    All(Vec<Require>),
    Any(Vec<Require>),
    Not(Require),
    /// A policy that was written wrong: it refuses every caller, and the log says what to mend.
    Broken(ConfigError),
}

type Predicate = dyn Fn(&Principal) -> Result<bool, AuthError> + Send + Sync;
type Question = dyn Fn(Principal) -> NowOrLater<Result<bool, AuthError>> + Send + Sync;

/// How long a question may take: half a second.
const DEADLINE: Duration = Duration::from_millis(500);

impl Require {
    fn of(rule: Rule) -> Self {
        Self(Arc::new(rule))
    }

    pub(super) fn broken(error: ConfigError) -> Self {
        Self::of(Rule::Broken(error))
    }

    /// Whether it is the very same value, or a clone of it.
    #[cfg(feature = "config")]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Anybody, with a token or without: for a health check, or a public route among protected ones.
    ///
    /// The layer around it must let the anonymous through, by [`JwtAuthLayer::optional`](crate::JwtAuthLayer::optional). A
    /// bad token is still refused there.
    ///
    /// ```
    /// use tower_jwt_auth::{Require, RequireMethods};
    ///
    /// let methods = RequireMethods::unlisted(Require::authenticated())
    ///     .method("/grpc.health.v1.Health/Check", Require::anyone());
    /// ```
    pub fn anyone() -> Self {
        Self::of(Rule::Anyone)
    }

    /// Any verified token.
    pub fn authenticated() -> Self {
        Self::of(Rule::Authenticated)
    }

    /// This scope, or each of several separated by spaces: `"orders:read orders:write"`.
    ///
    /// Scopes are compared whole. A caller without one of them gets 403, and the response names all scopes that the operation
    /// needs (RFC 6750 section 3.1).
    pub fn scope(scope: impl Into<String>) -> Self {
        let scope = scope.into();
        if scope.split(' ').all(is_word) {
            return Self::of(Rule::Scope(scope));
        }
        Self::broken(ConfigError::new(
            "Require::scope",
            format!("{scope:?} is not a list of scopes"),
            "use printable ASCII without quotes and backslashes, separated by single spaces",
        ))
    }

    /// This role, at the place that the authority names with [`Authority::roles_at`](crate::Authority::roles_at).
    pub fn role(role: impl Into<String>) -> Self {
        match role.into() {
            role if role.is_empty() => {
                Self::broken(ConfigError::new("Require::role", "the role is empty", "name the role"))
            }
            role => Self::of(Rule::Role(role)),
        }
    }

    /// A token of this issuer, exactly.
    pub fn issuer(issuer: impl Into<String>) -> Self {
        match issuer.into() {
            issuer if issuer.is_empty() => {
                Self::broken(ConfigError::new("Require::issuer", "the issuer is empty", "name the issuer"))
            }
            issuer => Self::of(Rule::Issuer(issuer)),
        }
    }

    /// A predicate over the claims type of the layer.
    ///
    /// ```
    /// # #[derive(serde::Deserialize)] struct User { verified: bool }
    /// use tower_jwt_auth::Require;
    ///
    /// let policy = Require::that(|user: &User| user.verified);
    /// ```
    pub fn that<C, F>(holds: F) -> Self
    where
        C: ClaimsType,
        F: Fn(&C) -> bool + Send + Sync + 'static,
    {
        let claims = std::any::type_name::<C>();
        let holds = move |principal: &Principal| Jwt::<C>::from_principal(principal).map(|jwt| holds(&jwt));
        Self::of(Rule::That { claims, type_id: TypeId::of::<C>(), holds: Box::new(holds) })
    }

    /// An authentication (`auth_time`) of at most this age when the token was verified (RFC 9470).
    ///
    /// A caller whose token has an older `auth_time`, one in the future, or none, is asked to authenticate again.
    pub fn max_auth_age(age: Duration) -> Self {
        Self::of(Rule::MaxAuthAge(age))
    }

    /// One of these authentication context classes in `acr`, the preferred one first (RFC 9470).
    pub fn acr<S: Into<String>>(classes: impl IntoIterator<Item = S>) -> Self {
        let classes: Vec<String> = classes.into_iter().map(Into::into).collect();
        if classes.is_empty() {
            return Self::broken(ConfigError::new("Require::acr", "there is no class", "name at least one"));
        }
        if let Some(class) = classes.iter().find(|class| !is_word(class)) {
            return Self::broken(ConfigError::new(
                "Require::acr",
                format!("{class:?} is not one class"),
                "use printable ASCII without spaces, quotes and backslashes, one class for each element",
            ));
        }
        Self::of(Rule::Acr(classes))
    }

    /// Asks another system, such as a database or a policy engine; `name` stands for the question in logs.
    ///
    /// It is asked only if nothing in memory has already decided. It must answer within half a second, in a tokio
    /// runtime; if it is late, the caller is refused with 503. A no is `Ok(false)`. An error is the refusal itself: give
    /// it [`Reason::RevocationUnavailable`](crate::Reason::RevocationUnavailable) for a 503. It is no answer, so
    /// [`Require::not`] never makes a yes of it.
    ///
    /// ```
    /// # async fn owns(_: &str) -> std::io::Result<bool> { Ok(true) }
    /// use tower_jwt_auth::{AuthError, Principal, Reason, Require};
    ///
    /// let policy = Require::ask("owner", |principal: Principal| async move {
    ///     let subject = principal.subject().unwrap_or_default();
    ///     owns(subject)
    ///         .await
    ///         .map_err(|error| AuthError::new(Reason::RevocationUnavailable).with_source(error))
    /// });
    /// ```
    pub fn ask<F, Fut>(name: impl Into<String>, question: F) -> Self
    where
        F: Fn(Principal) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, AuthError>> + Send + 'static,
    {
        let question = Box::new(move |principal| NowOrLater::later(question(principal)));
        Self::of(Rule::Ask { name: name.into(), question, deadline: DEADLINE })
    }

    /// All of these. An empty list is a mistake, because it may come from a file that was not read: it refuses every caller.
    pub fn all(policies: impl IntoIterator<Item = Self>) -> Self {
        let policies: Vec<_> = policies.into_iter().collect();
        if policies.is_empty() {
            return Self::broken(ConfigError::new(
                "Require::all",
                "there is no policy in it",
                "name at least one; Require::authenticated() takes any verified token",
            ));
        }
        Self::of(Rule::All(policies))
    }

    /// At least one of these. An empty list refuses every caller.
    pub fn any(policies: impl IntoIterator<Item = Self>) -> Self {
        Self::of(Rule::Any(policies.into_iter().collect()))
    }

    /// A verified caller that this policy refuses, and never an anonymous caller. A policy without a decision stays refused: a
    /// question that fails, a role without a place, a policy that is written wrong.
    #[allow(clippy::should_implement_trait)] // one way to compose, and it is not an operator
    pub fn not(policy: Self) -> Self {
        Self::of(Rule::Not(policy))
    }

    /// The scopes that every caller needs to satisfy the policy, in its order: for API descriptions.
    ///
    /// ```
    /// use tower_jwt_auth::Require;
    ///
    /// let policy = Require::all([Require::scope("orders:write"), Require::role("admin")]);
    /// assert_eq!(policy.needed_scopes(), ["orders:write"]);
    /// ```
    #[must_use]
    pub fn needed_scopes(&self) -> Vec<&str> {
        match &*self.0 {
            Rule::Scope(scope) => scope.split(' ').collect(),
            Rule::All(policies) => policies.iter().flat_map(Self::needed_scopes).collect(),
            _ => Vec::new(),
        }
    }
}

/// RFC 6750 section 3: what may stand in one scope of a challenge, and so in a class, too.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Rule::Anyone => f.write_str("anyone"),
            Rule::Authenticated => f.write_str("authenticated"),
            Rule::Scope(scope) => write!(f, "scope({scope:?})"),
            Rule::Role(role) => write!(f, "role({role:?})"),
            Rule::Issuer(issuer) => write!(f, "issuer({issuer:?})"),
            Rule::That { claims, .. } => write!(f, "that({claims})"),
            Rule::MaxAuthAge(age) => write!(f, "max_auth_age({age:?})"),
            Rule::Acr(classes) => write!(f, "acr({:?})", classes.join(" ")),
            Rule::Ask { name, .. } => write!(f, "ask({name:?})"),
            Rule::All(policies) => list(f, policies, " and ", "nobody"),
            Rule::Any(policies) => list(f, policies, " or ", "nobody"),
            Rule::Not(policy) => write!(f, "not {policy}"),
            Rule::Broken(error) => write!(f, "broken({error})"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, policies: &[Require], between: &str, of_none: &str) -> fmt::Result {
    let [first, rest @ ..] = policies else { return f.write_str(of_none) };
    write!(f, "({first}")?;
    rest.iter().try_for_each(|policy| write!(f, "{between}{policy}"))?;
    f.write_str(")")
}

impl fmt::Debug for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Require({self})")
    }
}

/// A policy with a name of its own, to be written in a handler's signature as [`Allowed<P>`](crate::Allowed).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy",
    label = "nothing says what `{Self}` requires",
    note = "write `impl Policy for {Self}`, and return from its `require` a policy such as `Require::role(\"admin\")`"
)]
pub trait Policy {
    /// What is required.
    fn require() -> Require;
}
