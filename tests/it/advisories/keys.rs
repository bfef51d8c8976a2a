//! Keys, and headers that want to choose one: attacks 4, 9 to 17, 33 and 41.

use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, Authority, Claims, KeySet, Secret, TestIssuer, Verifier};

use super::{encode, judge, jwk, set_of, trusting};
use crate::policy::{Bench, ISS, verdict};
use crate::support::secret_bytes;

/// Key text is taken for an HMAC secret, again after white space or another prefix (CVE-2023-48223,
/// CVE-2026-34950, CVE-2026-48526).
#[test]
fn attack_04_pem_or_jwk_text_as_hmac_secret() {
    let issuer = TestIssuer::new("x");
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    for text in [
        pem.to_owned(),
        format!("  \r\n\t{pem}"),
        format!("\u{feff}{pem}"),
        format!("# our key\n{pem}"),
        format!("\0{pem}"),
        pem.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
        pem.replace("PUBLIC KEY", "CERTIFICATE"),
        pem.replace("PUBLIC KEY", "ANYTHING"),
        issuer.jwks(),
        format!("\n {}", jwk(&issuer, |_| {})),
        format!("\u{feff}{}", jwk(&issuer, |_| {})),
    ] {
        let error = Secret::from_bytes(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("not a secret"), "{error}");
        assert!(Secret::from_base64(encode(&text)).is_err());
        let oct = json!({ "keys": [{ "kty": "oct", "k": encode(&text) }] }).to_string();
        assert!(KeySet::from_jwks_with_secrets(oct).is_err());
    }
}

/// A public key that is no point of its curve, or one of small order, for which anybody can sign.
#[test]
fn attack_09_points_off_the_curve_and_of_small_order() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384] {
        let issuer = TestIssuer::with_algorithm("x", algorithm);
        let length = if algorithm == Algorithm::ES256 { 32 } else { 48 };
        assert!(set_of(&[jwk(&issuer, |_| {})]).is_ok());
        for (x, y) in [(0, 0), (0, 1), (1, 1), (0xff, 0xff)] {
            let off = jwk(&issuer, |jwk| {
                jwk["x"] = encode(vec![x; length]).into();
                jwk["y"] = encode(vec![y; length]).into();
            });
            assert!(set_of(std::slice::from_ref(&off)).is_err(), "{off}");
            assert!(KeySet::from_jwk(off).is_err());
        }
        // Another curve's name, and coordinates without their leading zeros.
        let other = if length == 32 { "P-384" } else { "P-256" };
        assert!(set_of(&[jwk(&issuer, |jwk| jwk["crv"] = other.into())]).is_err());
        assert!(set_of(&[jwk(&issuer, |jwk| jwk["x"] = encode(vec![1; length - 1]).into())]).is_err());
    }
    let issuer = TestIssuer::with_algorithm("x", Algorithm::Ed25519);
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for weak in [[0; 32], one, minus_one] {
        let mut with_sign = weak;
        with_sign[31] |= 0x80;
        for x in [weak, with_sign] {
            let error = set_of(&[jwk(&issuer, |jwk| jwk["x"] = encode(x).into())]).unwrap_err().to_string();
            assert!(error.contains("small order"), "{error}");
        }
    }
    for length in [0, 31, 33, 64] {
        assert!(set_of(&[jwk(&issuer, |jwk| jwk["x"] = encode(vec![9; length]).into())]).is_err());
    }
}

