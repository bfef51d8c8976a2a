//! The settings around the authorities: limits, cache, layer, policies.

use super::names::Names;
use super::settings::{CacheSettings, LayerSettings, LimitSettings, Settings};
use super::values::{Role, Scope};
use crate::authorize::{Require, RequireRoutes, Route};
use crate::error::ConfigProblemKind::{Conflict, Missing, OutOfBounds};
use crate::error::{ConfigError, Problems};
use crate::jose::Limits;
use crate::layer::{Csrf, JwtAuthLayer, TokenSource};
use crate::verify::{TokenCache, Verifier};

/// A builder's step, if there is a value for it.
pub(super) fn set<B, T>(builder: B, value: Option<T>, with: impl FnOnce(B, T) -> B) -> B {
    match value {
        Some(value) => with(builder, value),
        None => builder,
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

pub(super) fn cache(settings: &CacheSettings) -> TokenCache {
    let cache = set(TokenCache::new(), settings.entries, TokenCache::entries);
    set(cache, settings.bytes, TokenCache::bytes)
}

pub(super) fn layer<C>(
    settings: &LayerSettings,
    names: &Names,
    verifier: Verifier<C>,
) -> Result<JwtAuthLayer<C>, ConfigError> {
    let mut problems = Problems::default();
    let under = |path: &str, error: &ConfigError| names.rename_all(error, path);
    let mut layer = JwtAuthLayer::new(verifier);
    let mut csrf = Csrf::same_origin();
    for (index, origin) in settings.trusted_origins.iter().enumerate() {
        let path = format!("layer.trusted_origins[{index}]");
        let trusted = csrf.clone().trust(origin).map_err(|error| under(&path, &error));
        csrf = problems.take(trusted).unwrap_or(csrf);
    }
    let places = settings.token_from.iter().flatten();
    if !settings.trusted_origins.is_empty() && !places.clone().any(|place| place.starts_with("cookie:")) {
        let remedy = format!("leave it out, or add cookie:NAME to {}", names.of("layer.token_from"));
        let error = ConfigError::new(names.of("layer.trusted_origins"), "no token comes in a cookie", remedy);
        problems.add(error.of_kind(Conflict));
    }
    if settings.token_from.is_some() {
        let mut sources = Vec::new();
        for (index, place) in places.enumerate() {
            let path = format!("layer.token_from[{index}]");
            let source = source_of(place, &csrf).map_err(|error| under(&path, &error));
            sources.push(problems.take(source));
        }
        if sources.is_empty() {
            let name = names.of("layer.token_from");
            problems.add(ConfigError::new(name, "it names no place", "name one, such as bearer"));
        }
        layer = layer.token_from(sources.into_iter().flatten());
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

/// The mistakes of the cache's settings, each under its own name.
pub(super) fn check_cache(settings: &CacheSettings, names: &Names, problems: &mut Problems) {
    for (key, value, least, most) in [
        ("cache.entries", settings.entries, TokenCache::MIN_ENTRIES, TokenCache::MAX_ENTRIES),
        ("cache.bytes", settings.bytes, TokenCache::MIN_BYTES, TokenCache::MAX_BYTES),
    ] {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            let remedy = format!("use a value from {least} to {most}");
            let error = ConfigError::new(names.of(key), format!("{value} is out of bounds"), remedy);
            problems.add(error.of_kind(OutOfBounds));
        }
    }
}

/// # Errors
/// For each route that cannot be used.
pub(super) fn policies(settings: &Settings, names: &Names) -> Result<RequireRoutes, ConfigError> {
    let always = demands(&settings.require.scopes, &settings.require.roles);
    let mut problems = Problems::default();
    let mut routes = Vec::new();
    for (index, route) in settings.routes.iter().enumerate() {
        let own = demands(&route.scopes, &route.roles);
        if route.anyone {
            let name = names.of(&format!("routes[{index}].anyone"));
            let conflict = |problem: &str, remedy: &str| {
                ConfigError::new(name.clone(), problem, remedy).of_kind(Conflict)
            };
            if !own.is_empty() {
                problems.add(conflict("the route requires scopes or roles as well", "keep one of them"));
            }
            if !settings.layer.optional {
                let problem = "the layer refuses requests without a token before it looks at routes";
                problems.add(conflict(problem, &format!("set {}", names.of("layer.optional"))));
            }
        }
        let policy = match route.anyone {
            true => Require::anyone(),
            // Listed, and not for anyone: for those with a token.
            false => all_of(always.iter().chain(&own).cloned().collect(), Require::authenticated()),
        };
        if route.path.is_empty() {
            let name = names.of(&format!("routes[{index}].path"));
            problems.add(ConfigError::new(name, "it is not set", "write it like /orders").of_kind(Missing));
            continue;
        }
        let methods = route.methods.iter().map(|method| method.0.clone()).collect();
        routes.push((index, Route { path: &route.path, methods, policy }));
    }
    let unlisted = match (settings.deny_unlisted, settings.layer.optional) {
        (true, _) => Require::any([]),
        (false, true) => all_of(always, Require::anyone()),
        (false, false) => all_of(always, Require::authenticated()),
    };
    let (numbers, routes): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
    let made = RequireRoutes::new(unlisted, &routes).map_err(|wrong| {
        let mut all = Problems::default();
        for (position, problem) in wrong {
            let index = numbers.get(position).copied().unwrap_or(position);
            let remedy = "write it like /orders, /orders/{id} or /admin/{*rest}";
            all.add(ConfigError::new(names.of(&format!("routes[{index}].path")), problem, remedy));
        }
        all.into_error()
    });
    let made = problems.take(made);
    if settings.deny_unlisted && settings.routes.is_empty() {
        let remedy = "list the routes, or leave it out";
        let error = ConfigError::new(names.of("deny_unlisted"), "no route is listed", remedy);
        problems.add(error.of_kind(Conflict));
    }
    problems.into_result()?;
    made.ok_or_else(ConfigError::no_backend)
}

fn demands(scopes: &[Scope], roles: &[Role]) -> Vec<Require> {
    let scopes = scopes.iter().map(|scope| Require::scope(&scope.0));
    scopes.chain(roles.iter().map(|role| Require::role(&role.0))).collect()
}

/// All of these, or `otherwise` if there are none.
fn all_of(mut policies: Vec<Require>, otherwise: Require) -> Require {
    match (policies.pop(), policies.is_empty()) {
        (None, _) => otherwise,
        (Some(only), true) => only,
        (Some(last), false) => {
            policies.push(last);
            Require::all(policies)
        }
    }
}
