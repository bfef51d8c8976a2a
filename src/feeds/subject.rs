//! Whom an event is about: subject identifiers (RFC 9493), and what the Shared Signals Framework adds to them.

use serde_json::Value;

/// Who or what a subject names, as far as tokens can be found by it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// `sub`, and its issuer if that is told.
    pub(super) users: Vec<Named>,
    /// `sid`, and its issuer if that is told.
    pub(super) sessions: Vec<Named>,
    /// `jti` and its issuer.
    pub(super) tokens: Vec<Named>,
    /// A name that both sides know, of a user or a session.
    pub(super) opaque: Vec<String>,
    /// Something in it is of a format by which no tokens can be found.
    pub(super) has_unknown: bool,
}

/// A name, and the issuer to whom it belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) issuer: Option<String>,
    pub(super) name: String,
}

/// Identifiers of one subject that are read.
const ALIASES: usize = 16;

impl Subject {
    /// Reads a subject identifier of any format.
    pub(super) fn of(identifier: &Value) -> Self {
        let mut subject = Self::default();
        subject.add(identifier);
        subject
    }

    /// The subject that the claims `iss` and `sub` name.
    pub(super) fn of_claims(issuer: &str, sub: &str) -> Self {
        let user = Named { issuer: Some(issuer.to_owned()), name: sub.to_owned() };
        Self { users: vec![user], ..Self::default() }
    }

    fn add(&mut self, identifier: &Value) {
        match format_of(identifier) {
            Some("complex") => self.add_complex(identifier),
            // Drafts of CAEP had no format here, and some transmitters have none.
            None if ["user", "session"]
                .iter()
                .any(|name| identifier.get(name).is_some_and(Value::is_object)) =>
            {
                self.add_complex(identifier);
            }
            // RFC 9493 section 3.2.8: none of them is of this format again.
            Some("aliases") => {
                let aliases = identifier.get("identifiers").and_then(Value::as_array);
                for alias in aliases.into_iter().flatten().take(ALIASES) {
                    self.add_simple(alias);
                }
            }
            _ => self.add_simple(identifier),
        }
    }

    fn add_simple(&mut self, identifier: &Value) {
        let text = |name: &str| identifier.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (format_of(identifier), text("iss"), text("sub"), text("jti"), text("id")) {
            // The hyphen is that of Google's transmitter.
            (Some("iss_sub" | "iss-sub"), Some(issuer), Some(sub), ..) => {
                self.users.push(Named { issuer: Some(issuer.to_owned()), name: sub.to_owned() });
            }
            (Some("jwt_id"), Some(issuer), _, Some(jti), _) => {
                self.tokens.push(Named { issuer: Some(issuer.to_owned()), name: jti.to_owned() });
            }
            (Some("opaque"), .., Some(id)) => self.opaque.push(id.to_owned()),
            _ => self.has_unknown = true,
        }
    }

    /// Each member narrows the subject: a session of a user, or a user on a device.
    fn add_complex(&mut self, identifier: &Value) {
        let Some(members) = identifier.as_object() else { return };
        for (name, member) in members {
            let mut one = Self::default();
            one.add_simple(member);
            let opaque = one.opaque.into_iter().map(|name| Named { issuer: None, name });
            match name.as_str() {
                "user" => self.users.extend(one.users.into_iter().chain(opaque)),
                "session" => self.sessions.extend(one.users.into_iter().chain(opaque)),
                // Wider than the user or the session, or narrower: what is revoked is that of all devices.
                "format" | "subject_type" | "device" | "application" | "tenant" | "org_unit" | "group" => {
                    continue;
                }
                _ => self.has_unknown = true,
            }
            self.tokens.extend(one.tokens);
            self.has_unknown |= one.has_unknown;
        }
    }
}

/// `subject_type` is what drafts called it, and some transmitters do.
fn format_of(identifier: &Value) -> Option<&str> {
    identifier.get("format").or_else(|| identifier.get("subject_type")).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(issuer: impl Into<Option<&'static str>>, name: &str) -> Vec<Named> {
        vec![Named { issuer: issuer.into().map(str::to_owned), name: name.to_owned() }]
    }

    #[test]
    fn the_formats_by_which_tokens_are_found() {
        let subject = Subject::of(&json!({ "format": "iss_sub", "iss": "i", "sub": "s" }));
        assert_eq!(subject, Subject { users: named("i", "s"), ..Subject::default() });
        let subject = Subject::of(&json!({ "subject_type": "iss-sub", "iss": "i", "sub": "s" }));
        assert_eq!(subject, Subject { users: named("i", "s"), ..Subject::default() });
        let subject = Subject::of(&json!({ "format": "opaque", "id": "x" }));
        assert_eq!(subject, Subject { opaque: vec!["x".to_owned()], ..Subject::default() });
        let subject = Subject::of(&json!({ "format": "jwt_id", "iss": "i", "jti": "j" }));
        assert_eq!(subject, Subject { tokens: named("i", "j"), ..Subject::default() });
    }

    #[test]
    fn a_complex_subject_is_read_by_its_members() {
        let subject = Subject::of(&json!({
            "format": "complex",
            "session": { "format": "opaque", "id": "sid" },
            "user": { "format": "iss_sub", "iss": "i", "sub": "s" },
            "tenant": { "format": "opaque", "id": "123456789" },
            "device": { "format": "iss_sub", "iss": "i", "sub": "no user" },
        }));
        let expected = Subject { users: named("i", "s"), sessions: named(None, "sid"), ..Subject::default() };
        assert_eq!(subject, expected);
        let of_drafts = Subject::of(&json!({ "user": { "format": "iss_sub", "iss": "i", "sub": "s" } }));
        assert_eq!(of_drafts, Subject { users: named("i", "s"), ..Subject::default() });
        let nested = Subject::of(&json!({
            "format": "complex",
            "user": { "format": "complex", "user": { "format": "opaque", "id": "x" } },
        }));
        assert_eq!(nested, Subject { has_unknown: true, ..Subject::default() });
    }

    #[test]
    fn aliases_are_read_one_by_one_and_not_nested() {
        let subject = Subject::of(&json!({ "format": "aliases", "identifiers": [
            { "format": "email", "email": "user@example.com" },
            { "format": "iss_sub", "iss": "i", "sub": "s" },
            { "format": "aliases", "identifiers": [{ "format": "iss_sub", "iss": "i", "sub": "t" }] },
        ]}));
        assert_eq!(subject, Subject { users: named("i", "s"), has_unknown: true, ..Subject::default() });
    }

    #[test]
    fn what_names_no_tokens_is_unknown() {
        for unknown in [
            json!({ "format": "email", "email": "user@example.com" }),
            json!({ "format": "catalog_item", "id": "x" }),
            json!({ "format": "iss_sub", "iss": "i" }),
            json!({ "format": "iss_sub", "iss": "i", "sub": 7 }),
            json!({ "format": "opaque", "id": "" }),
            json!({ "format": ["opaque"], "id": "x" }),
            json!({ "id": "x" }),
            json!("x"),
            json!(null),
        ] {
            let nothing = Subject { has_unknown: true, ..Subject::default() };
            assert_eq!(Subject::of(&unknown), nothing, "{unknown}");
        }
    }
}
