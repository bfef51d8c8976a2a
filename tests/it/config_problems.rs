//! A builder reports all of its mistakes at once, and a policy is held against its verifier.

use std::time::Duration;

use serde::Deserialize;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, ConfigError, ConfigProblemKind, Issuer, Limits, MemoryRefreshStore,
    RefreshTokens, RemoteKeys, Require, RequireMethods, Secret, SigningKey, Verifier,
};

fn settings(error: &ConfigError) -> Vec<(&str, ConfigProblemKind)> {
    error.problems().iter().map(|problem| (problem.setting(), problem.kind())).collect()
}

/// The text has a line for each mistake, with setting and remedy.
fn assert_readable(error: &ConfigError) {
    let text = error.to_string();
    for problem in error.problems() {
        assert!(!problem.problem().is_empty() && !problem.remedy().is_empty());
        assert!(text.contains(&problem.to_string()), "{text}");
    }
    assert_eq!(text.lines().count(), 1 + error.problems().len(), "{text}");
}

fn secret() -> Secret {
    Secret::generate().unwrap()
}

#[test]
fn a_verifier_tells_everything_about_every_authority() {
    use ConfigProblemKind::{Conflict, Invalid, Missing, OutOfBounds};

    let first = Authority::hs256(secret())
        .issuer("shop")
        .any_issuer()
        .leeway(Duration::from_secs(3600))
        .only_roles(["admin"])
        .required_claim("");
    let second = Authority::hs256(secret()).audience("api").max_age(Duration::ZERO).rfc9068().id_token();
    let error = Verifier::<Claims>::builder()
        .authorities([first, second])
        .limits(Limits::default().keys_tried(9).json_depth(0))
        .check_deadline(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(
        settings(&error),
        [
            ("json_depth", OutOfBounds),
            ("keys_tried", OutOfBounds),
            ("check_deadline", OutOfBounds),
            ("any_issuer", Conflict),
            ("issuer", Invalid),
            ("audience", Missing),
            ("leeway", OutOfBounds),
            ("required_claim", Invalid),
            ("only_roles", Missing),
            ("issuer", Missing),
            ("max_age", OutOfBounds),
            ("id_token", Conflict),
        ]
    );
    assert_readable(&error);
}

#[test]
fn an_issuer_tells_everything() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let error = Issuer::builder(" ", key)
        .lifetime(Duration::ZERO)
        .typ("no type")
        .overridable("iss")
        .overridable("name")
        .build()
        .unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.setting()).collect();
    assert_eq!(names, ["issuer", "audience", "lifetime", "typ", "overridable", "overridable"]);
    assert_readable(&error);
}

#[test]
fn refresh_tokens_and_remote_keys_tell_everything() {
    let error = RefreshTokens::builder(MemoryRefreshStore::new())
        .idle(Duration::ZERO)
        .grace(Duration::from_secs(3600))
        .sessions_per_subject(0)
        .build()
        .unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.setting()).collect();
    assert_eq!(names, ["idle", "grace", "sessions_per_subject"]);

    let keys = RemoteKeys::new("http://id.example.com")
        .cooldown(Duration::ZERO)
        .wait(Duration::from_secs(60))
        .fetch_time(Duration::from_secs(60));
    let error = Verifier::<Claims>::new(Authority::oidc(keys)).unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.setting()).collect();
    assert_eq!(names, ["url", "cooldown", "fetch_time", "wait", "audience"]);
    assert_readable(&error);
}

#[test]
fn a_good_configuration_has_no_problems() {
    let authority = Authority::hs256(secret()).issuer("shop").audience("api");
    assert!(Verifier::<Claims>::new(authority).is_ok());
}

#[derive(Deserialize)]
struct User {
    #[allow(dead_code)]
    verified: bool,
}

fn verifier(roles: bool) -> Verifier<User> {
    let authority = Authority::hs256(secret()).issuer("shop").audience("api");
    Verifier::new(if roles { authority.roles_at("/roles") } else { authority }).unwrap()
}

#[test]
fn a_policy_is_held_against_its_verifier() {
    let good = || Require::all([Require::role("admin"), Require::that(|user: &User| user.verified)]);
    assert!(good().checked_for(&verifier(true)).is_ok());

    let error = good().checked_for(&verifier(false)).unwrap_err();
    assert_eq!(settings(&error), [("Require::role", ConfigProblemKind::Missing)]);
    assert!(error.to_string().contains("\"admin\"") && error.to_string().contains(".roles_at("), "{error}");

    // However deep it is.
    let wrong = Require::any([
        Require::not(Require::role("")),
        Require::all([Require::scope("a\"b"), Require::that(|_: &Claims| true)]),
    ]);
    let error = wrong.checked_for(&verifier(true)).unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.setting()).collect();
    assert_eq!(names, ["Require::role", "Require::scope", "Require::that"]);
    assert!(error.to_string().contains("Claims") && error.to_string().contains("User"), "{error}");
    assert!(Require::anyone().checked_for(&verifier(false)).is_ok());
}

#[test]
fn methods_are_held_against_those_that_exist() {
    const METHODS: [&str; 2] = ["/shop.Orders/List", "/shop.Orders/Delete"];
    let methods = || {
        RequireMethods::deny_unlisted()
            .known_methods(METHODS)
            .method("/shop.Orders/List", Require::scope("orders:read"))
    };
    assert!(methods().checked_for(&verifier(false)).is_ok());

    let error = methods()
        .method("shop.Orders/Delete", Require::authenticated())
        .method("/shop.Orders/Delte", Require::role("admin"))
        .checked_for(&verifier(false))
        .unwrap_err();
    let names: Vec<_> = error.problems().iter().map(|problem| problem.setting()).collect();
    assert_eq!(names, ["RequireMethods::method", "RequireMethods::method", "Require::role"]);
    let text = error.to_string();
    assert!(text.contains("/shop.Orders/Delte") && text.contains("\"shop.Orders/Delete\""), "{text}");
}
