//! What caches are told (RFC 9111). They keep the answer to a request with `Authorization` from others by themselves
//! (section 3.5), but not where the credential is elsewhere.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the answers to a request say to caches: nothing, where only `Authorization` is a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caching {
    /// Shared by all requests, because it is cloned for each.
    vary: Option<Arc<Vary>>,
    private: bool,
}

/// The headers beside `Authorization` that the answers depend on.
#[derive(Debug)]
struct Vary {
    names: Vec<HeaderName>,
    line: HeaderValue,
}

impl Caching {
    /// For a layer that reads the token from these headers, too.
    pub(in crate::layer) fn of(own_headers: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut names: Vec<HeaderName> = Vec::new();
        for name in own_headers {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let vary = line(names.iter().map(|name| name.as_str().as_bytes())).map(|line| Vary { names, line });
        Self { vary: vary.map(Arc::new), private: false }
    }

    /// For one request; `private` if its credential is not in `Authorization`.
    pub(in crate::layer) fn for_request(&self, private: bool) -> Self {
        Self { vary: self.vary.clone(), private }
    }

    /// Completes the head of an answer. What it says itself to caches is left.
    pub(super) fn complete(&self, headers: &mut HeaderMap) {
        if let Some(vary) = &self.vary {
            vary.add_to(headers);
        }
        if self.private && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
    }
}

impl Vary {
    /// Keeps what is listed already, in one line, because not every cache reads a second one.
    fn add_to(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(VARY) {
            headers.insert(VARY, self.line.clone());
            return;
        }
        let lines = headers.get_all(VARY).iter();
        let mut listed: Vec<&[u8]> = lines
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
            .collect();
        let is_listed = |name: &&HeaderName| {
            let name = name.as_str().as_bytes();
            listed.iter().any(|one| *one == b"*" || one.eq_ignore_ascii_case(name))
        };
        let missing: Vec<&HeaderName> = self.names.iter().filter(|name| !is_listed(name)).collect();
        if missing.is_empty() {
            return;
        }
        listed.extend(missing.iter().map(|name| name.as_str().as_bytes()));
        if let Some(line) = line(listed.into_iter()) {
            headers.insert(VARY, line);
        }
    }
}

/// A list in one line; `None` if it is empty.
fn line<'n>(names: impl Iterator<Item = &'n [u8]>) -> Option<HeaderValue> {
    let names: Vec<&[u8]> = names.collect();
    HeaderValue::from_bytes(&names.join(&b", "[..])).ok().filter(|line| !line.is_empty())
}
