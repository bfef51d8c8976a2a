//! What each key does: a token that it lets pass, and one that it does not.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{
    Algorithm, Claims, Config, Issuer, Jwt, KeySet, Reason, Secret, SigningKey, TestClock, TestIssuer,
    TestProvider, Verifier,
};

use super::SECRET;
use crate::support::verify;

const ISS: &str = "https://id.example.com";

fn config(text: &str) -> Config {
    Config::from_toml(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn verifier(text: &str, clock: &TestClock) -> Verifier<Claims> {
    config(text).verifier_builder().unwrap().clock(clock.clone()).build().unwrap()
}

/// An issuer with one key, the clock by which it signs, and an authority that trusts it.
fn world() -> (TestIssuer, TestClock, String) {
    let clock = TestClock::now();
    let issuer = TestIssuer::new(ISS).audience("api").clock(clock.clone());
    let table = format!("[[authorities]]\njwks = '''{}'''\n", issuer.jwks());
    (issuer, clock, table)
}

fn now(clock: &TestClock) -> u64 {
    use tower_jwt_auth::Clock;
    clock.now().as_secs()
}

#[test]
fn each_rule_of_an_authority_holds() {
    let (issuer, clock, table) = world();
    let (plain, now) = (json!({}), now(&clock));
    let base = "issuer = 'https://id.example.com'\naudience = 'api'\n";
    let cases: [(&str, Value, Value, Value, Reason); 15] = [
        (base, json!({}), plain.clone(), json!({ "iss": "https://id.example" }), Reason::UnknownIssuer),
        (
            "any_issuer = true\naudience = 'api'",
            json!({}),
            json!({ "iss": "x" }),
            json!({ "aud": "x" }),
            Reason::WrongAudience,
        ),
        (base, json!({}), json!({ "aud": ["x", "api"] }), json!({ "aud": "x" }), Reason::WrongAudience),
        (
            "issuer = 'https://id.example.com'\naudience = ['a', 'b']",
            json!({}),
            json!({ "aud": "b" }),
            json!({ "aud": "c" }),
            Reason::WrongAudience,
        ),
        (
            "issuer = 'https://id.example.com'\nany_audience = true",
            json!({}),
            json!({ "aud": "x" }),
            json!({ "iss": "x" }),
            Reason::UnknownIssuer,
        ),
        ("BASE leeway = 5", json!({}), json!({ "exp": now - 4 }), json!({ "exp": now - 6 }), Reason::Expired),
        (
            "BASE leeway = 0\nmax_age = 60",
            json!({}),
            json!({ "iat": now - 59 }),
            json!({ "iat": now - 61 }),
            Reason::Expired,
        ),
        (
            "BASE subject = 'bob'",
            json!({}),
            json!({ "sub": "bob" }),
            json!({ "sub": "eve" }),
            Reason::InvalidClaim,
        ),
        (
            "BASE required_claims = ['sid', 'amr']",
            json!({}),
            json!({ "sid": 1, "amr": ["pwd"] }),
            json!({ "sid": 1 }),
            Reason::MissingClaim,
        ),
        (
            "BASE numeric_ids_as_text = true",
            json!({}),
            json!({ "sub": 42 }),
            json!({ "sub": true }),
            Reason::InvalidClaim,
        ),
        (
            "BASE typ = 'secevent+jwt'",
            json!({ "typ": "secevent+jwt" }),
            plain.clone(),
            json!({ "aud": "x" }),
            Reason::WrongAudience,
        ),
        (
            "BASE profile = 'id_token'",
            json!({ "typ": "JWT" }),
            json!({ "sub": "bob" }),
            json!({ "aud": "x", "sub": "bob" }),
            Reason::WrongAudience,
        ),
        (
            "BASE roles_at = '/roles'",
            json!({}),
            json!({ "roles": ["a"] }),
            json!({ "roles": 7 }),
            Reason::InvalidClaim,
        ),
        (
            "BASE algorithms = ['ES256']",
            json!({}),
            plain.clone(),
            json!({ "aud": "x" }),
            Reason::WrongAudience,
        ),
        (
            "BASE algorithms = ['ES256', 'RS256']",
            json!({}),
            plain,
            json!({ "exp": now - 31 }),
            Reason::Expired,
        ),
    ];
    for (rule, header, good, bad, reason) in cases {
        let verifier = verifier(&format!("{table}{}", rule.replace("BASE ", base)), &clock);
        let sign = |claims: Value| issuer.sign_with(header.clone(), claims);
        let good = verify(&verifier, &sign(good));
        assert!(good.is_ok(), "{rule}: {:?}", good.err());
        let refused = verify(&verifier, &sign(bad)).map(drop).map_err(|error| error.reason());
        assert_eq!(refused, Err(reason), "{rule}");
    }
    // What no claim shows: another type, another profile, another algorithm.
    for (rule, reason) in
        [("typ = 'secevent+jwt'", Reason::WrongType), ("profile = 'rfc9068'", Reason::MissingClaim)]
    {
        let verifier = verifier(&format!("{table}{base}{rule}"), &clock);
        assert_eq!(verify(&verifier, &issuer.sign(json!({}))).unwrap_err().reason(), reason, "{rule}");
    }
    let error = Config::from_toml(&format!("{table}{base}algorithms = ['RS256']")).unwrap_err();
    assert_eq!(error.setting(), "authorities[0].jwks", "{error}");
}

#[test]
fn roles_and_scopes_are_capped() {
    let (issuer, clock, table) = world();
    let rules = "issuer = 'https://id.example.com'\naudience = 'api'\nroles_at = '/roles'\n";
    let capped = format!("{table}{rules}only_roles = ['reader']\nonly_scopes = ['read']");
    let token = issuer.sign(json!({ "roles": ["reader", "admin"], "scope": "read write" }));
    let jwt = verify(&verifier(&capped, &clock), &token).unwrap();
    let principal = Jwt::principal(&jwt);
    assert_eq!(principal.roles().unwrap().collect::<Vec<_>>(), ["reader"]);
    assert_eq!(principal.scopes().collect::<Vec<_>>(), ["read"]);
}

fn hmac(algorithm: Algorithm, secret: Secret) -> String {
    let key = SigningKey::from_secret(algorithm, secret).unwrap();
    let issuer = Issuer::builder(ISS, key).audience("api").lifetime(Duration::from_secs(60)).build().unwrap();
    issuer.sign(&json!({ "sub": "bob" })).unwrap()
}

#[test]
fn secrets_come_in_four_ways_and_two_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let clock = TestClock::now();
    let base = "[[authorities]]\nissuer = 'https://id.example.com'\naudience = 'api'\n";
    let raw = "Kq7#vT2!mZ9$wP4&xR6*cN8^bL3@hJ5%";
    let hex = "8f3a1c97e05b2d64a7f8c3e1905d6b42f1e7a8c40d93b65277aa1e0cf4d8b936";
    for (line, secret) in [
        (format!("secret = '{SECRET}'"), Secret::from_base64(SECRET)),
        (format!("secret = 'raw:{raw}'"), Secret::from_bytes(raw)),
        (format!("secret = 'hex:{hex}'"), Secret::from_hex(hex)),
    ] {
        let token = hmac(Algorithm::HS256, secret.unwrap());
        assert!(verify(&verifier(&format!("{base}{line}"), &clock), &token).is_ok(), "{line}");
        std::fs::write(&file, line.split('\'').nth(1).unwrap().to_owned() + "\r\n").unwrap();
        let by_file = format!("{base}secret_file = '{}'", file.display());
        assert!(verify(&verifier(&by_file, &clock), &token).is_ok(), "{line}, by a file");
    }
    let (new, old) = (Secret::from_hex(hex).unwrap(), Secret::from_base64(SECRET).unwrap());
    std::fs::write(&file, SECRET).unwrap();
    for previous in
        [format!("previous_secret = '{SECRET}'"), format!("previous_secret_file = '{}'", file.display())]
    {
        let both = verifier(&format!("{base}secret = 'hex:{hex}'\n{previous}"), &clock);
        for secret in [&new, &old] {
            assert!(verify(&both, &hmac(Algorithm::HS256, secret.clone())).is_ok(), "{previous}");
        }
    }
    let long = Secret::from_hex(format!("{hex}{}", hex.replace('8', "9"))).unwrap();
    let line = format!("secret = 'hex:{hex}{}'\nalgorithms = ['HS384', 'HS512']", hex.replace('8', "9"));
    let of_two = verifier(&format!("{base}{line}"), &clock);
    assert!(verify(&of_two, &hmac(Algorithm::HS384, long.clone())).is_ok());
    assert!(verify(&of_two, &hmac(Algorithm::HS512, long.clone())).is_ok());
    assert!(verify(&of_two, &hmac(Algorithm::HS256, long)).is_err());
}

#[test]
fn keys_come_from_files() {
    let (issuer, clock, _) = world();
    let folder = tempfile::tempdir().unwrap();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.jwks()).unwrap();
    let base = "[[authorities]]\nissuer = 'https://id.example.com'\naudience = 'api'\n";
    let by_file = verifier(&format!("{base}jwks_file = '{}'", jwks.display()), &clock);
    assert!(verify(&by_file, &issuer.sign(json!({}))).is_ok());
    // As a table, too.
    let set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let key = &set["keys"][0];
    let table = key.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}"));
    let table = format!("{base}jwks.keys = [{{ {} }}]", table.collect::<Vec<_>>().join(", "));
    assert!(verify(&verifier(&table, &clock), &issuer.sign(json!({}))).is_ok());
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/p256.spki.pem");
    let by_pem = format!("{base}algorithms = ['ES256']\npem_file = '{pem}'");
    assert!(KeySet::from_pem(Algorithm::ES256, std::fs::read(pem).unwrap()).is_ok());
    let token = include_str!("../fixtures/ES256.jwt").trim();
    // The fixture is signed by that key, and is of another issuer: the signature is looked at first.
    let reason = verify(&verifier(&by_pem, &clock), token).map(drop).map_err(|error| error.reason());
    assert_ne!(reason, Err(Reason::BadSignature));
}

