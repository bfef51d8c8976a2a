//! Judges a principal by a policy. What is in memory decides first; another system is asked only if it must be.

use std::future::Future;
use std::pin::Pin;

use super::require::{Require, Rule};
use crate::error::{AuthError, ChallengeParams, Reason};
use crate::runtime::{NowOrLater, deadline, trace};
use crate::verify::Principal;

type Judged = Result<(), No>;

/// A refusal within a policy.
#[derive(Clone)]
struct No {
    error: AuthError,
    /// False for what is no verdict: a failed question, a policy written wrong. It must not become a yes by `not`.
    decided: bool,
}

impl Require {
    /// Whether this token satisfies the policy.
    ///
    /// The error is the refusal: `insufficient_scope` with the scopes needed, `insufficient_user_authentication`,
    /// or `forbidden`.
    pub fn decide(&self, principal: &Principal) -> NowOrLater<Result<(), AuthError>> {
        self.decide_for(Some(principal))
    }

    /// Whether this caller, who may be anonymous, satisfies the policy.
    pub(super) fn decide_for(&self, principal: Option<&Principal>) -> NowOrLater<Result<(), AuthError>> {
        match judge(self, principal) {
            // A token is what an anonymous caller lacks first, whatever else the policy requires.
            Some(Err(_)) if principal.is_none() => NowOrLater::ready(Err(AuthError::new(Reason::Missing))),
            Some(judged) => NowOrLater::ready(judged.map_err(|no| told(self, no))),
            None => {
                let policy = self.clone();
                let asked = ask(policy.clone(), principal.cloned());
                NowOrLater::later(async move { asked.await.map_err(|no| told(&policy, no)) })
            }
        }
    }
}

/// Says in the log which policy refused; the client learns less.
fn told(_policy: &Require, no: No) -> AuthError {
    trace::debug!(policy = %_policy, reason = %no.error.reason(), "a policy refused");
    no.error
}

/// The verdict of what is in memory; `None` if somebody has to be asked.
fn judge(policy: &Require, caller: Option<&Principal>) -> Option<Judged> {
    Some(match (&*policy.0, caller) {
        (Rule::Anyone, _) => Ok(()),
        (Rule::All(policies), _) => return judge_all(policies, caller),
        (Rule::Any(policies), _) => return judge_any(policies, caller),
        (Rule::Not(policy), Some(_)) => inverted(judge(policy, caller)?),
        // No answer to any other question: `not` must not make a yes of it.
        (_, None) => Err(undecided(AuthError::new(Reason::Missing))),
        (Rule::Broken(_error), Some(_)) => {
            trace::error!(error = %_error, "a policy is written wrong, so it lets nobody pass");
            Err(undecided(AuthError::new(Reason::NotConfigured)))
        }
        (rule, Some(principal)) => return judge_token(rule, principal),
    })
}

/// The verdict on a verified token of a rule that stands alone.
fn judge_token(rule: &Rule, principal: &Principal) -> Option<Judged> {
    Some(match rule {
        Rule::Authenticated => Ok(()),
        Rule::Scope(scope) => {
            let has = |wanted: &str| principal.scopes().any(|scope| scope == wanted);
            if scope.split(' ').all(has) {
                Ok(())
            } else {
                Err(decided(AuthError::insufficient_scope(scope.clone())))
            }
        }
        Rule::Role(role) => match principal.roles() {
            Ok(mut roles) => allowed(roles.any(|one| one == role)),
            Err(not_configured) => Err(undecided(not_configured)),
        },
        Rule::Issuer(issuer) => allowed(principal.issuer() == Some(issuer)),
        Rule::That { holds, .. } => holds(principal).map_err(undecided).and_then(allowed),
        Rule::MaxAuthAge(age) => {
            if principal.authenticated_within(*age) {
                Ok(())
            } else {
                Err(step_up(ChallengeParams { max_age: Some(*age), ..ChallengeParams::default() }))
            }
        }
        Rule::Acr(classes) => {
            let acr: Option<String> = principal.claim("acr");
            if acr.is_some_and(|acr| classes.contains(&acr)) {
                Ok(())
            } else {
                Err(step_up(ChallengeParams {
                    acr_values: Some(classes.join(" ")),
                    ..ChallengeParams::default()
                }))
            }
        }
        Rule::Ask { .. } => return None,
        // Judged without looking at the token.
        Rule::Anyone | Rule::All(_) | Rule::Any(_) | Rule::Not(_) | Rule::Broken(_) => Err(forbidden()),
    })
}

fn judge_all(policies: &[Require], caller: Option<&Principal>) -> Option<Judged> {
    let judged: Vec<_> = policies.iter().map(|policy| judge(policy, caller)).collect();
    let open = judged.iter().any(Option::is_none);
    let refusals = judged.into_iter().flatten().filter_map(Result::err);
    match gravest(refusals, policies) {
        Some(refusal) => Some(Err(refusal)),
        None if open => None,
        None => Some(Ok(())),
    }
}

fn judge_any(policies: &[Require], caller: Option<&Principal>) -> Option<Judged> {
    let judged: Vec<_> = policies.iter().map(|policy| judge(policy, caller)).collect();
    if judged.iter().flatten().any(Result::is_ok) {
        Some(Ok(()))
    } else if judged.iter().any(Option::is_none) {
        None
    } else {
        Some(Err(most_helpful(judged.into_iter().flatten().filter_map(Result::err))))
    }
}

