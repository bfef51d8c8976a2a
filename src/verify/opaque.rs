//! The verdict on a token that somebody has to be asked about.

use super::authorities::SelectedAuthority;
use super::claims_type::ClaimsType;
use super::jwt::Jwt;
use super::leniency::Leniencies;
use super::opaque_authorities::Position;
use super::ready_authority::ReadyAuthority;
use super::trail::Trail;
use super::verifier::Verifier;
use crate::error::{AuthError, Reason};
use crate::opaque::Outcome;
use crate::runtime::NowOrLater;

impl<C: ClaimsType> Verifier<C> {
    /// Verifies a token of the authority at this position.
    #[cold]
    pub(super) fn verify_opaque(
        &self,
        position: Position,
        token: &[u8],
        trail: Option<&Trail>,
    ) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        let nobody = || NowOrLater::ready(Err(Reason::NotConfigured.into()));
        let Some(authority) = self.core().authorities.opaque_at(position) else { return nobody() };
        let Some(opaque) = &authority.opaque else { return nobody() };
        let found = opaque.asking.find(token);
        if let Some(trail) = trail {
            trail.authority(&SelectedAuthority::Configured(authority));
            trail.change(|notes| notes.was_cached = Some(found.was_kept));
        }
        match found.outcome.into_now() {
            Ok(outcome) => self.judge_outcome(&outcome, authority),
            Err(later) => {
                let verifier = self.clone();
                NowOrLater::later(async move {
                    let outcome = later.await;
                    match verifier.core().authorities.opaque_at(position) {
                        Some(authority) => verifier.judge_outcome(&outcome, authority).await,
                        None => Err(Reason::NotConfigured.into()),
                    }
                })
            }
        }
    }

    /// The authority that would be asked about this token, if it is one that asks.
    pub(super) fn opaque_authority(&self, token: &[u8]) -> Option<&ReadyAuthority> {
        let opaque = self.core().authorities.opaque()?;
        opaque.get(opaque.position_of(token, &self.core().limits)?)
    }

    /// The answer is judged like the payload of a token whose signature was good, each time.
    fn judge_outcome(
        &self,
        outcome: &Outcome,
        authority: &ReadyAuthority,
    ) -> NowOrLater<Result<Jwt<C>, AuthError>> {
        let refused = |error| NowOrLater::ready(Err(error));
        let claims = match outcome {
            Outcome::Active(claims) => claims,
            Outcome::NotActive => return refused(Reason::Inactive.into()),
            Outcome::Malformed => return refused(Reason::MalformedToken.into()),
            Outcome::Unknown(why) => {
                return refused(AuthError::new(Reason::RevocationUnavailable).with_source(why.to_string()));
            }
        };
        let now = self.core().clock.now();
        let jwt = self.read_claims(claims.as_bytes(), authority, now, None, Leniencies::default());
        let judge_life = |jwt: Jwt<C>| match self.revocations() {
            Some(revocations) => revocations.judge_asked(&jwt.registered().facts()).map(|()| jwt),
            None => Ok(jwt),
        };
        match jwt.and_then(judge_life) {
            Ok(jwt) => self.with_checks(jwt, authority),
            Err(error) => refused(error.after_signature()),
        }
    }
}
