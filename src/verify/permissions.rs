//! Where an authority's tokens keep roles, and which scopes and roles the authority may grant at all.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::error::{AuthError, ConfigError, Reason};

/// What one authority may grant.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    /// RFC 6901; there is no default place.
    pub(super) roles_at: Option<Pointer>,
    pub(super) only_roles: Option<HashSet<String>>,
    pub(super) only_scopes: Option<Arc<HashSet<String>>>,
}

impl Permissions {
    /// Whether there are none, whatever the tokens say.
    pub(super) fn grants_no_roles(&self) -> bool {
        self.only_roles.as_ref().is_some_and(HashSet::is_empty)
    }

    /// The roles of a payload; `None` if the authority names no place for them.
    ///
    /// # Errors
    /// If the place holds something other than a string, an array of strings, or an object.
    pub(super) fn roles(&self, payload: &str) -> Result<Option<Vec<Box<str>>>, AuthError> {
        if self.grants_no_roles() {
            return Ok(Some(Vec::new()));
        }
        let Some(pointer) = &self.roles_at else { return Ok(None) };
        let unreadable = || AuthError::new(Reason::InvalidClaim).with_claim(pointer.claim().to_owned());
        let roles = match pointer.find(payload).map_err(|Unreadable| unreadable())? {
            Some(value) => names(value).map_err(|Unreadable| unreadable())?,
            None => Vec::new(),
        };
        let may =
            |role: &&Cow<'_, str>| self.only_roles.as_ref().is_none_or(|only| only.contains(role.as_ref()));
        Ok(Some(roles.iter().filter(may).map(|role| role.as_ref().into()).collect()))
    }
}

/// A JSON pointer (RFC 6901), its tokens unescaped.
#[derive(Debug)]
pub(super) struct Pointer(Vec<String>);

/// A value on the way is not of the type that is needed, or has a member twice.
#[derive(Debug)]
pub(super) struct Unreadable;

impl Pointer {
    pub(super) fn new(text: &str) -> Result<Self, ConfigError> {
        let refused = || {
            ConfigError::new(
                "roles_at",
                format!("{text:?} is not a JSON pointer to a member of the payload"),
                "write it as RFC 6901 says, such as /realm_access/roles (~1 for a slash, ~0 for a tilde)",
            )
        };
        let tokens = text.strip_prefix('/').ok_or_else(refused)?.split('/').map(|token| {
            let unescaped = token.replace("~1", "/").replace("~0", "~");
            let stray = token.replace("~1", "").replace("~0", "").contains('~');
            if stray || token.is_empty() { Err(refused()) } else { Ok(unescaped) }
        });
        Ok(Self(tokens.collect::<Result<_, _>>()?))
    }

    /// The claim that it leads into.
    pub(super) fn claim(&self) -> &str {
        self.0.first().map(String::as_str).unwrap_or_default()
    }

    /// The JSON text at this place.
    pub(super) fn find<'p>(&self, payload: &'p str) -> Result<Option<&'p str>, Unreadable> {
        let mut value = payload;
        for token in &self.0 {
            let next = match value.as_bytes().first() {
                Some(b'[') => {
                    let elements: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| Unreadable)?;
                    token.parse().ok().and_then(|index: usize| elements.get(index).copied())
                }
                _ => members(value)?.remove(token.as_str()),
            };
            match next {
                Some(found) => value = found.get(),
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

/// The members of an object; a name that stands twice is refused.
fn members(object: &str) -> Result<HashMap<Cow<'_, str>, &RawValue>, Unreadable> {
    struct Members;

    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = HashMap<Cow<'de, str>, &'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = HashMap::new();
            while let Some(name) = map.next_key_seed(crate::jose::Name)? {
                if members.insert(name, map.next_value()?).is_some() {
                    return Err(serde::de::Error::custom("duplicate member"));
                }
            }
            Ok(members)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(object);
    serde::Deserializer::deserialize_map(&mut deserializer, Members).map_err(|_| Unreadable)
}

/// The names that a string, an array of strings or the keys of an object are; a key that is `false` or `null` is
/// not there.
fn names(value: &str) -> Result<Vec<Cow<'_, str>>, Unreadable> {
    match value.as_bytes().first() {
        Some(b'"') => {
            #[derive(serde::Deserialize)]
            struct One<'v>(#[serde(borrow)] Cow<'v, str>);
            serde_json::from_str::<One<'_>>(value).map(|One(name)| vec![name]).map_err(|_| Unreadable)
        }
        Some(b'[') => serde_json::from_str(value).map_err(|_| Unreadable),
        Some(b'{') => {
            let said = |value: &RawValue| !matches!(value.get(), "false" | "null");
            Ok(members(value)?.into_iter().filter(|(_, value)| said(value)).map(|(name, _)| name).collect())
        }
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(pointer: &str, payload: &str) -> Result<Vec<String>, Reason> {
        let grants = Permissions { roles_at: Some(Pointer::new(pointer).unwrap()), ..Permissions::default() };
        let roles = grants.roles(payload).map_err(|error| error.reason())?.unwrap();
        let mut roles: Vec<String> = roles.into_iter().map(String::from).collect();
        roles.sort();
        Ok(roles)
    }

    #[test]
    fn a_string_an_array_or_the_keys_of_an_object() {
        let payload = r#"{ "role": "admin", "realm_access": { "roles": ["a", "b c"] }, "none": [],
            "urn:x/y~": { "owner": { "1": "d" }, "viewer": {}, "admin": false, "root": null }, "list": [{ "r": "x" }] }"#;
        assert_eq!(roles("/role", payload).unwrap(), ["admin"]);
        // An element is never split at its spaces.
        assert_eq!(roles("/realm_access/roles", payload).unwrap(), ["a", "b c"]);
        assert_eq!(roles("/urn:x~1y~0", payload).unwrap(), ["owner", "viewer"]);
        assert_eq!(roles("/list/0/r", payload).unwrap(), ["x"]);
        for absent in ["/none", "/absent", "/realm_access/groups", "/list/1/r", "/list/x"] {
            assert_eq!(roles(absent, payload).unwrap(), [""; 0], "{absent}");
        }
    }

    #[test]
    fn other_types_and_duplicates_are_refused() {
        for payload in [
            r#"{ "r": 1 }"#,
            r#"{ "r": null }"#,
            r#"{ "r": true }"#,
            r#"{ "r": ["a", 1] }"#,
            r#"{ "r": [["a"]] }"#,
            r#"{ "r": { "a": 1, "a": 2 } }"#,
        ] {
            assert_eq!(roles("/r", payload), Err(Reason::InvalidClaim), "{payload}");
        }
        assert_eq!(roles("/r/x", r#"{ "r": { "x": "a", "x": "b" } }"#), Err(Reason::InvalidClaim));
        assert_eq!(roles("/r/x", r#"{ "r": "text" }"#), Err(Reason::InvalidClaim));
    }

    #[test]
    fn a_cap_holds() {
        let grants = Permissions {
            roles_at: Some(Pointer::new("/r").unwrap()),
            only_roles: Some(["viewer".to_owned()].into()),
            ..Permissions::default()
        };
        let roles = grants.roles(r#"{ "r": ["admin", "viewer"] }"#).unwrap().unwrap();
        assert_eq!(roles, ["viewer".into()]);
        assert!(Permissions::default().roles("{}").unwrap().is_none());
    }

    #[test]
    fn pointers_are_checked() {
        for wrong in ["", "/", "roles", "realm_access.roles", "/a//b", "/a~2", "/a/"] {
            let error = Pointer::new(wrong).unwrap_err().to_string();
            assert!(error.contains("roles_at") && error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
