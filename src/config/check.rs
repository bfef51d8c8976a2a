//! Holds the settings against each other and against what they are settings of, before anything is made of them.

use super::authority::{AuthorityConfig, stand_in};
use super::layer;
use super::names::Names;
use super::settings::Settings;
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
            let other = all.get(*other).and_then(|other| other.issuer.as_ref());
            authority.issuer.is_some() && other == authority.issuer.as_ref()
        };
        if let Some(other) = (0..index).find(same) {
            let problem = format!(
                "{:?} is the issuer of authorities[{other}] as well",
                authority.issuer.as_deref().unwrap_or_default()
            );
            let remedy =
                "make one table of the two; it may have several audiences and a JWK set of several keys";
            problems.add_unless_told(&ConfigError::new(name("issuer"), problem, remedy).of_kind(Conflict));
        }
    }
}

/// A role that is required and that no token can have.
fn check_roles(settings: &Settings, names: &Names, problems: &mut Problems) {
    if settings.authorities.iter().any(|authority| authority.roles_at.is_some()) {
        return;
    }
    let everywhere = ("require.roles".to_owned(), &settings.require.roles);
    let routes = settings.routes.iter().enumerate();
    let by_route = routes.map(|(index, route)| (format!("routes[{index}].roles"), &route.roles));
    for (path, _) in std::iter::once(everywhere).chain(by_route).filter(|(_, roles)| !roles.is_empty()) {
        let remedy = format!("set {}", names.of("authorities[0].roles_at"));
        let problem = "no authority says where its tokens have roles";
        problems.add_unless_told(&ConfigError::new(names.of(&path), problem, remedy).of_kind(Missing));
    }
}