/// An RSA key that is too short, too long to check cheaply, or has the exponent 1.
#[test]
fn attack_10_weak_and_huge_rsa_keys() {
    let rsa = |bits: usize, e: &[u8]| {
        json!({ "kty": "RSA", "n": encode(vec![0xff; bits / 8]), "e": encode(e) }).to_string()
    };
    for (jwk, problem) in [
        (rsa(512, &[1, 0, 1]), "512 bits"),
        (rsa(1024, &[1, 0, 1]), "1024 bits"),
        (rsa(2040, &[1, 0, 1]), "2040 bits"),
        (rsa(8200, &[1, 0, 1]), "8200 bits"),
        (rsa(65536, &[1, 0, 1]), "65536 bits"),
        (rsa(2048, &[1]), "exponent"),
        (rsa(2048, &[2]), "exponent"),
        (rsa(2048, &[0]), "exponent"),
        (rsa(2048, &[0xff; 256]), "exponent"),
    ] {
        let error = set_of(&[jwk]).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

/// A secret that can be guessed (RFC 7518 section 3.2: at least as long as the hash).
#[test]
fn attack_11_short_hmac_secrets() {
    for (algorithm, least) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let build = |bytes: usize| {
            let secret = Secret::from_bytes(secret_bytes(bytes))?;
            Verifier::<Claims>::new(Authority::hmac(algorithm, secret).issuer("x").audience("y")).map(|_| ())
        };
        assert_eq!(build(least), Ok(()));
        assert!(build(least - 1).unwrap_err().to_string().contains("bytes"), "{algorithm}");
        let jwk = |bytes: usize| {
            let key = json!({ "kty": "oct", "alg": algorithm.as_str(), "k": encode(secret_bytes(bytes)) });
            KeySet::from_jwks_with_secrets(json!({ "keys": [key] }).to_string())
        };
        assert!(jwk(least).is_ok() && jwk(least - 1).is_err() && jwk(0).is_err());
    }
}

/// Signs as the attacker does: by a key of his own, with a header that says where to find it.
fn forged(header: Value) -> String {
    let attacker = Bench::with_algorithm(Algorithm::ES256);
    let mut header = header;
    let mut own: Value = serde_json::from_str(&attacker.issuer.jwks()).unwrap();
    if header.get("jwk").is_some() {
        header["jwk"] = own["keys"][0].take();
    }
    attacker.issuer.sign_with(header, json!({ "sub": "admin" }))
}

fn assert_key_of_the_header_is_not_used(header: &Value) {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    for kid in [Value::Null, json!(bench.issuer.kid())] {
        let mut named = header.clone();
        named["kid"] = kid;
        assert_eq!(judge(&bench, &forged(named.clone())), "bad_signature", "{named}");
        // Such a header does not spoil a token that is good.
        assert_eq!(judge(&bench, &bench.issuer.sign_with(named, json!({}))), "accepted");
    }
    // Under his own key's name there is no key.
    assert_eq!(judge(&bench, &forged(header.clone())), "unknown_key");
}

/// The key that a token brings along is believed (CVE-2018-0114 of node-jose, CVE-2026-27962 of Authlib).
#[test]
fn attack_12_embedded_jwk() {
    assert_key_of_the_header_is_not_used(&json!({ "jwk": {} }));
}

/// The key is fetched from where the token says (also CVE-2024-21643 of IdentityModel).
#[test]
fn attack_13_jku_and_x5u() {
    assert_key_of_the_header_is_not_used(&json!({ "jku": "https://evil.test/jwks.json" }));
    assert_key_of_the_header_is_not_used(&json!({ "x5u": "http://169.254.169.254/cert.pem" }));
}

/// The certificate that a token brings along is believed.
#[test]
fn attack_14_self_signed_x5c() {
    assert_key_of_the_header_is_not_used(
        &json!({ "x5c": ["MIIBszCCAVmgAwIBAgIUQ=="], "x5t": "x", "x5t#S256": "x" }),
    );
}

/// `kid` is used as a path, a query, a command or a URL.
#[test]
fn attack_15_kid_is_an_opaque_name() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    for kid in [
        "../../../../dev/null",
        "/dev/null",
        "' UNION SELECT 'key'; --",
        "| curl evil.test",
        "https://evil.test/key",
        "*",
        "%2e%2e",
        "",
        "\u{0}",
    ] {
        let token = bench.issuer.sign_with(json!({ "kid": kid }), json!({}));
        assert_eq!(judge(&bench, &token), "unknown_key", "{kid}");
        // The same text is a name like any other where it is configured.
        let keys = bench.issuer.key_set().with_kid(kid).unwrap();
        assert_eq!(verdict(&bench.verifier_of::<()>(trusting(keys)), &token), "accepted", "{kid}");
    }
    // Nearly the right name is a wrong one.
    let kid = bench.issuer.kid();
    for near in [kid.to_uppercase(), format!("{kid} "), kid[1..].to_owned(), format!("{kid}=")] {
        assert_eq!(judge(&bench, &bench.issuer.sign_with(json!({ "kid": near }), json!({}))), "unknown_key");
    }
}

