//! Holds policies against the verifier whose tokens they will judge, so that a mistake is told at start.

use std::any::TypeId;

use super::methods::RequireMethods;
use super::require::{Require, Rule};
use crate::error::{ConfigError, ConfigProblemKind, Problems};
use crate::verify::Verifier;

/// What a policy must know of a verifier.
struct Verified {
    claims: TypeId,
    claims_name: &'static str,
    /// The authorities that say nothing about roles.
    without_roles: Vec<String>,
}

impl Verified {
    fn by<C: 'static>(verifier: &Verifier<C>) -> Self {
        Self {
            claims: TypeId::of::<C>(),
            claims_name: std::any::type_name::<C>(),
            without_roles: verifier.without_roles().map(str::to_owned).collect(),
        }
    }

    fn check(&self, policy: &Require, problems: &mut Problems) {
        match &*policy.0 {
            Rule::Broken(error) => problems.add(error.clone()),
            Rule::Role(role) if !self.without_roles.is_empty() => problems.add(
                ConfigError::new(
                    "Require::role",
                    format!(
                        "the role {role:?} is required, and the authority {} does not say where its tokens have roles",
                        self.without_roles.join(", ")
                    ),
                    "call .roles_at(\"/path/of/roles\") on the Authority, or .only_roles([]) if its tokens have none",
                )
                .of_kind(ConfigProblemKind::Missing),
            ),
            Rule::That { claims, type_id, .. } if *type_id != self.claims => problems.add(
                ConfigError::new(
                    "Require::that",
                    format!("the predicate reads {claims}, and the verifier makes {}", self.claims_name),
                    "use one claims type in Verifier::<C> and in the predicate",
                )
                .of_kind(ConfigProblemKind::Conflict),
            ),
            Rule::All(policies) | Rule::Any(policies) => {
                policies.iter().for_each(|policy| self.check(policy, problems));
            }
            Rule::Not(policy) => self.check(policy, problems),
            _ => {}
        }
    }
}

impl Require {
    /// The same policy, once it was held against the verifier whose tokens it will judge.
    ///
    /// Without this call a mistake is found by the first request, which is answered with 500.
    ///
    /// ```
    /// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
    /// use tower_jwt_auth::{Authority, Claims, Require, Secret, Verifier};
    ///
    /// let authority = Authority::hs256(Secret::generate()?).issuer("shop").audience("api");
    /// let verifier = Verifier::<Claims>::new(authority)?;
    ///
    /// let policy = Require::scope("orders:read").checked_for(&verifier)?;
    /// let error = Require::role("admin").checked_for(&verifier).unwrap_err();
    /// assert_eq!(error.setting(), "Require::role"); // no authority has `roles_at`
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a part of the policy is written wrong, requires a role while an authority does not say where roles are, or reads another
    /// claims type than the verifier makes. The error lists all mistakes.
    pub fn checked_for<C: 'static>(self, verifier: &Verifier<C>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        Verified::by(verifier).check(&self, &mut problems);
        problems.into_result().map(|()| self)
    }
}

impl RequireMethods {
    /// The same map, once all of its policies and paths were held against the verifier and, if
    /// [`RequireMethods::known_methods`] was called, against the methods that exist.
    ///
    /// # Errors
    /// As [`Require::checked_for`]; also if a path is not that of a gRPC method, or not that of a known one.
    pub fn checked_for<C: 'static>(self, verifier: &Verifier<C>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        self.check_paths(&mut problems);
        let verified = Verified::by(verifier);
        self.policies().for_each(|policy| verified.check(policy, &mut problems));
        problems.into_result().map(|()| self)
    }
}
