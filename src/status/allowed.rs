//! Which lists may be fetched: those that the user names, whatever a token says.

use crate::error::{ConfigError, ConfigProblemKind, Problems, shown_url};
use crate::keys::UrlRules;

/// Bytes of the URI of a list.
pub(super) const LONGEST_URI: usize = 2048;

/// The URIs of lists that may be fetched.
#[derive(Debug)]
pub(super) struct AllowedUris(Vec<String>);

impl AllowedUris {
    /// # Errors
    /// If there is none, or one is no URL that may be fetched from.
    pub(super) fn new(uris: Vec<String>, rules: &UrlRules) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        problems.take(rules.check_hosts());
        if uris.is_empty() {
            let remedy = "call .allow(\"https://id.example.com/statuslists/\")";
            let error = ConfigError::new("allow", "no status list may be fetched", remedy);
            problems.add(error.of_kind(ConfigProblemKind::Missing));
        }
        for uri in &uris {
            problems.take(rules.check("allow", uri));
            let refused = |problem: &str, remedy: &str| {
                ConfigError::new("allow", format!("{:?} {problem}", shown_url(uri)), remedy)
            };
            if uri.contains('*') {
                problems
                    .add(refused("holds an asterisk", "name a URI, or what URIs begin with, up to a slash"));
            }
            if uri.ends_with('/') && uri.contains('?') {
                let remedy = "name the URI with its query, without a slash at its end";
                problems.add(refused("ends with a slash, in its query", remedy));
            }
            if uri.len() > LONGEST_URI {
                problems.add(ConfigError::new("allow", "it is too long", "use at most 2,048 bytes"));
            }
        }
        problems.into_result()?;
        Ok(Self(uris))
    }

    /// Whether the list at this URI may be fetched.
    pub(super) fn allow(&self, uri: &str) -> bool {
        self.0.iter().any(|allowed| match uri.strip_prefix(&**allowed) {
            Some("") => true,
            Some(rest) => allowed.ends_with('/') && is_plain_path(rest),
            None => false,
        })
    }
}

/// Whether a client reads this path as it stands: nothing in it leads upwards, is decoded, or ends the path.
fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    path.split('/').all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(uris: &[&str]) -> Result<AllowedUris, String> {
        let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        AllowedUris::new(uris, &UrlRules::set_by("StatusLists")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_uri_is_allowed_exactly_or_below_a_slash() {
        let uris =
            allowed(&["https://a.example/list?id=1", "https://b.example/lists/", "https://c.example/1"]);
        let uris = uris.unwrap();
        for uri in [
            "https://a.example/list?id=1",
            "https://b.example/lists/7",
            "https://b.example/lists/2026/a-b_c.~d",
            "https://b.example/lists/",
            "https://c.example/1",
        ] {
            assert!(uris.allow(uri), "{uri}");
        }
        for uri in [
            "",
            "https://a.example/list",
            "https://a.example/list?id=10",
            "https://a.example/list?id=1&x",
            "https://b.example/lists",
            "https://b.example/lists/../admin",
            "https://b.example/lists/a/../../admin",
            "https://b.example/lists/./a",
            "https://b.example/lists/%2e%2e/admin",
            "https://b.example/lists/a%2fb",
            "https://b.example/lists/..\\admin",
            "https://b.example/lists//a",
            "https://b.example/lists/a/",
            "https://b.example/lists/a?b",
            "https://b.example/lists/a#b",
            "https://b.example/lists/a b",
            "https://b.example/lists/a\nb",
            "https://b.example/lists/\u{e9}",
            "http://b.example/lists/7",
            "HTTPS://b.example/lists/7",
            "https://B.example/lists/7",
            "https://b.example:443/lists/7",
            "https://b.example@evil.example/lists/7",
            "https://c.example/12",
            "https://c.example/1/2",
            "https://c.example/",
        ] {
            assert!(!uris.allow(uri), "{uri}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_at_the_start() {
        for (uri, word) in [
            ("http://id.example.com/lists/", "is not https"),
            ("https://*.example.com/lists/", "asterisk"),
            ("https://id.example.com/*", "asterisk"),
            ("https://", "is not a URL"),
            ("https:///lists/", ""),
            ("/lists/", "no host"),
            ("https://bob:secret@id.example.com/", "credentials"),
            ("https://id.example.com/?list=/", "in its query"),
            ("https://id.example.com/#a", "fragment"),
        ] {
            let error = allowed(&[uri]).unwrap_err();
            assert!(error.contains(word) && !error.contains("secret"), "{uri}: {error}");
        }
        let none = allowed(&[]).unwrap_err();
        assert!(none.contains("no status list may be fetched"), "{none}");
    }
}