/// An unknown `kid` gets some other key (CVE-2026-89313 of gose).
#[test]
fn attack_16_unknown_kid_gets_no_other_key() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    // Signed by the very key that a careless verifier would try.
    assert_eq!(judge(&bench, &bench.issuer.sign_with(json!({ "kid": "other" }), json!({}))), "unknown_key");
    // Without a name it must be clear which key is meant.
    let second = TestIssuer::new(ISS);
    let two = bench.issuer.key_set().merge(&second.key_set());
    let verifier = bench.verifier_of::<()>(trusting(two));
    let nameless = bench.issuer.sign_with(json!({ "kid": null }), json!({}));
    assert_eq!(verdict(&verifier, &nameless), "unknown_key");
    assert_eq!(judge(&bench, &nameless), "accepted");
}

/// `crit` is ignored (CVE-2025-59420 of Authlib, CVE-2026-32597 of PyJWT, fast-jwt).
#[test]
fn attack_17_crit_is_ignored() {
    let bench = Bench::new();
    for header in [
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": ["b64"], "b64": true }),
        json!({ "b64": false }),
        json!({ "crit": ["x"], "x": 1 }),
        json!({ "crit": ["x"] }),
        json!({ "crit": ["alg"] }),
        json!({ "crit": [] }),
        json!({ "crit": "x" }),
        json!({ "crit": {} }),
        json!({ "crit": 0 }),
        json!({ "crit": [""] }),
    ] {
        assert_eq!(judge(&bench, &bench.issuer.sign_with(&header, json!({}))), "malformed_token", "{header}");
    }
    let null = bench.header().replacen('{', r#"{"crit":null,"#, 1);
    assert_eq!(judge(&bench, &bench.issuer.sign_raw(null, "{}")), "malformed_token");
}

/// An accepted issuer, with the key of another one (CVE-2025-59936 of get-jwks, CVE-2026-49998, CVE-2026-50202).
#[test]
fn attack_33_key_of_another_issuer() {
    let (bench, evil) = (Bench::with_algorithm(Algorithm::ES256), Bench::with_algorithm(Algorithm::ES256));
    let named = |bench: &Bench, iss: &str, kid: &str| {
        Authority::keys(bench.issuer.key_set().with_kid(kid).unwrap()).issuer(iss).audience("api")
    };
    // Names that would be one and the same if they were joined.
    for (iss, kid, evil_iss, evil_kid) in
        [(ISS, "k", "evil", "k"), ("a", "b:c", "a:b", "c"), ("a", "bc", "ab", "c")]
    {
        let verifier: Verifier<Claims> = Verifier::builder()
            .authorities([named(&bench, iss, kid), named(&evil, evil_iss, evil_kid)])
            .clock(bench.clock.clone())
            .build()
            .unwrap();
        let token = |signer: &Bench, iss: &str, kid: &str| {
            signer.issuer.sign_with(json!({ "kid": kid }), json!({ "iss": iss }))
        };
        assert_eq!(verdict(&verifier, &token(&bench, iss, kid)), "accepted");
        assert_eq!(verdict(&verifier, &token(&evil, evil_iss, evil_kid)), "accepted");
        assert_eq!(verdict(&verifier, &token(&evil, iss, kid)), "bad_signature");
        if kid != evil_kid {
            assert_eq!(verdict(&verifier, &token(&evil, iss, evil_kid)), "unknown_key");
        }
    }
}

/// A refresh adds keys and never removes one, so a withdrawn key lives (CVE-2025-22149 of jwkset).
#[test]
fn attack_41_a_withdrawn_key_is_gone() {
    let mut bench = Bench::with_algorithm(Algorithm::ES256);
    let verifier = bench.verifier(|authority| authority);
    let old = bench.sign(json!({}));
    let nameless = bench.issuer.sign_with(json!({ "kid": null }), json!({}));
    assert_eq!(verdict(&verifier, &old), "accepted");
    bench.issuer.rotate();
    assert_eq!(verdict(&verifier, &old), "accepted");
    bench.issuer.retire_old_keys();
    assert_eq!(verdict(&verifier, &old), "unknown_key");
    assert_eq!(verdict(&verifier, &nameless), "bad_signature");
    assert_eq!(verdict(&verifier, &bench.sign(json!({}))), "accepted");
}
