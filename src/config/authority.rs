//! The settings of an authority into an authority.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;

use super::files::{shown_path, text_of};
use super::layer::set;
use super::names::Names;
use super::settings::{AuthoritySettings, Profile};
use super::values::{Bounds, SecretText};
use crate::error::ConfigProblemKind::{Conflict, Missing, Unavailable};
use crate::error::{ConfigError, ConfigProblem, Problems};
use crate::jose::{Algorithm, Claims};
use crate::keys::{HttpFetch, KeySet, RemoteKeys, Secret};
use crate::runtime::trace;
use crate::store::FileKeyStore;
use crate::verify::{Authority, Verifier};

/// One authority, and what its settings are called.
pub(super) struct AuthorityConfig<'a> {
    pub(super) settings: &'a AuthoritySettings,
    pub(super) index: usize,
    pub(super) names: &'a Names,
}

impl AuthorityConfig<'_> {
    fn name(&self, key: &str) -> String {
        self.names.of(&format!("authorities[{}].{key}", self.index))
    }

    fn refused(&self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        ConfigError::new(self.name(key), problem, remedy)
    }

    /// The mistakes of the crate's own builders, under the user's names.
    fn renamed(&self, error: &ConfigError, keys: &str) -> ConfigError {
        let mut all = Problems::default();
        error.problems().iter().for_each(|problem| all.add(self.renamed_one(problem, keys)));
        all.into_error()
    }

    fn renamed_one(&self, problem: &ConfigProblem, keys: &str) -> ConfigError {
        let key = match problem.setting() {
            "secret" | "keys" => keys.to_owned(),
            "previous_secret" => self.previous_key().to_owned(),
            "url" if self.settings.oidc => "issuer".to_owned(),
            "url" => "jwks_url".to_owned(),
            "required_claim" => "required_claims".to_owned(),
            // The source of keys has a setting of this name, too, and other words.
            "max_age" if problem.problem().starts_with("it is zero") => "max_age".to_owned(),
            "HttpFetch" => "fetch".to_owned(),
            "root_certificates" => "fetch.ca_file".to_owned(),
            "client_certificate" => "fetch.client_certificate_file".to_owned(),
            of_fetch @ ("cooldown"
            | "stale"
            | "max_age"
            | "fetch_time"
            | "wait"
            | "proxy"
            | "insecure_http_hosts"
            | "bearer_token_file"
            | "keep_in") => format!("fetch.{of_fetch}"),
            other => other.to_owned(),
        };
        self.names.rename(problem, &format!("authorities[{}].{key}", self.index))
    }

    fn previous_key(&self) -> &'static str {
        if self.settings.previous_secret.is_some() { "previous_secret" } else { "previous_secret_file" }
    }

    /// The one origin of keys.
    fn origin(&self) -> Result<&'static str, ConfigError> {
        let s = self.settings;
        let given = [
            ("secret", s.secret.is_some()),
            ("secret_file", s.secret_file.is_some()),
            ("jwks", s.jwks.is_some()),
            ("jwks_file", s.jwks_file.is_some()),
            ("pem_file", s.pem_file.is_some()),
            ("jwks_url", s.jwks_url.is_some() && !s.oidc),
            ("oidc", s.oidc),
        ];
        let set: Vec<_> = given.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key).collect();
        match set.as_slice() {
            [one] => Ok(one),
            [first, others @ ..] => {
                let mut problems = Problems::default();
                for other in others {
                    let problem = format!("both {} and {} are set", self.name(first), self.name(other));
                    problems.add(self.refused(other, problem, "keep one of them").of_kind(Conflict));
                }
                Err(problems.into_error())
            }
            [] => {
                let all: Vec<_> = given.iter().map(|(key, _)| self.name(key)).collect();
                let remedy = format!("give one of {}", all.join(", "));
                Err(self.refused("secret", "no keys are given", remedy).of_kind(Missing))
            }
        }
    }

    /// # Errors
    /// If its keys cannot be used. The rules were checked before.
    pub(super) fn authority(&self) -> Result<Authority, ConfigError> {
        let origin = self.origin()?;
        Ok(self.with_rules(self.with_keys(origin)?, origin))
    }

    /// Notes all that is wrong. Rules are checked even where keys lack.
    pub(super) fn check(&self, problems: &mut Problems) {
        let table = format!("authorities[{}]", self.index);
        if problems.tells(&table) && self.has_no_settings() {
            // It was no table.
            return;
        }
        let could_not_read = ORIGINS.iter().any(|key| problems.tells(&self.name(key)));
        problems.add_all_unless_told(self.wrong_rules());
        let origin = self.origin();
        let made = origin.clone().and_then(|origin| {
            problems.add_all_unless_told(self.only_of(origin));
            self.authority()
        });
        if self.settings.oidc && self.settings.issuer.is_none() {
            // What lacks was told, and nothing can be made without it.
            return;
        }
        let (authority, has_keys) = match (made, &origin) {
            (Ok(authority), _) => (Some(authority), true),
            (Err(_), Err(none))
                if could_not_read && none.problems().iter().any(|told| told.kind() == Missing) =>
            {
                (stand_in().map(|authority| self.with_rules(authority, "secret")), false)
            }
            (Err(error), Ok(origin @ ("jwks_url" | "oidc"))) => {
                problems.add_unless_told(&error);
                (Some(self.with_rules(self.fetched(self.remote().0), origin)), true)
            }
            (Err(error), _) => {
                problems.add_unless_told(&error);
                (stand_in().map(|authority| self.with_rules(authority, "secret")), false)
            }
        };
        let Some(Err(error)) = authority.map(Verifier::<Claims>::new) else { return };
        let of_keys = ["keys", "secret", "algorithms"];
        let mut told = Problems::default();
        for problem in error.problems().iter().filter(|told| has_keys || !of_keys.contains(&told.setting())) {
            told.add(self.renamed_one(problem, origin.as_ref().copied().unwrap_or("secret")));
        }
        problems.add_all_unless_told(told);
    }

    fn has_no_settings(&self) -> bool {
        let s = self.settings;
        s.issuer.is_none() && s.audience.is_none() && self.origin().is_err()
    }

    /// What is wrong with rules by themselves, in the words of a configuration.
    fn wrong_rules(&self) -> Problems {
        let s = self.settings;
        let mut problems = Problems::default();
        if s.issuer.is_none() && !s.any_issuer {
            let remedy = format!("name the `iss` of the tokens, or set {}", self.name("any_issuer"));
            problems.add(self.refused("issuer", "it is not set", remedy).of_kind(Missing));
        }
        if s.issuer.is_some() && s.any_issuer {
            let problem = format!("{} is set as well", self.name("issuer"));
            problems.add(self.refused("any_issuer", problem, "keep one of them").of_kind(Conflict));
        }
        if s.oidc && s.issuer.is_none() {
            let remedy = format!("set {}", self.name("issuer"));
            problems.add(self.refused("oidc", "there is no issuer to discover", remedy).of_kind(Missing));
        }
        if s.audience.is_none() && !s.any_audience {
            let remedy = format!("name this service as `aud` does, or set {}", self.name("any_audience"));
            problems.add(self.refused("audience", "it is not set", remedy).of_kind(Missing));
        }
        if s.audience.as_ref().is_some_and(|audience| audience.0.is_empty()) {
            problems.add(self.refused("audience", "the list is empty", "name this service as `aud` does"));
        }
        if s.audience.is_some() && s.any_audience {
            let problem = format!("{} is set as well", self.name("audience"));
            problems.add(self.refused("any_audience", problem, "keep one of them").of_kind(Conflict));
        }
        for (key, text) in [("typ", &s.typ), ("subject", &s.subject)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                problems.add(self.refused(key, "it is empty", "give it a value, or leave it out"));
            }
        }
        for (index, claim) in s.required_claims.iter().enumerate() {
            if claim.trim() != claim {
                let problem = format!("{claim:?} begins or ends with white space");
                problems.add(self.refused(&format!("required_claims[{index}]"), problem, "trim it"));
            }
        }
        if s.algorithms.as_ref().is_some_and(Vec::is_empty) {
            problems.add(self.refused("algorithms", "the list is empty", "name one, or leave it out"));
        }
        if s.only_roles.as_ref().is_some_and(|only| !only.is_empty()) && s.roles_at.is_none() {
            let problem = "there is no place of roles to cap";
            let remedy = format!("set {} as well", self.name("roles_at"));
            problems.add(self.refused("only_roles", problem, remedy).of_kind(Missing));
        }
        problems
    }

    /// Settings that go with other keys.
    fn only_of(&self, origin: &str) -> Problems {
        let (s, f) = (self.settings, &self.settings.fetch);
        let mut problems = Problems::default();
        let fetched = matches!(origin, "jwks_url" | "oidc");
        for (key, is_set) in [
            ("fetch.insecure_http_hosts", !f.insecure_http_hosts.is_empty()),
            ("fetch.insecure_http_on_loopback", f.insecure_http_on_loopback),
            ("fetch.ca_file", f.ca_file.is_some()),
            ("fetch.client_certificate_file", f.client_certificate_file.is_some()),
            ("fetch.bearer_token_file", f.bearer_token_file.is_some()),
            ("fetch.proxy", f.proxy.is_some()),
            ("fetch.keep_in", f.keep_in.is_some()),
            ("fetch.max_age", f.max_age.is_some()),
            ("fetch.cooldown", f.cooldown.is_some()),
            ("fetch.stale", f.stale.is_some()),
            ("fetch.wait", f.wait.is_some()),
            ("fetch.fetch_time", f.fetch_time.is_some()),
        ] {
            if is_set && !fetched {
                let problem = format!("it is for keys that are fetched, and {} is set", self.name(origin));
                problems.add(self.refused(key, problem, "leave it out").of_kind(Conflict));
            }
        }
        if s.discovery_url.is_some() && origin != "oidc" {
            let problem = format!("it leads to keys, and {} is set", self.name(origin));
            problems.add(self.refused("discovery_url", problem, "keep one of them").of_kind(Conflict));
        }
        let previous = [s.previous_secret.is_some(), s.previous_secret_file.is_some()];
        if previous == [true, true] {
            let error = self.refused("previous_secret", "it is set twice", "keep one of them");
            problems.add(error.of_kind(Conflict));
        } else if previous != [false, false] && !matches!(origin, "secret" | "secret_file") {
            let problem = format!("it goes with a secret, and {} is set", self.name(origin));
            problems.add(self.refused(self.previous_key(), problem, "leave it out").of_kind(Conflict));
        }
        problems
    }

    fn with_keys(&self, origin: &str) -> Result<Authority, ConfigError> {
        let own = |error: ConfigError| self.renamed(&error, origin);
        let keys = |keys: Result<KeySet, ConfigError>| keys.map(Authority::keys).map_err(own);
        match origin {
            "secret" | "secret_file" => self.with_secret(origin),
            "jwks" | "jwks_file" => keys(KeySet::from_jwks_with_secrets(self.jwk_set(origin)?.as_str())),
            "pem_file" => self.with_pem(),
            _ => {
                let (keys, address) = self.remote();
                let (fetch, fetched_as) = self.fetch(&address)?;
                Ok(self.fetched(keys.fetch(fetch).configured_as(fetched_as)))
            }
        }
    }

    fn with_pem(&self) -> Result<Authority, ConfigError> {
        let mut problems = Problems::default();
        let pem = problems.take(self.file("pem_file", self.settings.pem_file.as_deref()));
        let algorithms = self.algorithms();
        let [algorithm] = algorithms.as_slice() else {
            let problem = "it does not name one algorithm";
            problems.add(self.refused("algorithms", problem, "name that of the key").of_kind(Missing));
            return Err(problems.into_error());
        };
        problems.into_result()?;
        let pem = pem.ok_or_else(ConfigError::no_backend)?;
        KeySet::from_pem(*algorithm, pem.as_str())
            .map(Authority::keys)
            .map_err(|error| self.renamed(&error, "pem_file"))
    }

    fn fetched(&self, keys: RemoteKeys) -> Authority {
        if self.settings.oidc { Authority::oidc(keys) } else { Authority::jwks(keys) }
    }

    fn jwk_set(&self, origin: &str) -> Result<SecretText, ConfigError> {
        match &self.settings.jwks {
            Some(jwks) => Ok(jwks.0.clone()),
            None => self.file(origin, self.settings.jwks_file.as_deref()),
        }
    }

    /// Logs which keys of a configured JWK set are not used, and why.
    pub(super) fn warn_of_skipped_keys(&self) {
        let Ok(origin @ ("jwks" | "jwks_file")) = self.origin() else { return };
        let set = self.jwk_set(origin).and_then(|jwks| KeySet::from_jwks_with_secrets(jwks.as_str()));
        for _key in set.iter().flat_map(KeySet::skipped) {
            trace::warn!(setting = self.name(origin), key = %_key, "a key is not used");
        }
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        self.settings.algorithms.iter().flatten().map(|name| name.0).collect()
    }

    fn with_secret(&self, origin: &str) -> Result<Authority, ConfigError> {
        let s = self.settings;
        let own = |error: ConfigError| self.renamed(&error, origin);
        let read = |key: &str, text: &Option<SecretText>, path: &Option<_>| match text {
            Some(text) => secret_of(text).map_err(|error| self.renamed(&error, key)),
            None => secret_of(&self.file(key, path.as_deref())?).map_err(|error| self.renamed(&error, key)),
        };
        let mut problems = Problems::default();
        let secret = problems.take(read(origin, &s.secret, &s.secret_file));
        let key = self.previous_key();
        let has_previous = s.previous_secret.is_some() || s.previous_secret_file.is_some();
        let previous = has_previous
            .then(|| problems.take(read(key, &s.previous_secret, &s.previous_secret_file)))
            .flatten();
        let algorithms = self.algorithms();
        if has_previous && algorithms.len() > 1 {
            problems.add(self.refused("algorithms", "a previous secret has one algorithm", "name one"));
        }
        let first = algorithms.first().copied().unwrap_or(Algorithm::HS256);
        if let Some(previous) = &previous {
            let tried = KeySet::from_secret(first, previous.clone());
            problems.take(tried.map_err(|error| self.renamed(&error, key)));
        }
        problems.into_result()?;
        let secret = secret.ok_or_else(ConfigError::no_backend)?;
        match (algorithms.as_slice(), previous) {
            ([], None) => Ok(Authority::hs256(secret)),
            (_, Some(previous)) => Ok(Authority::hmac(first, secret).previous_secret(previous)),
            (all, None) => {
                let mut sets =
                    all.iter().map(|algorithm| KeySet::from_secret(*algorithm, secret.clone()).map_err(own));
                sets.try_fold(KeySet::default(), |all, set| Ok(all.merge(&set?))).map(Authority::keys)
            }
        }
    }

    /// Keys that are fetched, but for what fetches them; and the address that is asked first.
    fn remote(&self) -> (RemoteKeys, String) {
        let (s, f) = (self.settings, &self.settings.fetch);
        let url = if s.oidc { &s.issuer } else { &s.jwks_url };
        let mut address = url.as_ref().map_or_else(String::new, |url| url.0.clone());
        let mut keys = RemoteKeys::new(&address).insecure_http_hosts(&f.insecure_http_hosts);
        if let (true, Some(document)) = (s.oidc, &s.discovery_url) {
            keys = keys.discovery_url(&*document.0);
            address.clone_from(&document.0);
        }
        if let (true, Some(set)) = (s.oidc, &s.jwks_url) {
            keys = keys.jwks_url(&*set.0);
            address.clone_from(&set.0);
        }
        if f.insecure_http_on_loopback {
            keys = keys.insecure_http_on_loopback();
        }
        keys = set(keys, f.keep_in.as_ref().map(FileKeyStore::new), RemoteKeys::keep_in);
        keys = set(keys, f.max_age, |keys, Bounds(least, most)| keys.max_age(seconds(least)..=seconds(most)));
        keys = set(keys, f.cooldown.map(seconds), RemoteKeys::cooldown);
        keys = set(keys, f.stale.map(seconds), RemoteKeys::stale);
        keys = set(keys, f.wait.map(seconds), RemoteKeys::wait);
        keys = set(keys, f.fetch_time.map(seconds), RemoteKeys::fetch_time);
        (keys, address)
    }

    /// What fetches, and a number that another configuration of the fetch has not.
    fn fetch(&self, address: &str) -> Result<(HttpFetch, u64), ConfigError> {
        let f = &self.settings.fetch;
        let mut problems = Problems::default();
        let mut fetched_as = DefaultHasher::new();
        f.hash(&mut fetched_as);
        let mut pem = |key: &str, path: &Option<PathBuf>| {
            let pem =
                problems.take(path.as_deref().map(|path| self.file(key, Some(path))).transpose()).flatten();
            pem.as_ref().map(SecretText::as_str).hash(&mut fetched_as);
            pem
        };
        let roots = pem("fetch.ca_file", &f.ca_file);
        let client = pem("fetch.client_certificate_file", &f.client_certificate_file);
        let mut fetch = HttpFetch::builder();
        fetch = set(fetch, roots, |fetch, pem| fetch.root_certificates(pem.as_str()));
        fetch = set(fetch, client, |fetch, pem| fetch.client_certificate(pem.as_str()));
        fetch = set(fetch, f.proxy.as_ref(), |fetch, proxy| fetch.proxy(proxy.as_str()));
        if let (Some(path), Ok(address)) = (&f.bearer_token_file, address.parse::<Uri>()) {
            // Without credentials, which are told elsewhere.
            let host = address.authority().map_or("", |host| host.as_str());
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let origin = format!("{}://{host}", address.scheme_str().unwrap_or_default());
            fetch = fetch.bearer_token_file(&origin, path);
        }
        let fetch = problems.take(fetch.build().map_err(|error| self.renamed(&error, "jwks_url")));
        problems.into_result()?;
        Ok((fetch.ok_or_else(ConfigError::no_backend)?, fetched_as.finish()))
    }

    fn with_rules(&self, mut authority: Authority, origin: &str) -> Authority {
        let s = self.settings;
        authority = set(authority, s.issuer.as_ref().filter(|_| origin != "oidc"), |authority, issuer| {
            authority.issuer(&*issuer.0)
        });
        if s.any_issuer && s.issuer.is_none() {
            authority = authority.any_issuer();
        }
        for audience in s.audience.iter().flat_map(|all| &all.0) {
            authority = authority.audience(audience);
        }
        if s.any_audience && s.audience.is_none() {
            authority = authority.any_audience();
        }
        // An empty list was told, or is what is left of one that could not be read.
        let algorithms = Some(self.algorithms()).filter(|algorithms| !algorithms.is_empty());
        authority = set(authority, algorithms, Authority::algorithms);
        authority = set(authority, s.leeway.map(seconds), Authority::leeway);
        authority = set(authority, s.max_age.map(seconds), Authority::max_age);
        authority = set(authority, s.typ.as_ref(), Authority::typ);
        authority = set(authority, s.subject.as_ref(), Authority::subject);
        authority = set(authority, s.roles_at.as_ref(), Authority::roles_at);
        authority = set(authority, s.only_scopes.as_ref(), |authority, only| {
            authority.only_scopes(only.iter().map(|scope| &*scope.0))
        });
        authority = set(authority, s.only_roles.as_ref(), |authority, only| {
            authority.only_roles(only.iter().map(|role| &*role.0))
        });
        for claim in &s.required_claims {
            authority = authority.required_claim(claim);
        }
        authority = match s.profile {
            Some(Profile::Rfc9068) => authority.rfc9068(),
            Some(Profile::IdToken) => authority.id_token(),
            None => authority,
        };
        if s.numeric_ids_as_text { authority.numeric_ids_as_text() } else { authority }
    }

    /// The text of a file, which may be secret, without its final newline.
    fn file(&self, key: &str, path: Option<&Path>) -> Result<SecretText, ConfigError> {
        let path = path.unwrap_or(Path::new(""));
        let refused = |problem: String, remedy: &str| {
            let secret = matches!(key, "secret_file" | "previous_secret_file" | "jwks_file");
            let shown = shown_path(path, secret).map_or_else(String::new, |shown| format!("{shown}: "));
            self.refused(key, format!("{shown}{problem}"), remedy).of_kind(Unavailable)
        };
        let text = text_of(path).map_err(|error| refused(error, "name a file that can be read"))?;
        if text.starts_with('\u{feff}') {
            return Err(refused("it begins with a byte order mark".to_owned(), "save it without one"));
        }
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(SecretText::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

/// An authority of which only the rules are looked at.
pub(super) fn stand_in() -> Option<Authority> {
    Secret::generate().ok().map(Authority::hs256)
}

/// The keys that say where the keys come from.
const ORIGINS: [&str; 7] = ["secret", "secret_file", "jwks", "jwks_file", "pem_file", "jwks_url", "oidc"];

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn secret_of(text: &SecretText) -> Result<Secret, ConfigError> {
    match text.as_str().split_once(':') {
        Some(("raw", bytes)) => Secret::from_bytes(bytes),
        Some(("hex", digits)) => Secret::from_hex(digits),
        _ => Secret::from_base64(text.as_str()),
    }
}
