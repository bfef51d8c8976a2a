//! Settings into what they are settings of.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use zeroize::Zeroizing;

use super::names::Names;
use super::settings::{AuthoritySettings, LayerSettings, LimitSettings, Profile};
use super::values::{Bounds, SecretText};
use crate::error::ConfigProblemKind::{Conflict, Missing, OutOfBounds};
use crate::error::{ConfigError, Problems};
use crate::jose::{Algorithm, Limits};
use crate::keys::{HttpFetch, KeySet, RemoteKeys, Secret};
use crate::layer::{Csrf, JwtAuthLayer, TokenSource};
use crate::store::FileKeyStore;
use crate::verify::{Authority, Verifier};

/// One authority, and what its settings are called.
pub(super) struct Making<'a> {
    pub(super) settings: &'a AuthoritySettings,
    pub(super) index: usize,
    pub(super) names: &'a Names,
}

impl Making<'_> {
    pub(super) fn name(&self, key: &str) -> String {
        self.names.of(&format!("authorities[{}].{key}", self.index))
    }

    fn refused(&self, key: &str, problem: impl Into<String>, remedy: impl Into<String>) -> ConfigError {
        ConfigError::new(self.name(key), problem, remedy)
    }

    /// The mistakes of the crate's own builders, under the user's names.
    pub(super) fn renamed(&self, error: &ConfigError, keys: &str) -> ConfigError {
        let mut all = Problems::default();
        for problem in error.problems() {
            let key = match problem.setting() {
                "secret" | "keys" => keys.to_owned(),
                "previous_secret" => self.previous_key().to_owned(),
                "url" if self.settings.oidc => "issuer".to_owned(),
                "url" => "jwks_url".to_owned(),
                "required_claim" => "required_claims".to_owned(),
                "HttpFetch" | "root_certificates" => "fetch.ca_file".to_owned(),
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
            all.add(self.names.rename(problem, &format!("authorities[{}].{key}", self.index)));
        }
        all.into_error()
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
        let mut set = given.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key);
        match (set.next(), set.next()) {
            (Some(one), None) => Ok(one),
            (Some(one), Some(other)) => {
                let problem = format!("both {} and {} are set", self.name(one), self.name(other));
                Err(self.refused(other, problem, "keep one of them").of_kind(Conflict))
            }
            (None, _) => {
                let all: Vec<_> = given.iter().map(|(key, _)| self.name(key)).collect();
                let remedy = format!("give one of {}", all.join(", "));
                Err(self.refused("secret", "no keys are given", remedy).of_kind(Missing))
            }
        }
    }

    /// The key of the origin of keys, once there is one.
    pub(super) fn keys(&self) -> &'static str {
        self.origin().unwrap_or("secret")
    }

    /// # Errors
    /// All that is wrong with the settings, as far as it shows before a verifier is built.
    pub(super) fn authority(&self) -> Result<Authority, ConfigError> {
        let s = self.settings;
        let mut problems = Problems::default();
        if s.issuer.is_none() && !s.any_issuer {
            let remedy = format!("name the `iss` of the tokens, or set {}", self.name("any_issuer"));
            problems.add(self.refused("issuer", "it is not set", remedy).of_kind(Missing));
        }
        if s.audience.is_none() && !s.any_audience {
            let remedy = format!("name this service as `aud` does, or set {}", self.name("any_audience"));
            problems.add(self.refused("audience", "it is not set", remedy).of_kind(Missing));
        }
        if s.max_age == Some(0) {
            let remedy = "use the longest time that a token may be in use";
            problems.add(self.refused("max_age", "it is zero", remedy).of_kind(OutOfBounds));
        }
        if s.only_roles.is_some() && s.roles_at.is_none() {
            let remedy = format!("set {} as well", self.name("roles_at"));
            problems.add(
                self.refused("only_roles", "there is no place of roles to cap", remedy).of_kind(Missing),
            );
        }
        let origin = problems.take(self.origin());
        if let Some(origin) = origin {
            problems.take(self.only_of(origin));
        }
        problems.into_result()?;
        let Some(origin) = origin else { return Err(ConfigError::no_backend()) };
        Ok(self.with_rules(self.with_keys(origin)?, origin))
    }

    /// # Errors
    /// For each setting that goes with other keys.
    fn only_of(&self, origin: &str) -> Result<(), ConfigError> {
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
        problems.into_result()
    }

    fn with_keys(&self, origin: &str) -> Result<Authority, ConfigError> {
        let s = self.settings;
        let own = |error: ConfigError| self.renamed(&error, origin);
        let keys = |keys: Result<KeySet, ConfigError>| keys.map(Authority::keys).map_err(own);
        match origin {
            "secret" | "secret_file" => self.with_secret(origin),
            "jwks" => keys(KeySet::from_jwks_with_secrets(s.jwks.as_ref().map_or("", |jwks| jwks.as_str()))),
            "jwks_file" => {
                keys(KeySet::from_jwks_with_secrets(self.file("jwks_file", s.jwks_file.as_deref())?.as_str()))
            }
            "pem_file" => match self.algorithms().as_slice() {
                [one] => keys(KeySet::from_pem(*one, self.file("pem_file", s.pem_file.as_deref())?.as_str())),
                _ => Err(self
                    .refused("algorithms", "it does not name one algorithm", "name that of the key")
                    .of_kind(Missing)),
            },
            _ => {
                let url = if s.oidc { s.issuer.as_deref() } else { s.jwks_url.as_deref() };
                let remote = self.remote(url.unwrap_or_default())?;
                Ok(if s.oidc { Authority::oidc(remote) } else { Authority::jwks(remote) })
            }
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
        let secret = read(origin, &s.secret, &s.secret_file)?;
        let has_previous = s.previous_secret.is_some() || s.previous_secret_file.is_some();
        match (self.algorithms().as_slice(), has_previous) {
            ([], false) => Ok(Authority::hs256(secret)),
            ([_, _, ..], true) => {
                Err(self.refused("algorithms", "a previous secret has one algorithm", "name one"))
            }
            (all, true) => {
                let algorithm = all.first().copied().unwrap_or(Algorithm::HS256);
                let key = self.previous_key();
                let previous = read(key, &s.previous_secret, &s.previous_secret_file)?;
                KeySet::from_secret(algorithm, previous.clone())
                    .map_err(|error| self.renamed(&error, key))?;
                Ok(Authority::hmac(algorithm, secret).previous_secret(previous))
            }
            (all, false) => {
                let mut sets =
                    all.iter().map(|algorithm| KeySet::from_secret(*algorithm, secret.clone()).map_err(own));
                sets.try_fold(KeySet::default(), |all, set| Ok(all.merge(&set?))).map(Authority::keys)
            }
        }
    }

    fn remote(&self, url: &str) -> Result<RemoteKeys, ConfigError> {
        let (s, f) = (self.settings, &self.settings.fetch);
        let mut problems = Problems::default();
        let mut keys = RemoteKeys::new(url).insecure_http_hosts(&f.insecure_http_hosts);
        let mut address = url;
        if s.oidc {
            if let Some(document) = &s.discovery_url {
                keys = keys.discovery_url(document);
                address = document;
            }
            if let Some(set) = &s.jwks_url {
                keys = keys.jwks_url(set);
                address = set;
            }
        }
        if f.insecure_http_on_loopback {
            keys = keys.insecure_http_on_loopback();
        }
        if let Some(path) = &f.keep_in {
            keys = keys.keep_in(FileKeyStore::new(path));
        }
        if let Some(Bounds(least, most)) = f.max_age {
            keys = keys.max_age(seconds(least)..=seconds(most));
        }
        keys = set(keys, f.cooldown.map(seconds), RemoteKeys::cooldown);
        keys = set(keys, f.stale.map(seconds), RemoteKeys::stale);
        keys = set(keys, f.wait.map(seconds), RemoteKeys::wait);
        keys = set(keys, f.fetch_time.map(seconds), RemoteKeys::fetch_time);
        let mut fetch = HttpFetch::builder();
        if let Some(path) = &f.ca_file {
            let pem = problems.take(self.file("fetch.ca_file", Some(path)));
            fetch = set(fetch, pem, |fetch, pem| fetch.root_certificates(pem.as_str()));
        }
        if let Some(path) = &f.client_certificate_file {
            let pem = problems.take(self.file("fetch.client_certificate_file", Some(path)));
            fetch = set(fetch, pem, |fetch, pem| fetch.client_certificate(pem.as_str()));
        }
        if let (Some(path), Ok(address)) = (&f.bearer_token_file, address.parse::<Uri>()) {
            let host = address.authority().map_or("", |host| host.as_str());
            let origin = format!("{}://{host}", address.scheme_str().unwrap_or_default());
            fetch = fetch.bearer_token_file(&origin, path);
        }
        fetch = set(fetch, f.proxy.as_ref(), |fetch, proxy| fetch.proxy(proxy.as_str()));
        let fetch = problems.take(fetch.build().map_err(|error| self.renamed(&error, "jwks_url")));
        problems.into_result()?;
        Ok(set(keys, fetch, RemoteKeys::fetch))
    }

    fn with_rules(&self, mut authority: Authority, origin: &str) -> Authority {
        let s = self.settings;
        authority = set(authority, s.issuer.clone().filter(|_| origin != "oidc"), Authority::issuer);
        if s.any_issuer {
            authority = authority.any_issuer();
        }
        for audience in s.audience.iter().flat_map(|all| &all.0) {
            authority = authority.audience(audience);
        }
        if s.any_audience {
            authority = authority.any_audience();
        }
        authority = set(authority, s.algorithms.is_some().then(|| self.algorithms()), Authority::algorithms);
        authority = set(authority, s.leeway.map(seconds), Authority::leeway);
        authority = set(authority, s.max_age.map(seconds), Authority::max_age);
        authority = set(authority, s.typ.as_ref(), Authority::typ);
        authority = set(authority, s.subject.as_ref(), Authority::subject);
        authority = set(authority, s.roles_at.as_ref(), Authority::roles_at);
        authority = set(authority, s.only_scopes.as_ref(), Authority::only_scopes);
        authority = set(authority, s.only_roles.as_ref(), Authority::only_roles);
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
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
            self.refused(key, format!("{}: {error}", path.display()), "name a file that can be read")
        })?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(SecretText::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn set<B, T>(builder: B, value: Option<T>, with: impl FnOnce(B, T) -> B) -> B {
    match value {
        Some(value) => with(builder, value),
        None => builder,
    }
}

fn secret_of(text: &SecretText) -> Result<Secret, ConfigError> {
    match text.as_str().split_once(':') {
        Some(("raw", bytes)) => Secret::from_bytes(bytes),
        Some(("hex", digits)) => Secret::from_hex(digits),
        _ => Secret::from_base64(text.as_str()),
    }
}

pub(super) fn limits(settings: &LimitSettings) -> Limits {
    let limits = set(Limits::default(), settings.token_bytes, Limits::token_bytes);
    let limits = set(limits, settings.header_bytes, Limits::header_bytes);
    let limits = set(limits, settings.kid_bytes, Limits::kid_bytes);
    let limits = set(limits, settings.json_depth, Limits::json_depth);
    let limits = set(limits, settings.claims, Limits::claims);
    let limits = set(limits, settings.audience_elements, Limits::audience_elements);
    set(limits, settings.keys_tried, Limits::keys_tried)
}

pub(super) fn layer<C>(
    settings: &LayerSettings,
    names: &Names,
    verifier: Verifier<C>,
) -> Result<JwtAuthLayer<C>, ConfigError> {
    let mut problems = Problems::default();
    let under = |path: &str, error: &ConfigError| {
        let mut all = Problems::default();
        error.problems().iter().for_each(|problem| all.add(names.rename(problem, path)));
        all.into_error()
    };
    let mut layer = JwtAuthLayer::new(verifier);
    let mut csrf = Csrf::same_origin();
    for (index, origin) in settings.trusted_origins.iter().enumerate() {
        let path = format!("layer.trusted_origins[{index}]");
        let trusted = csrf.clone().trust(origin).map_err(|error| under(&path, &error));
        csrf = problems.take(trusted).unwrap_or(csrf);
    }
    if let Some(places) = &settings.token_from {
        let mut sources = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let path = format!("layer.token_from[{index}]");
            let source = source_of(place, &csrf).map_err(|error| under(&path, &error));
            sources.extend(problems.take(source));
        }
        if places.is_empty() {
            problems.add(ConfigError::new(
                names.of("layer.token_from"),
                "it names no place",
                "name one, such as bearer",
            ));
        }
        layer = layer.token_from(sources);
    }
    if let Some(realm) = &settings.realm {
        let named = layer.clone().realm(realm).map_err(|error| under("layer.realm", &error));
        layer = problems.take(named).unwrap_or(layer);
    }
    for (header, claim) in &settings.claim_headers {
        let path = format!("layer.claim_headers.{header}");
        let more = layer.clone().claim_header(header, claim).map_err(|error| under(&path, &error));
        layer = problems.take(more).unwrap_or(layer);
    }
    problems.into_result()?;
    Ok(if settings.optional { layer.optional() } else { layer })
}

fn source_of(place: &str, csrf: &Csrf) -> Result<TokenSource, ConfigError> {
    match place.split_once(':') {
        None if place == "bearer" => Ok(TokenSource::bearer()),
        Some(("header", name)) => TokenSource::header(name),
        Some(("cookie", name)) => TokenSource::cookie(name, csrf.clone()),
        Some(("insecure_query", name)) if !name.is_empty() => Ok(TokenSource::insecure_query(name)),
        Some(("websocket_protocol", prefix)) => TokenSource::websocket_protocol(prefix),
        _ => Err(ConfigError::new(
            "token_from",
            format!("{place:?} is no place of a token"),
            "use bearer, header:NAME, cookie:NAME, insecure_query:NAME or websocket_protocol:PREFIX",
        )),
    }
}