/// The verdict with questions asked, one after the other, in the order of the policy.
fn ask(policy: Require, caller: Option<Principal>) -> Pin<Box<dyn Future<Output = Judged> + Send>> {
    Box::pin(async move {
        if let Some(judged) = judge(&policy, caller.as_ref()) {
            return judged;
        }
        match (&*policy.0, &caller) {
            (Rule::Ask { question, deadline, name: _name }, Some(principal)) => {
                let answer = deadline::within(*deadline, question(principal.clone())).await.unwrap_or_else(
                    |no_answer| Err(AuthError::new(Reason::RevocationUnavailable).with_source(no_answer)),
                );
                if let Err(_error) = &answer {
                    trace::warn!(question = _name.as_str(), reason = %_error.reason(), "a question was not answered");
                }
                answer.map_err(undecided).and_then(allowed)
            }
            (Rule::All(policies), _) => {
                for policy in policies {
                    ask(policy.clone(), caller.clone())
                        .await
                        .map_err(|no| gravest([no], policies).unwrap_or_else(forbidden))?;
                }
                Ok(())
            }
            (Rule::Any(policies), _) => {
                let mut refusals = Vec::with_capacity(policies.len());
                for policy in policies {
                    match ask(policy.clone(), caller.clone()).await {
                        Ok(()) => return Ok(()),
                        Err(refusal) => refusals.push(refusal),
                    }
                }
                Err(most_helpful(refusals))
            }
            (Rule::Not(policy), _) => inverted(ask(policy.clone(), caller).await),
            // All others have been judged.
            _ => Err(forbidden()),
        }
    })
}

fn allowed(yes: bool) -> Judged {
    if yes { Ok(()) } else { Err(forbidden()) }
}

const fn decided(error: AuthError) -> No {
    No { error, decided: true }
}

const fn undecided(error: AuthError) -> No {
    No { error, decided: false }
}

fn forbidden() -> No {
    decided(AuthError::new(Reason::Forbidden))
}

fn step_up(params: ChallengeParams) -> No {
    decided(AuthError::new(Reason::InsufficientUserAuthentication).with_params(params))
}

fn inverted(judged: Judged) -> Judged {
    match judged {
        Ok(()) => Err(forbidden()),
        Err(no) if no.decided => Ok(()),
        Err(undecided) => Err(undecided),
    }
}

/// Of several refusals that all stand, the one that more permission would help least. For want of a scope, all
/// scopes that the policies need are named, so that the client can ask for them at once.
fn gravest(refusals: impl IntoIterator<Item = No>, policies: &[Require]) -> Option<No> {
    let gravity = |no: &&No| match no.error.reason() {
        Reason::InsufficientUserAuthentication => 0,
        Reason::InsufficientScope => 1,
        Reason::Forbidden => 2,
        Reason::NotConfigured => 5,
        _ if no.error.is_transient() => 4,
        _ => 3,
    };
    let refusals: Vec<_> = refusals.into_iter().collect();
    let error = match refusals.iter().max_by_key(gravity)?.error.clone() {
        error if error.reason() == Reason::InsufficientScope => {
            let mut scopes: Vec<&str> = Vec::new();
            // A branch of an `any` within is not needed by all, so what it lacks comes from its own refusal.
            let lacking = refusals.iter().filter_map(|no| no.error.required_scope());
            let lacking = lacking.flat_map(|scope| scope.split(' '));
            for scope in policies.iter().flat_map(Require::needed_scopes).chain(lacking) {
                if !scopes.contains(&scope) {
                    scopes.push(scope);
                }
            }
            AuthError::insufficient_scope(scopes.join(" "))
        }
        error if error.reason() == Reason::InsufficientUserAuthentication => {
            step_up(joined(policies, &refusals)).error
        }
        error => error,
    };
    Some(No { error, decided: refusals.iter().all(|no| no.decided) })
}

/// All requirements of the policies for an authentication, so that the next one satisfies them at once.
fn joined(policies: &[Require], refusals: &[No]) -> ChallengeParams {
    let mut all = ChallengeParams::default();
    let demanded = policies.iter().map(authentication);
    for demand in demanded.chain(refusals.iter().filter_map(|no| no.error.params().cloned())) {
        all.acr_values = all.acr_values.or(demand.acr_values);
        all.max_age = match (all.max_age, demand.max_age) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    all
}

/// The requirements of the policy for an authentication.
fn authentication(policy: &Require) -> ChallengeParams {
    match &*policy.0 {
        Rule::MaxAuthAge(age) => ChallengeParams { max_age: Some(*age), ..ChallengeParams::default() },
        Rule::Acr(classes) => {
            ChallengeParams { acr_values: Some(classes.join(" ")), ..ChallengeParams::default() }
        }
        Rule::All(policies) => joined(policies, &[]),
        _ => ChallengeParams::default(),
    }
}

/// Of several ways that are all closed, the one that the client can open; but what could not be decided comes first,
/// because that way may be open.
fn most_helpful(refusals: impl IntoIterator<Item = No>) -> No {
    let rank = |no: &No| match no.error.reason() {
        Reason::NotConfigured => 0,
        _ if no.error.is_transient() => 1,
        _ if !no.decided => 2,
        Reason::InsufficientScope => 3,
        Reason::InsufficientUserAuthentication => 4,
        _ => 5,
    };
    refusals.into_iter().min_by_key(rank).unwrap_or_else(forbidden)
}
