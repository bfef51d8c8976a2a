//! What the user calls a setting, and the name that a misspelt one was meant to be.

use std::collections::BTreeMap;

use crate::error::{ConfigError, ConfigProblem, Problems};

/// The user's names of settings that have another path here.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, &'static str>);

impl Names {
    pub(super) fn add(&mut self, path: String, name: &'static str) {
        self.0.insert(path, name);
    }

    /// The name of the setting at this path, or of the nearest one around it; the path itself for a file.
    pub(super) fn of(&self, path: &str) -> String {
        let mut around = path;
        loop {
            if let Some(name) = self.0.get(around) {
                return (*name).to_owned();
            }
            let Some(end) = around.rfind(['.', '[']) else { break };
            around = around.get(..end).unwrap_or_default();
        }
        path.to_owned()
    }

    /// The same mistake, at this path and in the words of a configuration.
    pub(super) fn rename(&self, problem: &ConfigProblem, path: &str) -> ConfigError {
        let words = |text: &str| self.in_words(text, path);
        ConfigError::new(self.of(path), words(problem.problem()), words(problem.remedy()))
            .of_kind(problem.kind())
    }

    /// All of these mistakes, at one path.
    pub(super) fn rename_all(&self, error: &ConfigError, path: &str) -> ConfigError {
        let mut all = Problems::default();
        error.problems().iter().for_each(|problem| all.add(self.rename(problem, path)));
        all.into_error()
    }

    /// What is said of a call, said of the setting that makes it.
    fn in_words(&self, text: &str, path: &str) -> String {
        let authority = path.split_once('.').map_or("", |(table, _)| table);
        // The key says which authority it is.
        let text = text
            .rsplit_once(" (authority ")
            .filter(|(_, end)| end.ends_with(')'))
            .map_or(text, |(text, _)| text);
        let mut text = text.to_owned();
        for (said, words, setting) in CALLS {
            if text.contains(said) {
                let name = self.of(&setting.replace('@', authority));
                text = text.replace(said, &words.replace("{}", &name)).trim_end_matches("])").to_owned();
            }
        }
        text
    }
}

/// Calls in the words of builders: what is said instead, and of which setting.
const CALLS: [(&str, &str, &str); 16] = [
    ("put them into a header (HttpFetch::builder)", "send a token by {}", "@.fetch.bearer_token_file"),
    ("give the contents, not its path", "see that the file has a public key or certificate as PEM", ""),
    (
        "give the public signature keys as RFC 7517 says: kty RSA, EC or OKP",
        "give a JWK set as RFC 7517 says, {\"keys\": [..]}",
        "",
    ),
    ("make one with `openssl", "if it is text, begin it with raw:; or make one with `openssl", ""),
    ("call RemoteKeys::insecure_http_on_loopback()", "set {}", "@.fetch.insecure_http_on_loopback"),
    ("call RemoteKeys::insecure_http_hosts([", "let {} name ", "@.fetch.insecure_http_hosts"),
    ("or do not call .algorithms(..)", "or leave {} out", "@.algorithms"),
    ("rfc9068() is set, and a typ(..) other", "{} is rfc9068, and the typ is another", "@.profile"),
    ("both discovery_url(..) and jwks_url(..) are set", "the other address of keys is set as well", ""),
    ("call jwks_url(..) instead", "set {} instead", "@.jwks_url"),
    ("call Secret::from_hex, or Secret::from_bytes if", "begin it with hex: (or with raw: if", ""),
    ("takes the text itself", "takes the text itself)", ""),
    ("use TokenSource::bearer()", "use bearer", ""),
    ("use TokenSource::cookie(..)", "use cookie:NAME", ""),
    ("use TokenSource::websocket_protocol(..)", "use websocket_protocol:PREFIX", ""),
    (
        "name your own with HttpFetch::builder().root_certificates(..)",
        "name your own in {}",
        "@.fetch.ca_file",
    ),
];

/// The one of these names that this one was probably meant to be.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = |known: &str| distance(name, known);
    let found = names.into_iter().min_by_key(|known| near(known))?;
    (near(found) <= 2.max(found.len() / 4)).then_some(found)
}

/// How many letters must be added, removed or replaced.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, letter) in from.chars().enumerate() {
        let (mut corner, mut left) = (index, index + 1);
        let mut next = vec![left];
        for (other, above) in to.chars().zip(row.iter().skip(1)) {
            left = (corner + usize::from(letter != other)).min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (from, to, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("leewya", "leeway", 2)]
        {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_a_near_name_is_meant() {
        assert_eq!(nearest("leewya", ["issuer", "leeway"]), Some("leeway"));
        assert_eq!(nearest("colour", ["issuer", "leeway"]), None);
        assert_eq!(nearest("colour", []), None);
    }
}
