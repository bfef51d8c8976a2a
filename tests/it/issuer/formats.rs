//! Private keys from PEM, DER and JWK: what is read, and what is refused in which words.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, Issuer, KeySet, SigningKey, Verifier};

use super::{ISS, fixture, text};
use crate::support::{algorithms, verify};

/// The keys of `fixtures/private`, each with its algorithms and forms.
fn keys() -> Vec<(&'static str, Vec<Algorithm>, Vec<&'static str>)> {
    use Algorithm::*;
    let ec = || {
        vec!["pkcs8.pem", "sec1.pem", "sec1-no-public.pem", "sec1-parameters.pem", "pkcs8.der", "sec1.der"]
    };
    let mut keys = vec![
        (
            "rsa",
            vec![RS256, RS384, RS512, PS256, PS384, PS512],
            vec!["pkcs8.pem", "pkcs1.pem", "pkcs8.der", "pkcs1.der"],
        ),
        ("p256", vec![ES256], ec()),
        ("p384", vec![ES384], ec()),
        ("p521", vec![ES512], ec()),
        ("ed25519", vec![EdDSA, Ed25519], vec!["pkcs8.pem", "pkcs8.der"]),
    ];
    keys.iter_mut().for_each(|(_, its, _)| its.retain(|algorithm| algorithms().contains(algorithm)));
    keys.retain(|(_, its, _)| !its.is_empty());
    keys
}

fn read(algorithm: Algorithm, file: &str) -> Result<SigningKey, String> {
    let key = match file.ends_with(".pem") {
        true => SigningKey::from_pem(algorithm, fixture(file)),
        false => SigningKey::from_der(algorithm, fixture(file)),
    };
    key.map_err(|error| error.to_string())
}

/// Whether what the key signs is good by its own public half.
fn works(key: &SigningKey) -> bool {
    let issuer = Issuer::builder(ISS, key.clone()).audience("api").build().unwrap();
    let verifier = Verifier::<Claims>::new(issuer.authority()).unwrap();
    verify(&verifier, &issuer.sign(&json!({})).unwrap()).is_ok()
}

#[test]
fn every_form_of_a_private_key_is_the_same_key() {
    let mut read_ = 0;
    for (name, algorithms, forms) in keys() {
        for algorithm in algorithms {
            let sets: BTreeMap<String, &str> = forms
                .iter()
                .map(|form| {
                    let key = read(algorithm, &format!("{name}.{form}")).unwrap();
                    assert!(works(&key), "{name}.{form}");
                    read_ += 1;
                    (key.key_set().to_public_jwks(), *form)
                })
                .collect();
            assert_eq!(sets.len(), 1, "{name}: {sets:?}");
            // And of the public key that OpenSSL derives.
            let public = KeySet::from_pem(algorithm, fixture(&format!("{name}.public.pem"))).unwrap();
            let thumbprint = public.iter().next().unwrap().thumbprint().unwrap();
            let public = public.with_kid(thumbprint).unwrap();
            assert_eq!(sets.keys().next().unwrap(), &public.to_public_jwks());
        }
    }
    assert_eq!(read_, if cfg!(feature = "aws-lc-rs") { 46 } else { 40 });
}

#[test]
fn a_key_is_only_read_for_its_own_algorithms() {
    use Algorithm::*;
    let all =
        [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519];
    for (name, its, forms) in keys() {
        for algorithm in all.into_iter().filter(|algorithm| !its.contains(algorithm)) {
            for form in &forms {
                let error = read(algorithm, &format!("{name}.{form}")).unwrap_err();
                assert!(
                    error.contains(&format!("it is not a key for {algorithm} but ")),
                    "{name}.{form}: {error}"
                );
                assert!(error.contains("made for this algorithm"), "{error}");
            }
        }
    }
}

/// RFC 8410 section 10.3: an Ed25519 key without its public half (version 1), and one with it and an attribute.
#[test]
fn ed25519_keys_of_both_versions() {
    let one = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let two = "-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\noB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n";
    let one = SigningKey::from_pem(Algorithm::Ed25519, one).unwrap();
    let both = SigningKey::from_pem(Algorithm::Ed25519, two).unwrap();
    assert_eq!(one.key_set().to_public_jwks(), both.key_set().to_public_jwks());
    let forged = two.replace(
        "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9E",
        "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9F",
    );
    let error = SigningKey::from_pem(Algorithm::Ed25519, forged).unwrap_err().to_string();
    assert!(error.contains("public half is that of another key"), "{error}");
}

