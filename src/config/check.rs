//! Holds the settings against each other and against what they are settings of, before anything is made of them.

use std::collections::BTreeMap;

use super::authority::{AuthorityConfig, stand_in};
use super::layer;
use super::names::Names;
use super::settings::{AuthoritySettings, Settings};
use crate::error::ConfigProblemKind::{Conflict, Missing};
use crate::error::{ConfigError, Problems};
use crate::jose::Claims;
use crate::verify::Verifier;

/// Notes what is wrong. A setting that was noted before is not noted again: what was taken out because it could not be read is
/// not missing.
pub(super) fn check(settings: &Settings, names: &Names, problems: &mut Problems) {
    check_authorities(settings, names, problems);
    if let Err(error) = layer::limits(&settings.limits).check() {
        for problem in error.problems() {
            problems.add_unless_told(&names.rename(problem, &format!("limits.{}", problem.setting())));
        }
    }
    layer::check_cache(settings.cache.as_ref().unwrap_or(&Default::default()), names, problems);
    if let Some(authority) = stand_in()
        && let Ok(verifier) = Verifier::<Claims>::new(authority.any_issuer().any_audience())
        && let Err(error) = layer::layer(&settings.layer, names, verifier)
    {
        problems.add_unless_told(&error);
    }
    if let Err(error) = layer::policies(settings, names) {
        problems.add_unless_told(&error);
    }
    check_roles(settings, names, problems);
    check_kept(settings, problems);
}

fn check_authorities(settings: &Settings, names: &Names, problems: &mut Problems) {
    let all = &settings.authorities;
    if all.is_empty() {
        let error = ConfigError::new("authorities", "there is none", "add a table [[authorities]]");
        problems.add_unless_told(&error.of_kind(Missing));
    }
    for (index, authority) in all.iter().enumerate() {
        AuthorityConfig { settings: authority, index, names }.check(problems);
        let name = |key: &str| names.of(&format!("authorities[{index}].{key}"));
        if authority.any_issuer && all.len() > 1 {
            let problem = "there are several authorities";
            let remedy = "name each one's issuer: it is what chooses the keys";
            problems
                .add_unless_told(&ConfigError::new(name("any_issuer"), problem, remedy).of_kind(Conflict));
        }
        let same = |other: &usize| {
            let issuer =
                |authority: &AuthoritySettings| authority.issuer.as_ref().map(|issuer| issuer.0.clone());
            authority.issuer.is_some() && all.get(*other).and_then(issuer) == issuer(authority)
        };
        if let Some(other) = (0..index).find(same) {
            let problem = format!(
                "{} is that of authorities[{other}] as well",
                authority.issuer.as_ref().map_or_else(String::new, |issuer| format!("{issuer:?}"))
            );
            let remedy =
                "make one table of the two; it may have several audiences and a JWK set of several keys";
            problems.add_unless_told(&ConfigError::new(name("issuer"), problem, remedy).of_kind(Conflict));
        }
    }
}

/// Roles that are required, and an authority that says nothing about those of its tokens: they would be refused with 500.
fn check_roles(settings: &Settings, names: &Names, problems: &mut Problems) {
    let routes = settings.routes.iter().enumerate();
    let by_route = routes.map(|(index, route)| (format!("routes[{index}].roles"), &route.roles));
    let everywhere = std::iter::once(("require.roles".to_owned(), &settings.require.roles));
    let Some((path, _)) = everywhere.chain(by_route).find(|(_, roles)| !roles.is_empty()) else { return };
    for (index, authority) in settings.authorities.iter().enumerate() {
        let has_none = authority.only_roles.as_ref().is_some_and(Vec::is_empty);
        if authority.roles_at.is_none() && !has_none {
            let name = |key: &str| names.of(&format!("authorities[{index}].{key}"));
            let problem = format!("it is not set, and {} asks for roles", names.of(&path));
            let remedy = format!(
                "say where the tokens have roles, such as /roles, or set {} to an empty list if they have none",
                name("only_roles")
            );
            problems.add_unless_told(&ConfigError::new(name("roles_at"), problem, remedy).of_kind(Missing));
        }
    }
}

/// Two authorities must not keep their keys in one file.
fn check_kept(settings: &Settings, problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for (index, authority) in settings.authorities.iter().enumerate() {
        let Some(path) = &authority.fetch.keep_in else { continue };
        if let Some(other) = seen.insert(path, index) {
            let setting = format!("authorities[{index}].fetch.keep_in");
            let problem = format!("{} is that of authorities[{other}] as well", path.display());
            problems.add_unless_told(
                &ConfigError::new(setting, problem, "give each its own file").of_kind(Conflict),
            );
        }
    }
}
