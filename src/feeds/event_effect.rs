//! The table of events: what each revokes.

use serde_json::Value;

use super::subject::{Named, Subject};
use crate::revocation::Revocation;
use crate::runtime::UnixTime;

/// Events of CAEP and RISC that revoke tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SecurityEvent {
    /// CAEP `session-revoked`, and its older form, RISC `sessions-revoked`.
    SessionRevoked,
    /// CAEP `token-claims-change`: the user's tokens say what is no longer true.
    TokenClaimsChange,
    /// CAEP `credential-change`, but for a credential that was added (`create`).
    CredentialChange,
    /// RISC `account-credential-change-required`.
    CredentialChangeRequired,
    /// RISC `credential-compromise`.
    CredentialCompromise,
    /// RISC `account-disabled`.
    AccountDisabled,
    /// RISC `account-purged`.
    AccountPurged,
}

impl SecurityEvent {
    pub(super) const ALL: [Self; 7] = [
        Self::SessionRevoked,
        Self::TokenClaimsChange,
        Self::CredentialChange,
        Self::CredentialChangeRequired,
        Self::CredentialCompromise,
        Self::AccountDisabled,
        Self::AccountPurged,
    ];

    /// The event of this URI.
    pub(super) fn of_uri(uri: &str) -> Option<Self> {
        Some(match uri.strip_prefix("https://schemas.openid.net/secevent/")? {
            "caep/event-type/session-revoked" | "risc/event-type/sessions-revoked" => Self::SessionRevoked,
            "caep/event-type/token-claims-change" => Self::TokenClaimsChange,
            "caep/event-type/credential-change" => Self::CredentialChange,
            "risc/event-type/account-credential-change-required" => Self::CredentialChangeRequired,
            "risc/event-type/credential-compromise" => Self::CredentialCompromise,
            "risc/event-type/account-disabled" => Self::AccountDisabled,
            "risc/event-type/account-purged" => Self::AccountPurged,
            _ => return None,
        })
    }

    /// Whether tokens that were issued between the event and its message are no good either.
    pub(super) fn reaches_until_told(self) -> bool {
        matches!(
            self,
            Self::CredentialChangeRequired
                | Self::CredentialCompromise
                | Self::AccountDisabled
                | Self::AccountPurged
        )
    }

    /// Whether this event takes anything from anybody. To add a second factor does not.
    pub(super) fn is_harmless(self, event: &Value) -> bool {
        self == Self::CredentialChange && event.get("change_type").and_then(Value::as_str) == Some("create")
    }
}

/// Whose tokens may be revoked, and by what.
#[derive(Debug)]
pub(super) struct Effect<'a> {
    /// The issuers of tokens for which the transmitter may speak. Never empty.
    pub(super) issuers: &'a [String],
    pub(super) by_subject: bool,
}