#[test]
fn limits_bound_and_the_cache_keeps() {
    let (issuer, clock, table) = world();
    let base = format!("{table}issuer = 'https://id.example.com'\naudience = 'api'\n");
    for (limit, good, bad) in [
        ("token_bytes = 1000", json!({}), json!({ "x": "y".repeat(1000) })),
        ("json_depth = 2", json!({ "a": [1] }), json!({ "a": [[1]] })),
        ("claims = 8", json!({}), json!({ "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1 })),
        ("audience_elements = 2", json!({ "aud": ["api", "b"] }), json!({ "aud": ["api", "b", "c"] })),
    ] {
        let verifier = verifier(&format!("{base}[limits]\n{limit}"), &clock);
        assert!(verify(&verifier, &issuer.sign(good)).is_ok(), "{limit}");
        assert!(verify(&verifier, &issuer.sign(bad)).is_err(), "{limit}");
    }
    for (limit, header) in [
        ("header_bytes = 100", json!({ "x": "y".repeat(100) })),
        ("kid_bytes = 8", json!({ "kid": "123456789" })),
    ] {
        let bounded = verifier(&format!("{base}[limits]\n{limit}"), &clock);
        let reason = verify(&bounded, &issuer.sign_with(header, json!({}))).unwrap_err().reason();
        assert_eq!(reason, Reason::MalformedToken, "{limit}");
    }
    for (cache, is_on) in [("", false), ("[cache]", true), ("[cache]\nentries = 32\nbytes = 65536", true)] {
        let verifier = verifier(&format!("{base}{cache}"), &clock);
        let debug = format!("{verifier:?}");
        assert_eq!(!debug.contains("tokens: None"), is_on, "{cache}: {debug}");
    }
}

#[tokio::test]
async fn keys_are_fetched_as_the_table_says() {
    let provider = TestProvider::on_loopback().await;
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    let folder = tempfile::tempdir().unwrap();
    for (origin, fetched) in [
        (format!("issuer = '{}'\noidc = true", provider.issuer()), (1, 1)),
        (format!("issuer = '{}'\njwks_url = '{}'", provider.issuer(), provider.jwks_url()), (0, 1)),
        (
            format!("issuer = '{}'\noidc = true\njwks_url = '{}'", provider.issuer(), provider.jwks_url()),
            (0, 1),
        ),
        (
            format!(
                "issuer = '{0}'\noidc = true\ndiscovery_url = '{0}/.well-known/openid-configuration'",
                provider.issuer()
            ),
            (1, 1),
        ),
    ] {
        let before = (provider.discovery_calls(), provider.jwks_calls());
        let fetch = "fetch.insecure_http_on_loopback = true\nfetch.cooldown = 5\nfetch.stale = 0\nfetch.wait = 10\n\
                     fetch.fetch_time = 30\nfetch.max_age = 60";
        let kept = folder.path().join(format!("{}.json", provider.jwks_calls()));
        let keep = format!("fetch.keep_in = '{}'", kept.display());
        let config = config(&format!("[[authorities]]\naudience = 'api'\n{origin}\n{fetch}\n{keep}"));
        let verifier = config.verifier_builder::<Claims>().unwrap().build().unwrap();
        assert!(verifier.verify(&token).await.is_ok(), "{origin}");
        let calls = (provider.discovery_calls() - before.0, provider.jwks_calls() - before.1);
        assert_eq!(calls, fetched, "{origin}");
        // They are kept in the background.
        while !kept.exists() {
            tokio::task::yield_now().await;
        }
    }
}
