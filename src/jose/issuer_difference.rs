//! How two issuers differ that look the same: the commonest mistake in the settings of a verifier.

use std::error::Error;
use std::fmt;

/// How two issuers differ that could be taken for the same. Issuers are compared exactly (RFC 7519 section 4.1.1, RFC 8414
/// section 3.3), so they are not the same. It says nothing of their text, so it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IssuerDifference {
    scheme: bool,
    slash: bool,
    letters: bool,
}

impl IssuerDifference {
    /// `None` if they are identical, or differ by more.
    pub(crate) fn between(one: &str, other: &str) -> Option<Self> {
        let ((scheme, rest), (other_scheme, other_rest)) = (split(one), split(other));
        let (name, other_name) = (rest.trim_end_matches('/'), other_rest.trim_end_matches('/'));
        if one == other || !name.eq_ignore_ascii_case(other_name) {
            return None;
        }
        Some(Self {
            scheme: scheme != other_scheme,
            slash: rest.len() - name.len() != other_rest.len() - other_name.len(),
            letters: name != other_name,
        })
    }
}

/// The scheme, if it is one of the web, and what follows it.
fn split(issuer: &str) -> (&str, &str) {
    let is_of_the_web =
        |scheme: &str| scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    issuer.split_once("://").filter(|(scheme, _)| is_of_the_web(scheme)).unwrap_or(("", issuer))
}

impl fmt::Display for IssuerDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.scheme, "https or http"),
            (self.slash, "the slash at the end"),
            (self.letters, "capital letters"),
        ];
        let parts: Vec<&str> =
            parts.into_iter().filter_map(|(differs, part)| differs.then_some(part)).collect();
        write!(f, "the issuers differ by {} alone", parts.join(" and "))
    }
}

impl Error for IssuerDifference {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_told_apart() {
        for (one, other, expected) in [
            ("https://id.example.com", "https://id.example.com/", "the slash at the end"),
            ("https://id.example.com//", "https://id.example.com/", "the slash at the end"),
            ("http://id.example.com", "https://id.example.com", "https or http"),
            ("id.example.com", "https://id.example.com", "https or http"),
            ("https://ID.example.com/Shop", "https://id.example.com/shop", "capital letters"),
            ("HTTP://id.example.com/", "https://id.example.com", "https or http and the slash at the end"),
            ("Shop", "shop", "capital letters"),
        ] {
            let expected = Some(format!("the issuers differ by {expected} alone"));
            let said =
                |one, other| IssuerDifference::between(one, other).map(|difference| difference.to_string());
            assert_eq!(said(one, other), expected, "{one} {other}");
            assert_eq!(said(other, one), expected, "{other} {one}");
        }
        for (one, other) in [
            ("https://id.example.com", "https://id.example.com"),
            ("https://id.example.com", "https://id.example.org"),
            ("https://id.example.com/a", "https://id.example.com/b"),
            ("https://id.example.com", "https://id.example.com:443"),
            ("", "https://id.example.com"),
        ] {
            assert_eq!(IssuerDifference::between(one, other), None, "{one} {other}");
        }
    }
}