/// As a variable of the environment has it.
#[test]
fn pem_is_read_with_its_base64_on_one_line() {
    let pem = text("p256.pkcs8.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let base64 = lines[1..lines.len() - 1].concat();
    let one = format!("{}\n{base64}\n{}", lines[0], lines[lines.len() - 1]);
    let keys = [pem.clone(), one].map(|pem| SigningKey::from_pem(Algorithm::ES256, pem).unwrap());
    assert_eq!(keys[0].kid(), keys[1].kid());
}

#[test]
fn what_is_no_private_key_is_refused_with_what_to_do() {
    use Algorithm::{ES256, Ed25519, RS256};
    let certificate =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/p256.cert.pem"))
            .unwrap();
    let two = format!("{}{}", text("p256.pkcs8.pem"), text("p384.pkcs8.pem"));
    for (algorithm, pem, words) in [
        (ES256, text("refused/encrypted.pem"), ["encrypted", "openssl pkey"]),
        (RS256, text("refused/encrypted-pkcs1.pem"), ["encrypted", "openssl pkey"]),
        (Ed25519, text("refused/openssh.pem"), ["OpenSSH", "openssl genpkey"]),
        (ES256, text("p256.public.pem"), ["public key", "private key"]),
        (ES256, certificate, ["public key", "private key"]),
        (RS256, text("refused/rsa-1024.pem"), ["1024 bits", "2048"]),
        (RS256, text("refused/rsa-three-primes.pem"), ["two primes", "not supported"]),
        (RS256, text("refused/rsa-pss.pem"), ["1.2.840.113549.1.1.10", "not supported"]),
        (ES256, text("refused/secp256k1.pem"), ["curve", "P-256"]),
        (ES256, text("refused/p256-explicit.pem"), ["not", "private key"]),
        (Ed25519, text("refused/ed448.pem"), ["1.3.101.113", "not supported"]),
        (Ed25519, text("refused/x25519.pem"), ["1.3.101.110", "not supported"]),
        (ES256, two, ["one block of PEM", "private key"]),
        (ES256, String::new(), ["-----BEGIN", "not its path"]),
        (ES256, "/etc/key.pem".into(), ["-----BEGIN", "not its path"]),
        (ES256, text("p256.pkcs8.pem").replace("PRIVATE", "SECRET"), ["label", "PRIVATE KEY"]),
        (
            ES256,
            text("p256.pkcs8.pem").replace("PRIVATE", "EC PRIVATE"),
            ["not the DER of a SEC1", "private key"],
        ),
        (
            RS256,
            text("rsa.pkcs8.pem").replace("PRIVATE", "RSA PRIVATE"),
            ["not the DER of a PKCS#1", "private key"],
        ),
        (
            ES256,
            text("p256.sec1-parameters.pem").split("-----BEGIN EC PRIVATE").next().unwrap().to_owned(),
            ["-----BEGIN", "not its path"],
        ),
    ] {
        let error = SigningKey::from_pem(algorithm, &pem).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
        assert_hides(&error, &pem);
    }
    for der in [&b""[..], b"0", &fixture("p256.public.der"), text("p256.pkcs8.pem").as_bytes()] {
        let error = SigningKey::from_der(ES256, der).unwrap_err().to_string();
        assert!(error.contains("PKCS#8, PKCS#1 or SEC1"), "{error}");
    }
}

/// No line of the PEM is in the message.
fn assert_hides(error: &str, pem: &str) {
    for line in pem.lines().filter(|line| line.len() > 15 && !line.contains("---")) {
        assert!(!error.contains(&line[..12]), "{error}");
    }
}

#[test]
fn a_truncated_key_is_refused_at_every_length() {
    for (name, algorithms, forms) in keys() {
        for form in forms {
            let (file, whole) = (format!("{name}.{form}"), fixture(&format!("{name}.{form}")));
            let is_pem = form.ends_with(".pem");
            let whole = if is_pem { whole.trim_ascii_end().to_vec() } else { whole };
            for length in 0..whole.len() {
                let part = &whole[..length];
                let key = match is_pem {
                    true => SigningKey::from_pem(algorithms[0], part),
                    false => SigningKey::from_der(algorithms[0], part),
                };
                assert!(key.is_err(), "{file} of {length} bytes");
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_or_leaves_a_key_that_works() {
    let (mut refused, mut taken) = (0, 0);
    for (name, algorithms, forms) in keys() {
        for form in forms.iter().filter(|form| form.ends_with(".der")) {
            let whole = fixture(&format!("{name}.{form}"));
            // An RSA key is slow to check: every seventh byte.
            let step = if name == "rsa" { 7 } else { 1 };
            for at in (0..whole.len()).step_by(step) {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << (at % 8);
                match SigningKey::from_der(algorithms[0], &damaged) {
                    Err(_) => refused += 1,
                    Ok(key) => {
                        taken += 1;
                        assert!(works(&key), "{name}.{form}, byte {at}");
                    }
                }
            }
        }
    }
    println!("{refused} damaged keys refused, {taken} taken that work");
    // RustCrypto computes the numbers of an RSA key that only serve speed by itself, and leaves those of the file.
    let times = if cfg!(feature = "aws-lc-rs") { 10 } else { 5 };
    assert!(refused > times * taken && refused > 500, "{refused} refused, {taken} taken");
}

fn jwk(kind: &str) -> Value {
    let (_, json) = super::vectors::PRIVATE_JWKS.iter().find(|(known, _)| *known == kind).unwrap();
    serde_json::from_str(json).unwrap()
}

fn refusal(algorithm: Algorithm, jwk: &Value) -> String {
    let error = SigningKey::from_jwk(algorithm, jwk.to_string()).unwrap_err().to_string();
    // No value of the key is shown.
    for value in ["d", "p", "q", "dp", "dq", "qi", "k"].map(|name| jwk[name].as_str()).into_iter().flatten() {
        assert!(value.len() < 10 || !error.contains(&value[..10]), "{error}");
    }
    error
}

#[test]
fn private_jwks_that_contradict_themselves_are_refused() {
    use Algorithm::{ES256, ES384, Ed25519, HS256, RS256};
    let change = |kind: &str, name: &str, value: Value| {
        let mut jwk = jwk(kind);
        jwk[name] = value;
        jwk
    };
    let without = |kind: &str, name: &str| {
        let mut jwk = jwk(kind);
        jwk.as_object_mut().unwrap().remove(name);
        jwk
    };
    let zero = BASE64URL.encode([0; 32]);
    let order = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE"; // of P-256
    let above = BASE64URL.encode([0xff; 32]);
    let other = SigningKey::generate(ES256).unwrap().key_set().to_public_jwks();
    let other: Value = serde_json::from_str(&other).unwrap();
    let mut mismatched = jwk("ES256");
    mismatched["x"] = other["keys"][0]["x"].clone();
    mismatched["y"] = other["keys"][0]["y"].clone();
    let refused = [
        (ES256, without("ES256", "d"), "public key"),
        (ES256, without("ES256", "x"), "no `x`"),
        (ES256, without("ES256", "kty"), "not a JSON object of this form"),
        (ES256, change("ES256", "d", zero.clone().into()), "does not take it"),
        (ES256, change("ES256", "d", order.into()), "does not take it"),
        (ES256, change("ES256", "d", above.into()), "does not take it"),
        (ES256, change("ES256", "d", "AQ".into()), "32 bytes"),
        (ES256, change("ES256", "d", "*** no base64 ***".into()), "`d` is not base64url"),
        (ES256, change("ES256", "d", format!("{zero}=").into()), "`d` is not base64url"),
        (ES256, change("ES256", "d", 5.into()), "not a JSON object of this form"),
        (ES256, mismatched, "public half is that of another key"),
        (ES256, change("ES256", "crv", "P-384".into()), "48 bytes"),
        (ES256, change("ES256", "crv", "secp256k1".into()), "`crv`"),
        (ES256, change("ES256", "use", "enc".into()), "`use`"),
        (ES256, change("ES256", "key_ops", json!(["verify"])), "`key_ops`"),
        (ES256, change("ES256", "key_ops", json!([])), "`key_ops`"),
        (ES256, change("ES256", "alg", "ES384".into()), "`alg`"),
        (ES256, change("ES256", "alg", "none".into()), "`alg`"),
        (ES256, change("ES256", "alg", "ECDH-ES".into()), "`alg`"),
        (ES256, change("ES256", "kty", "RSA".into()), "no `"),
        (ES256, change("ES256", "kty", "unknown".into()), "`kty`"),
        (ES256, change("ES256", "kid", "".into()), "`kid`"),
        (ES256, change("ES256", "kid", "k".repeat(257).into()), "`kid`"),
        (ES384, jwk("ES256"), "not a key for ES384"),
        (HS256, jwk("ES256"), "not a key for HS256"),
        (RS256, without("RS256", "d"), "public key"),
        (RS256, without("RS256", "p"), "primes"),
        (RS256, without("RS256", "q"), "no `q`"),
        (RS256, without("RS256", "qi"), "no `qi`"),
        (RS256, change("RS256", "q", jwk("RS256")["p"].clone()), "does not take it"),
        (RS256, change("RS256", "d", jwk("RS256")["dp"].clone()), "does not take it"),
        (RS256, change("RS256", "n", "AQAB".into()), "17 bits"),
        (RS256, change("RS256", "e", "AQ".into()), "exponent"),
        (Ed25519, without("Ed25519", "d"), "public key"),
        (Ed25519, change("Ed25519", "d", "AQ".into()), "32 bytes"),
        (Ed25519, change("Ed25519", "x", zero.into()), "public half is that of another key"),
        (Ed25519, change("Ed25519", "crv", "X25519".into()), "`crv`"),
        (HS256, json!({ "kty": "oct", "k": "AQ" }), "needs at least 32"),
        (HS256, json!({ "kty": "oct" }), "no `k`"),
    ];
    for (algorithm, jwk, words) in refused {
        let error = refusal(algorithm, &jwk);
        assert!(error.contains(words) && error.contains(algorithm.as_str()), "{words}: {error}");
        assert!(error.contains("give the private key that was made for this algorithm"), "{error}");
    }
    for text in ["", "null", "[]", "{", r#""text""#, r#"{"keys":[]}"#] {
        assert!(SigningKey::from_jwk(ES256, text).is_err(), "{text}");
    }
    // Each member once.
    for member in ["kty", "crv", "d", "x", "kid"] {
        let jwk = change("ES256", "kid", "k".into());
        let twice = jwk.to_string().replacen('{', &format!("{{\"{member}\":{},", jwk[member]), 1);
        assert!(SigningKey::from_jwk(ES256, twice).is_err(), "{member}");
    }
}

#[test]
fn a_private_jwk_keeps_its_kid_and_may_say_what_it_is_for() {
    let mut jwk = jwk("ES256");
    let unnamed = SigningKey::from_jwk(Algorithm::ES256, jwk.to_string()).unwrap();
    assert_eq!(Some(unnamed.kid().to_owned()), unnamed.key_set().iter().next().unwrap().thumbprint());
    for (name, value) in [
        ("kid", json!("mine")),
        ("alg", json!("ES256")),
        ("use", json!("sig")),
        ("key_ops", json!(["verify", "sign"])),
        ("iat", json!(5)),
    ] {
        jwk[name] = value;
    }
    let key = SigningKey::from_jwk(Algorithm::ES256, jwk.to_string()).unwrap();
    assert_eq!(key.kid(), "mine");
    assert!(works(&key));
    assert_eq!(key.clone().with_kid("other").unwrap().kid(), "other");
    assert!(works(&key.clone().with_kid("other").unwrap()));
    for kid in [String::new(), "k".repeat(257)] {
        assert!(key.clone().with_kid(kid).unwrap_err().to_string().contains("thumbprint"));
    }
    // EdDSA and Ed25519 are one operation.
    let mut jwk = super::formats::jwk("Ed25519");
    jwk["alg"] = "EdDSA".into();
    assert_eq!(
        SigningKey::from_jwk(Algorithm::Ed25519, jwk.to_string()).unwrap().algorithm(),
        Algorithm::Ed25519
    );
    // The public half in a set of its own verifies.
    let keys = KeySet::from_jwks(key.key_set().to_public_jwks()).unwrap();
    let issuer = Issuer::builder(ISS, key).audience("api").build().unwrap();
    let verifier = Verifier::<Claims>::new(Authority::keys(keys).issuer(ISS).audience("api")).unwrap();
    assert!(verify(&verifier, &issuer.sign(&json!({})).unwrap()).is_ok());
}

fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(algorithms())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(algorithm in any_algorithm(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(SigningKey::from_der(algorithm, &bytes).is_err());
        prop_assert!(SigningKey::from_pem(algorithm, &bytes).is_err());
        let _ = SigningKey::from_jwk(algorithm, String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_pem_makes_it_panic(
        algorithm in any_algorithm(),
        label in "(RSA |EC |ENCRYPTED |OPENSSH )?(PRIVATE|PUBLIC) KEY|EC PARAMETERS|[ -~]{0,20}",
        body in "[A-Za-z0-9+/=\n -]{0,200}",
        around in "[ -~\n]{0,20}",
    ) {
        let pem = format!("{around}-----BEGIN {label}-----\n{body}\n-----END {label}-----\n{around}");
        let _ = SigningKey::from_pem(algorithm, pem);
    }

    #[test]
    fn no_jwk_makes_it_panic(
        algorithm in any_algorithm(),
        kind in prop::sample::select(vec!["RS256", "ES256", "Ed25519"]),
        member in prop::sample::select(vec!["kty", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "kid", "alg", "use", "key_ops"]),
        value in prop_oneof![
            "[A-Za-z0-9_-]{0,90}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null),
            Just(json!([])),
        ],
    ) {
        let mut jwk = jwk(kind);
        jwk[member] = value;
        let _ = SigningKey::from_jwk(algorithm, jwk.to_string());
    }
}
