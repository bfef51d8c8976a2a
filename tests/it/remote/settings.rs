//! What is wrong with a URL or a setting is said when the verifier is built.

use std::time::Duration;

use tower_jwt_auth::{Algorithm, Authority, Claims, ProviderFault, RemoteKeys, Verifier};

use super::{of_keys, oidc, pass, provider, token};

fn by_url(keys: RemoteKeys) -> Result<Verifier<Claims>, String> {
    Verifier::new(Authority::jwks(keys).issuer("i").audience("a")).map_err(|error| error.to_string())
}

fn by_discovery(keys: RemoteKeys) -> Result<Verifier<Claims>, String> {
    Verifier::new(Authority::oidc(keys).audience("a")).map_err(|error| error.to_string())
}

#[test]
fn keys_come_by_https_alone() {
    for (url, words) in [
        ("", &["is not a URL", "https://id.example.com"][..]),
        ("id.example.com", &["is not https"]),
        ("/jwks.json", &["has no host", "https://"]),
        ("https://", &["is not a URL"]),
        ("https://:443/", &["has no host"]),
        ("https://id.example.com/a b", &["is not a URL"]),
        ("http://id.example.com", &["is not https", "use https"]),
        ("http://10.0.0.1", &["is not https", "use https"]),
        ("ftp://id.example.com", &["is not https"]),
        ("http://localhost:8080", &["insecure_http_on_loopback()"]),
        ("http://127.0.0.1:8080", &["insecure_http_on_loopback()"]),
        ("http://[::1]:8080", &["insecure_http_on_loopback()"]),
        ("https://user:hunter2@id.example.com", &["holds credentials", "header"]),
        ("https://token@id.example.com", &["holds credentials"]),
        ("https://id.example.com/#keys", &["has a fragment", "leave it out"]),
    ] {
        for error in [by_url(url.into()), by_discovery(RemoteKeys::new(url))] {
            let error = error.unwrap_err();
            assert!(
                error.contains("url") && words.iter().all(|word| error.contains(word)),
                "{url:?}: {error}"
            );
            assert!(!error.contains("hunter2") && !error.contains("token@"), "{error}");
        }
    }
    for url in [
        "https://id.example.com",
        "https://id.example.com:8443/a/b",
        "HTTPS://id.example.com",
        "https://[::1]/",
    ] {
        by_url(url.into()).unwrap();
        by_discovery(url.to_owned().into()).unwrap();
    }
}

#[test]
fn http_is_for_this_machine_and_by_a_call() {
    let allowed = |url: &str| by_url(RemoteKeys::new(url).insecure_http_on_loopback());
    for url in ["http://localhost:8080/jwks", "http://127.0.0.1", "http://127.9.9.9", "http://[::1]:80"] {
        allowed(url).unwrap();
    }
    for url in [
        "http://id.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::2]",
        "http://localhost@id.example.com",
    ] {
        assert!(allowed(url).is_err(), "{url}");
    }
}

#[test]
fn a_query_is_for_key_sets_alone() {
    by_url("https://id.example.com/keys?p=b2c_1_signin".into()).unwrap();
    let error = by_discovery("https://id.example.com?tenant=1".into()).unwrap_err();
    assert!(error.contains("has a query"), "{error}");
}

#[test]
fn settings_have_bounds() {
    type Set = fn(RemoteKeys, Duration) -> RemoteKeys;
    let cases: [(&str, Set, u64, u64); 7] = [
        ("cooldown", RemoteKeys::cooldown, 5, 300),
        ("stale", RemoteKeys::stale, 0, 86_400),
        ("fetch_time", RemoteKeys::fetch_time, 1, 30),
        ("wait", RemoteKeys::wait, 0, 10),
        ("max_age", |keys, least| keys.max_age(least..=Duration::from_secs(86_400).max(least)), 1, 86_400),
        ("max_age", |keys, most| keys.max_age(Duration::from_secs(1).min(most)..=most), 1, 86_400),
        ("max_age", |keys, both| keys.max_age(both..=both), 1, 86_400),
    ];
    let keys = || RemoteKeys::new("https://id.example.com");
    for (name, set, least, most) in cases {
        for good in [least, most] {
            by_url(set(keys(), Duration::from_secs(good))).unwrap();
        }
        let mut bad = vec![Duration::from_secs(most) + Duration::from_millis(1), Duration::MAX];
        bad.extend(Duration::from_secs(least).checked_sub(Duration::from_millis(1)));
        for value in bad {
            let error = by_url(set(keys(), value)).unwrap_err();
            let bounds = format!("use {least} to {most} seconds");
            assert!(error.contains(name) && error.contains(&bounds), "{error}");
        }
    }
}

