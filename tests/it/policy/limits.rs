//! Each limit at its edge.

use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, KeySet, Limits, TestIssuer, Verifier};

use super::{Bench, verdict};

fn judge(bench: &Bench, limits: Limits, token: &str) -> String {
    let builder = Verifier::<Claims>::builder().authority(bench.issuer.authority());
    verdict(&builder.clock(bench.clock.clone()).limits(limits).build().unwrap(), token)
}

#[test]
fn token_bytes() {
    let bench = Bench::new();
    let token = bench.sign(json!({ "x": "x".repeat(300) }));
    let length = token.len();
    assert_eq!(judge(&bench, Limits::default().token_bytes(length), &token), "accepted");
    assert_eq!(judge(&bench, Limits::default().token_bytes(length - 1), &token), "token_too_long");
    // 16 KiB unless told.
    let longest = (11_700..12_300).map(|n| bench.sign(json!({ "jti": "1", "x": "x".repeat(n) })));
    let tokens: Vec<String> =
        longest.filter(|token| (16 * 1024 - 2..=16 * 1024 + 2).contains(&token.len())).collect();
    let mut seen = [false; 2];
    for token in &tokens {
        let fits = token.len() <= 16 * 1024;
        seen[usize::from(fits)] = true;
        let expected = if fits { "accepted" } else { "token_too_long" };
        assert_eq!(judge(&bench, Limits::default(), token), expected, "{}", token.len());
    }
    assert_eq!(seen, [true, true]);
}

#[test]
fn header_bytes() {
    let bench = Bench::new();
    for size in [512, 2048] {
        let empty = bench.header().replace('}', r#","x":""}"#);
        let header = empty.replace(r#""x":"""#, &format!(r#""x":"{}""#, "x".repeat(size - empty.len())));
        assert_eq!(header.len(), size);
        let [_, payload, _] =
            bench.sign(json!({})).split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        let token = bench.issuer.sign_raw(header, crate::advisories::decode(&payload));
        assert_eq!(judge(&bench, Limits::default().header_bytes(size), &token), "accepted");
        assert_eq!(judge(&bench, Limits::default().header_bytes(size - 1), &token), "malformed_token");
        let default = if size <= 2048 { "accepted" } else { "malformed_token" };
        assert_eq!(judge(&bench, Limits::default(), &token), default);
    }
}

#[test]
fn kid_bytes() {
    let bench = Bench::new();
    let judge_kid = |limits: Limits, bytes: usize| {
        let kid = "k".repeat(bytes);
        let keys = bench.issuer.key_set().with_kid(&kid).unwrap();
        let authority = Authority::keys(keys).issuer(super::ISS).audience("api");
        let builder = Verifier::<Claims>::builder().authority(authority).clock(bench.clock.clone());
        let token = bench.issuer.sign_with(json!({ "kid": kid }), json!({}));
        verdict(&builder.limits(limits).build().unwrap(), &token)
    };
    assert_eq!(judge_kid(Limits::default(), 256), "accepted");
    assert_eq!(judge_kid(Limits::default(), 257), "malformed_token");
    assert_eq!(judge_kid(Limits::default().kid_bytes(1), 1), "accepted");
    assert_eq!(judge_kid(Limits::default().kid_bytes(1), 2), "malformed_token");
}

#[test]
fn json_depth() {
    let bench = Bench::new();
    let nested = |levels: usize, open: &str, close: &str| {
        let inner = format!("{}{}", open.repeat(levels - 1), close.repeat(levels - 1));
        bench.token_of("x", Some(&inner))
    };
    for (limits, deepest) in [
        (Limits::default(), 32),
        (Limits::default().json_depth(2), 2),
        (Limits::default().json_depth(64), 64),
    ] {
        assert_eq!(judge(&bench, limits, &nested(deepest, "[", "]")), "accepted", "{deepest}");
        assert_eq!(judge(&bench, limits, &nested(deepest + 1, "[", "]")), "malformed_token", "{deepest}");
    }
    let objects = bench.token_of("x", Some(&format!("{}1{}", "{\"a\":".repeat(32), "}".repeat(32))));
    assert_eq!(judge(&bench, Limits::default(), &objects), "malformed_token");
    let text = bench.token_of("x", Some(&format!("\"{}\"", "[{".repeat(100))));
    assert_eq!(judge(&bench, Limits::default(), &text), "accepted");
    // Only the payload itself.
    assert_eq!(judge(&bench, Limits::default().json_depth(1), &bench.token_with("x", "1")), "accepted");
    assert_eq!(
        judge(&bench, Limits::default().json_depth(1), &bench.token_with("x", "[]")),
        "malformed_token"
    );
}

#[test]
fn audience_elements() {
    let bench = Bench::new();
    let token = bench.sign(json!({ "aud": ["x", "y", "api"] }));
    assert_eq!(judge(&bench, Limits::default().audience_elements(3), &token), "accepted");
    assert_eq!(judge(&bench, Limits::default().audience_elements(2), &token), "invalid_claim (aud)");
}

/// The public key of this issuer, without its name.
fn nameless(issuer: &TestIssuer) -> KeySet {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    jwks["keys"][0].as_object_mut().unwrap().remove("kid");
    KeySet::from_jwks(jwks.to_string()).unwrap()
}

#[test]
fn keys_tried() {
    let issuers: Vec<Bench> = (0..4).map(|_| Bench::with_algorithm(Algorithm::ES256)).collect();
    for count in 1..=4 {
        let keys =
            issuers[..count].iter().fold(KeySet::default(), |keys, one| keys.merge(&nameless(&one.issuer)));
        let judge = |limit: usize, token: &str| {
            let authority = Authority::keys(keys.clone()).issuer(super::ISS).audience("api");
            let builder = Verifier::<Claims>::builder().authority(authority).clock(issuers[0].clock.clone());
            verdict(&builder.limits(Limits::default().keys_tried(limit)).build().unwrap(), token)
        };
        for one in &issuers[..count] {
            // No key has a name, so what the token says of one is ignored.
            for kid in [json!(null), json!("any")] {
                let token = one.issuer.sign_with(json!({ "kid": kid }), json!({}));
                assert_eq!(judge(count, &token), "accepted");
                if count > 1 {
                    assert_eq!(judge(count - 1, &token), "unknown_key");
                }
            }
        }
    }
}

#[test]
fn claims() {
    let bench = Bench::new();
    let of = |count: usize| {
        let claims: serde_json::Map<String, Value> =
            (0..count).map(|number| (format!("c{number}"), json!(number))).collect();
        bench.sign(Value::Object(claims))
    };
    // What the issuer adds counts as well.
    let added = bench.sign(json!({})).split('.').nth(1).map(|payload| {
        let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
        serde_json::from_slice::<serde_json::Map<String, Value>>(&payload.unwrap()).unwrap().len()
    });
    let added = added.unwrap();
    for (limits, most) in [(Limits::default(), 128), (Limits::default().claims(20), 20)] {
        assert_eq!(judge(&bench, limits, &of(most - added)), "accepted");
        assert_eq!(judge(&bench, limits, &of(most - added + 1)), "malformed_token");
    }
}
