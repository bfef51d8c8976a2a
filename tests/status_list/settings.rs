//! Mistakes in the set-up.

use tower_jwt_auth::{ConfigProblemKind, KeySet};

use super::*;

fn problems(world: &World, lists: StatusLists) -> Vec<(String, ConfigProblemKind)> {
    match world.builder(lists).build() {
        Ok(_) => Vec::new(),
        Err(error) => {
            error.problems().iter().map(|problem| (problem.setting().to_owned(), problem.kind())).collect()
        }
    }
}

#[test]
fn every_mistake_is_reported() {
    use ConfigProblemKind::{Invalid, Missing, OutOfBounds};
    let world = World::new();
    let second = Duration::from_secs(1);
    let good = || world.settings();
    type Change = Box<dyn Fn(StatusLists) -> StatusLists>;
    let cases: [(Change, &[(&str, ConfigProblemKind)]); 26] = [
        (Box::new(|lists| lists), &[]),
        (Box::new(move |lists| lists.ttl(second..=second)), &[]),
        (Box::new(move |lists| lists.ttl(second * 86_400..=second * 86_400)), &[]),
        (Box::new(move |lists| lists.ttl(Duration::ZERO..=second)), &[("ttl", OutOfBounds)]),
        (Box::new(move |lists| lists.ttl(second..=second * 86_401)), &[("ttl", OutOfBounds)]),
        (Box::new(move |lists| lists.ttl(second * 2..=second)), &[("ttl", Invalid)]),
        (Box::new(|lists| lists.stale(Duration::ZERO)), &[]),
        (Box::new(move |lists| lists.stale(second * 86_400)), &[]),
        (Box::new(move |lists| lists.stale(second * 86_401)), &[("stale", OutOfBounds)]),
        (Box::new(move |lists| lists.fetch_time(second)), &[]),
        (Box::new(move |lists| lists.fetch_time(second * 30)), &[]),
        (Box::new(move |lists| lists.fetch_time(second * 31)), &[("fetch_time", OutOfBounds)]),
        (Box::new(|lists| lists.fetch_time(Duration::from_millis(999))), &[("fetch_time", OutOfBounds)]),
        (Box::new(|lists| lists.lists(0)), &[("lists", OutOfBounds)]),
        (Box::new(|lists| lists.lists(1000)), &[]),
        (Box::new(|lists| lists.lists(1001)), &[("lists", OutOfBounds)]),
        (Box::new(|lists| lists.list_bytes(1023)), &[("list_bytes", OutOfBounds)]),
        (Box::new(|lists| lists.list_bytes(64 << 20)), &[]),
        (Box::new(|lists| lists.list_bytes((64 << 20) + 1).memory(1 << 30)), &[("list_bytes", OutOfBounds)]),
        (Box::new(|lists| lists.memory((1 << 20) - 1)), &[("memory", OutOfBounds)]),
        (Box::new(|lists| lists.max_age(Duration::ZERO)), &[("max_age", OutOfBounds)]),
        (Box::new(|lists| lists.accept_status(3).accept_status(12).accept_status(15)), &[]),
        (Box::new(|lists| lists.accept_status(1).accept_status(11)), &[("accept_status", Invalid); 2]),
        (Box::new(|lists| lists.algorithms([])), &[("algorithms", Invalid), ("keys", Invalid)]),
        (
            Box::new(|lists| lists.allow("http://status.example.com/").allow("https://*.example.com/")),
            &[("allow", Invalid); 2],
        ),
        (Box::new(|lists| lists.issuer("")), &[("issuer", Invalid)]),
    ];
    for (at, (change, expected)) in cases.iter().enumerate() {
        let expected: Vec<_> =
            expected.iter().map(|(setting, kind)| ((*setting).to_owned(), *kind)).collect();
        assert_eq!(problems(&world, change(good())), expected, "{at}");
    }
    let nothing =
        StatusLists::keys(KeySet::from_jwks(world.lists.jwks()).unwrap()).fetch(world.provider.clone());
    assert_eq!(problems(&world, nothing), [("allow".to_owned(), Missing)]);
}

#[test]
fn lists_are_set_once() {
    let world = World::new();
    let authority = world.authority(world.settings()).status_lists(world.settings());
    let error = Verifier::<Claims>::new(authority).unwrap_err().to_string();
    assert!(error.contains("status_lists") && error.contains("set twice"), "{error}");
}

#[test]
fn http_is_for_this_machine_or_for_hosts_that_are_named() {
    let world = World::new();
    let of = |uri: &str| StatusLists::keys(world.lists.key_set()).allow(uri).fetch(world.provider.clone());
    for uri in ["http://127.0.0.1:8080/lists/", "http://localhost/1", "http://[::1]/1"] {
        assert_eq!(problems(&world, of(uri)).len(), 1, "{uri}");
        assert_eq!(problems(&world, of(uri).insecure_http_on_loopback()), [], "{uri}");
    }
    let uri = "http://status:8080/lists/";
    assert_eq!(problems(&world, of(uri).insecure_http_on_loopback()).len(), 1);
    assert_eq!(problems(&world, of(uri).insecure_http_hosts(["status:8080"])), []);
    assert_eq!(problems(&world, of(uri).insecure_http_hosts(["status:8081"])).len(), 1);
}