impl Effect<'_> {
    /// What the event revokes: nothing, if no tokens can be found by its subject.
    pub(super) fn of(&self, event: SecurityEvent, subject: &Subject, at: UnixTime) -> Vec<Revocation> {
        let mut found = Vec::new();
        let user = |issuer: &str, name: &str| Revocation::subject(issuer, name).issued_before(at);
        let tell_session = event == SecurityEvent::SessionRevoked;
        let by_session = tell_session || subject.users.is_empty();
        if by_session {
            self.each(&subject.sessions, &mut found, |issuer, name| Revocation::session(issuer, name));
        }
        if !tell_session || subject.sessions.is_empty() || self.by_subject {
            self.each(&subject.users, &mut found, user);
        }
        // When the token expires is not told, so its revocation is kept as long as a token may live.
        self.each(&subject.tokens, &mut found, |issuer, name| {
            Revocation::token(issuer, name, UnixTime::LATEST)
        });
        for issuer in self.issuers {
            for name in &subject.opaque {
                if tell_session {
                    found.push(Revocation::session(&**issuer, &**name));
                }
                found.push(user(issuer, name));
            }
        }
        found
    }

    /// One for each name whose issuer is among those for which the transmitter may speak.
    fn each(&self, named: &[Named], found: &mut Vec<Revocation>, make: impl Fn(&str, &str) -> Revocation) {
        for Named { issuer, name } in named {
            let speaks_for = |ours: &&String| issuer.as_ref().is_none_or(|issuer| issuer == *ours);
            found.extend(self.issuers.iter().filter(speaks_for).map(|issuer| make(issuer, name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: UnixTime = UnixTime::from_secs(1_600_000_000);

    fn effect(event: SecurityEvent, subject: &Value) -> Vec<Revocation> {
        let issuers = ["https://id".to_owned()];
        Effect { issuers: &issuers, by_subject: false }.of(event, &Subject::of(subject), AT)
    }

    fn bob() -> Value {
        json!({ "format": "iss_sub", "iss": "https://id", "sub": "bob" })
    }

    #[test]
    fn each_event_revokes_what_was_issued_to_the_user_before_it() {
        for event in SecurityEvent::ALL {
            let expected = Revocation::subject("https://id", "bob").issued_before(AT);
            assert_eq!(effect(event, &bob()), [expected], "{event:?}");
        }
    }

    #[test]
    fn a_session_ends_alone() {
        let session = json!({ "format": "opaque", "id": "sid-7" });
        let both = json!({ "format": "complex", "user": bob(), "session": session });
        let of_session = [Revocation::session("https://id", "sid-7")];
        assert_eq!(effect(SecurityEvent::SessionRevoked, &both), of_session);
        let alone = json!({ "format": "complex", "session": session });
        assert_eq!(effect(SecurityEvent::SessionRevoked, &alone), of_session);
        assert_eq!(effect(SecurityEvent::TokenClaimsChange, &alone), of_session);
        let of_user = Revocation::subject("https://id", "bob").issued_before(AT);
        assert_eq!(effect(SecurityEvent::AccountDisabled, &both), std::slice::from_ref(&of_user));
        let issuers = ["https://id".to_owned()];
        let by_subject = Effect { issuers: &issuers, by_subject: true };
        let found = by_subject.of(SecurityEvent::SessionRevoked, &Subject::of(&both), AT);
        assert_eq!(found, [of_session[0].clone(), of_user]);
    }

    #[test]
    fn a_name_that_both_sides_know_may_be_either() {
        let name = json!({ "format": "opaque", "id": "x" });
        let session = Revocation::session("https://id", "x");
        let user = Revocation::subject("https://id", "x").issued_before(AT);
        assert_eq!(effect(SecurityEvent::SessionRevoked, &name), [session, user.clone()]);
        assert_eq!(effect(SecurityEvent::AccountDisabled, &name), [user]);
    }

    #[test]
    fn a_transmitter_speaks_for_its_issuers_alone() {
        let foreign = json!({ "format": "iss_sub", "iss": "https://other", "sub": "bob" });
        assert_eq!(effect(SecurityEvent::AccountDisabled, &foreign), []);
        let token = json!({ "format": "jwt_id", "iss": "https://other", "jti": "j" });
        assert_eq!(effect(SecurityEvent::SessionRevoked, &token), []);
        let issuers = ["https://other".to_owned(), "https://id".to_owned()];
        let two = Effect { issuers: &issuers, by_subject: false };
        let found = two.of(SecurityEvent::AccountDisabled, &Subject::of(&foreign), AT);
        assert_eq!(found, [Revocation::subject("https://other", "bob").issued_before(AT)]);
        let unnamed = json!({ "format": "complex", "user": { "format": "opaque", "id": "bob" } });
        assert_eq!(two.of(SecurityEvent::AccountDisabled, &Subject::of(&unnamed), AT).len(), 2);
    }

    #[test]
    fn the_uris_are_those_of_the_standards() {
        let of = |uri: &str| SecurityEvent::of_uri(&format!("https://schemas.openid.net/secevent/{uri}"));
        for (uri, event) in [
            ("caep/event-type/session-revoked", SecurityEvent::SessionRevoked),
            ("risc/event-type/sessions-revoked", SecurityEvent::SessionRevoked),
            ("caep/event-type/token-claims-change", SecurityEvent::TokenClaimsChange),
            ("caep/event-type/credential-change", SecurityEvent::CredentialChange),
            ("risc/event-type/account-credential-change-required", SecurityEvent::CredentialChangeRequired),
            ("risc/event-type/credential-compromise", SecurityEvent::CredentialCompromise),
            ("risc/event-type/account-disabled", SecurityEvent::AccountDisabled),
            ("risc/event-type/account-purged", SecurityEvent::AccountPurged),
        ] {
            assert_eq!(of(uri), Some(event), "{uri}");
        }
        for other in [
            "caep/event-type/account-disabled",
            "caep/event-type/assurance-level-change",
            "risc/event-type/account-enabled",
            "ssf/event-type/verification",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(SecurityEvent::of_uri("caep/event-type/session-revoked"), None);
    }

    #[test]
    fn a_credential_that_was_added_harms_nobody() {
        let change =
            |kind: &str| SecurityEvent::CredentialChange.is_harmless(&json!({ "change_type": kind }));
        assert!(change("create"));
        assert!(!change("update") && !change("revoke") && !change("delete") && !change("Create"));
        assert!(!SecurityEvent::CredentialCompromise.is_harmless(&json!({ "change_type": "create" })));
    }
}