#[test]
fn bounds_of_max_age_are_in_order() {
    let seconds = Duration::from_secs;
    let error = by_url(RemoteKeys::new("https://id.example.com").max_age(seconds(300)..=seconds(299)));
    let error = error.unwrap_err();
    assert!(error.contains("max_age") && error.contains("300s..=299s") && error.contains("first"), "{error}");
}

/// Keys are fetched again at 80 % of the provider's `max-age` within the bounds, a tenth earlier or later.
#[tokio::test(start_paused = true)]
async fn max_age_is_believed_within_its_bounds() {
    for (bounds, max_age, refresh) in [
        (None, "max-age=10", 210..=270),
        (None, "max-age=7200", 2520..=3240),
        (Some(5..=86_400), "max-age=10", 7..=9),
        (Some(5..=86_400), "max-age=1", 3..=5),
        (Some(5..=86_400), "max-age=86400", 60_480..=77_760),
        (Some(20..=20), "max-age=3600", 14..=18),
    ] {
        let provider = provider();
        provider.cache_control(Some(max_age));
        let keys = match bounds.clone() {
            Some(bounds) => provider
                .jwks_keys()
                .max_age(Duration::from_secs(*bounds.start())..=Duration::from_secs(*bounds.end())),
            None => provider.jwks_keys(),
        };
        let verifier = of_keys(keys, &provider);
        verifier.warm().await.unwrap();
        let next = verifier.key_health()[0].next_refresh.unwrap().as_secs_f64();
        let (soonest, latest) = (*refresh.start() as f64, *refresh.end() as f64);
        assert!((soonest..=latest).contains(&next), "{bounds:?} {max_age}: {next}");
        pass(*refresh.end() + 1).await;
        assert!(provider.jwks_calls() > 1, "{bounds:?} {max_age}");
    }
}

#[test]
fn an_authority_by_url_still_names_issuer_and_audience() {
    let build = |authority| Verifier::<Claims>::new(authority).unwrap_err().to_string();
    let url = "https://id.example.com/jwks.json";
    assert!(build(Authority::jwks(url).audience("a")).contains("issuer"));
    assert!(build(Authority::jwks(url).issuer("i")).contains("audience"));
    assert!(build(Authority::oidc("https://id.example.com")).contains("audience"));
}

/// What could never verify a token is told, at once or by `warm`.
#[tokio::test(start_paused = true)]
async fn algorithms_that_fit_no_key_are_told() {
    let provider = provider();
    let with = |algorithm| Authority::oidc(provider.oidc_keys()).audience("test").algorithms([algorithm]);
    let error = Verifier::<Claims>::new(with(Algorithm::HS256)).unwrap_err().to_string();
    assert!(error.contains("secrets are never taken from a URL"), "{error}");

    let verifier = Verifier::<Claims>::new(with(Algorithm::RS256)).unwrap();
    let error = verifier.warm().await.unwrap_err().to_string();
    assert!(error.contains("is for an allowed algorithm ({RS256})"), "{error}");
    let explained = verifier.explain(&token(&provider)).to_string();
    assert!(explained.contains("allowed are {RS256}, for which there is no key"), "{explained}");
    Verifier::<Claims>::new(with(Algorithm::ES256)).unwrap().warm().await.unwrap();
}

#[test]
fn a_document_is_no_issuer() {
    let document = "https://id.example.com/.well-known/openid-configuration";
    let error = Verifier::<Claims>::new(Authority::oidc(document).audience("api")).unwrap_err().to_string();
    assert!(error.contains("is a document, not an issuer") && error.contains("/.well-known/"), "{error}");
    let elsewhere = RemoteKeys::new("http://keycloak:8080/realms/shop").insecure_http_on_loopback();
    let error = Verifier::<Claims>::new(Authority::oidc(elsewhere).audience("api")).unwrap_err().to_string();
    assert!(error.contains("is not https"), "{error}");
}

/// Whoever explains says why there are no keys, instead of sending the reader round in circles.
#[tokio::test(start_paused = true)]
async fn why_there_are_no_keys_is_explained() {
    let provider = provider();
    provider.fails_with(ProviderFault::Status(500));
    let verifier = oidc(&provider);
    let token = token(&provider);
    assert!(verifier.verify(&token).await.is_err());
    let explained = verifier.explain(&token).to_string();
    assert!(explained.contains("there are no keys from https://id.example.com: "), "{explained}");
    assert!(explained.contains("answered 500"), "{explained}");
}
