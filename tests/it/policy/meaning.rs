//! One token has one meaning: what the user's type sees is what the policy saw. `serde_json` has names of its own, by which it would
//! read an object as something else.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Issuer, Jwt, KeySet, Principal, Reason, SigningKey, TestIssuer,
    TokenCache, Verifier,
};

use crate::support::verify;

const RAW: &str = "$serde_json::private::RawValue";
const ISSUER: &str = "https://id.example.com";

fn issuer(algorithm: Algorithm) -> TestIssuer {
    TestIssuer::with_algorithm(ISSUER, algorithm)
}

fn header(issuer: &TestIssuer, algorithm: Algorithm) -> String {
    json!({ "alg": algorithm.as_str(), "kid": issuer.kid() }).to_string()
}

fn reason<C>(verified: Result<Jwt<C>, AuthError>) -> (Reason, bool) {
    let error = verified.map(drop).unwrap_err();
    (error.reason(), error.signature_verified())
}

fn claims(members: &str) -> String {
    format!("{{\"iss\":\"{ISSUER}\",\"aud\":\"test\",\"exp\":4102444800,{members}}}")
}

/// The payload that two readers would read differently: its text says eve, and names another issuer.
fn two_faced(name: &str) -> String {
    let inner = json!({ "iss": "https://evil.example", "sub": "eve", "admin": true }).to_string();
    let claims = json!({ "iss": ISSUER, "aud": "test", "sub": "bob", "exp": 4_102_444_800_u64 }).to_string();
    format!("{{\"{name}\":{},{}", Value::from(inner), &claims[1..])
}

#[test]
fn names_of_serde_json_are_refused_wherever_they_stand() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256] {
        let issuer = issuer(algorithm);
        let other = Authority::keys(issuer.key_set()).issuer("https://other.example.com").audience("test");
        let strict = Verifier::<Value>::builder().authority(issuer.authority()).build().unwrap();
        let cached = Verifier::<Value>::builder()
            .authority(issuer.authority())
            .cache(TokenCache::new())
            .build()
            .unwrap();
        let several = Verifier::<Value>::new([issuer.authority(), other]).unwrap();
        let lenient = Verifier::<Value>::new(issuer.authority().numeric_ids_as_text()).unwrap();
        for verifier in [&strict, &cached, &several, &lenient] {
            let header = header(&issuer, algorithm);
            let judged = |payload: &str| reason(verify(verifier, &issuer.sign_raw(&header, payload)));
            for payload in [
                two_faced(RAW),
                two_faced("$serde_json::private::Number"),
                two_faced(r"\u0024serde_json::private::RawValue"),
                two_faced(r"$serde_json\u003a\u003Aprivate::RawValue"),
                claims(&format!(r#""x":{{"{RAW}":"{{\"admin\":true}}"}}"#)),
                claims(&format!(r#""x":[[{{"a":1,"{RAW}":"1"}}]]"#)),
                claims(r#""x":{"y":{"$serde_json::private::anything":1}}"#),
            ] {
                for _ in 0..2 {
                    assert_eq!(judged(&payload), (Reason::MalformedToken, true), "{payload}");
                }
            }
            // In a text it is a text.
            let text = claims(&format!(r#""sub":"{RAW}""#));
            let user = verify(verifier, &issuer.sign_raw(&header, &text)).unwrap();
            assert_eq!(user["sub"], RAW);
            // The header, too, and again when it is known.
            for header in [
                format!(r#"{{"alg":"{algorithm}","kid":"{}","{RAW}":"1"}}"#, issuer.kid()),
                format!(r#"{{"alg":"{algorithm}","kid":"{}","x":[{{"{RAW}":"1"}}]}}"#, issuer.kid()),
            ] {
                let token = issuer.sign_raw(&header, claims(r#""sub":"bob""#));
                for _ in 0..2 {
                    assert_eq!(reason(verify(verifier, &token)), (Reason::MalformedToken, true), "{header}");
                }
            }
        }
        let forged = TestIssuer::with_algorithm(ISSUER, algorithm)
            .sign_raw(header(&issuer, algorithm), two_faced(RAW));
        assert_eq!(reason(verify(&strict, &forged)), (Reason::BadSignature, false));
    }
}

/// What a type does not ask for is passed by, and read less strictly than what it does ask for: nothing can hide there.
#[test]
fn what_is_passed_by_hides_no_name() {
    #[derive(Deserialize)]
    struct Roles {
        roles: Value,
    }

    let issuer = issuer(Algorithm::ES256);
    let verifier = Verifier::<Roles>::new(issuer.authority()).unwrap();
    for passed_by in ["1e999", r#""\ud800""#, "[[[[[[[[]]]]]]]]"] {
        let judged = |roles: &str| {
            let payload = claims(&format!(r#""n":{passed_by},"roles":{roles}"#));
            verify(&verifier, &issuer.sign_raw(header(&issuer, Algorithm::ES256), payload))
        };
        assert_eq!(judged(r#"["user"]"#).unwrap().roles, json!(["user"]), "{passed_by}");
        let two_faced = format!(r#"{{"{RAW}":"[\"admin\"]"}}"#);
        assert_eq!(reason(judged(&two_faced)), (Reason::MalformedToken, true), "{passed_by}");
    }
}

#[test]
fn documents_with_such_names_are_refused_too() {
    let issuer = issuer(Algorithm::ES256);
    let set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let mut odd = set["keys"][0].clone();
    odd["x"] = json!({ RAW: set["keys"][0]["x"].to_string() });
    let both = json!({ "keys": [odd, set["keys"][0]] }).to_string();
    let keys = KeySet::from_jwks(&both).unwrap();
    assert_eq!((keys.len(), keys.skipped().len()), (1, 1));
    assert!(keys.skipped()[0].to_string().contains("serde_json keeps for itself"), "{:?}", keys.skipped());
    assert!(SigningKey::from_jwk(Algorithm::ES256, odd.to_string()).is_err());
    // And nobody signs what nobody accepts.
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let issuer = Issuer::builder(ISSUER, key).audience("test").build().unwrap();
    let error =
        issuer.sign(&json!({ "sub": "bob", "x": { "$serde_json::private::Numbers": "1" } })).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains("$serde_json::private::"), "{error:?}");
}

#[derive(Debug, Deserialize)]
struct Flat {
    sub: Option<String>,
    #[serde(flatten)]
    rest: HashMap<String, Value>,
}

/// Names and values that look like each other's, some of them in a spelling of their own.
fn json_text() -> impl Strategy<Value = String> {
    let names = [
        "a",
        "b",
        "sub",
        "iss",
        RAW,
        "$serde_json::private::Number",
        r"\u0024serde_json::private::RawValue",
        "$",
    ];
    let name = prop::sample::select(names.to_vec());
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("\"x\"".to_owned()),
        Just("null".to_owned()),
        Just(r#""{\"sub\":\"eve\"}""#.to_owned()),
        Just("\"7\"".to_owned()),
        Just(format!("\"{RAW}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
            members.prop_map(|members| object(&members)),
        ]
    })
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The same text for one value, whoever read it.
fn canonical(value: &Value) -> String {
    value.to_string()
}

fn agree(issuer: &TestIssuer, payload: &str) -> Result<bool, String> {
    let token = issuer.sign_raw(header(issuer, Algorithm::HS256), payload);
    let whole = Verifier::<Value>::new(issuer.authority()).unwrap();
    let Ok(seen) = verify(&whole, &token) else { return Ok(false) };
    let principal: Principal = Jwt::principal(&seen);
    // The policy demanded this issuer: whatever the type is, it must see it.
    let issuer_seen = seen.get("iss").and_then(Value::as_str);
    if issuer_seen != principal.issuer() || issuer_seen != Some(ISSUER) {
        return Err(format!("the type sees {issuer_seen:?}, the policy {:?}", principal.issuer()));
    }
    let flat = verify(&Verifier::<Flat>::new(issuer.authority()).unwrap(), &token);
    let map = verify(&Verifier::<HashMap<String, Value>>::new(issuer.authority()).unwrap(), &token);
    let raw = verify(&Verifier::<HashMap<String, Box<RawValue>>>::new(issuer.authority()).unwrap(), &token);
    let (Ok(map), Ok(raw)) = (map, raw) else { return Err("one type fits and another does not".to_owned()) };
    for (name, value) in seen.as_object().ok_or("an object is something else")? {
        let by_principal = principal.claim::<Value>(name).unwrap_or_default();
        let text: Value = serde_json::from_str(raw[name].get()).unwrap();
        for other in [&by_principal, &map[name], &text] {
            if canonical(other) != canonical(value) {
                return Err(format!("{name}: {value} and {other}"));
            }
        }
        // The braces that stand in the text are those of what was read.
        if raw[name].get().trim_start().starts_with('{') != value.is_object() {
            return Err(format!("{name}: {} is read as {value}", raw[name].get()));
        }
    }
    if let Ok(flat) = flat {
        let sub = seen.get("sub").and_then(Value::as_str);
        let rest = flat.rest.iter().all(|(name, value)| seen.get(name) == Some(value));
        if flat.sub.as_deref() != sub || !rest {
            return Err(format!("flattened: {flat:?}"));
        }
    }
    Ok(true)
}

#[test]
fn what_the_type_sees_is_what_the_policy_saw() {
    let issuer = issuer(Algorithm::HS256);
    let accepted = std::cell::Cell::new(0);
    let payloads = (json_text(), json_text(), prop::bool::ANY, prop::sample::select(vec!["a", RAW, "b"]));
    TestRunner::new(Config { cases: 3000, failure_persistence: None, ..Config::default() })
        .run(&payloads, |(one, other, first, name)| {
            let claims = format!("\"iss\":\"{ISSUER}\",\"aud\":\"test\",\"exp\":4102444800");
            let odd = format!("\"{name}\":{one},\"c\":{other}");
            let payload = if first { format!("{{{odd},{claims}}}") } else { format!("{{{claims},{odd}}}") };
            match agree(&issuer, &payload) {
                Ok(verified) => accepted.set(accepted.get() + u32::from(verified)),
                Err(why) => return Err(TestCaseError::fail(format!("{payload}: {why}"))),
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(accepted.get() > 300, "only {} were accepted", accepted.get());
}
