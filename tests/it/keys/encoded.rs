//! Keys from PEM, DER and certificates, and those that somebody holds for `jsonwebtoken`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use jsonwebtoken::DecodingKey;
use tower_jwt_auth::{Algorithm, KeySet};

use super::{PUBLIC_KEYS, assert_says, authority, build, fixture, hmac_token, jwk, text, token, trusting};
use crate::support::{algorithms, refusal, secret_bytes, verify};

fn forms(name: &str) -> &'static [&'static str] {
    if name == "rsa" { &["spki", "pkcs1", "cert"] } else { &["spki", "cert"] }
}

fn every_algorithm() -> [Algorithm; 14] {
    use Algorithm::*;
    [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519]
}

#[test]
fn every_form_of_a_public_key_verifies_what_openssl_signed() {
    let mut verified = 0;
    for (name, its_algorithms) in PUBLIC_KEYS {
        for algorithm in its_algorithms.iter().filter(|algorithm| algorithms().contains(algorithm)) {
            for form in forms(name) {
                let pem = KeySet::from_pem(*algorithm, text(&format!("{name}.{form}.pem"))).unwrap();
                let der = KeySet::from_der(*algorithm, fixture(&format!("{name}.{form}.der"))).unwrap();
                for keys in [pem, der] {
                    assert_eq!(keys.iter().next().unwrap().algorithm(), Some(*algorithm));
                    let jwt = verify(&trusting(keys), &token(*algorithm)).unwrap();
                    assert_eq!(jwt.sub.as_deref(), Some(algorithm.as_str()), "{name}.{form}");
                    verified += 1;
                }
            }
        }
    }
    assert_eq!(verified, if cfg!(feature = "aws-lc-rs") { 52 } else { 48 });
}

#[test]
fn an_ed25519_key_takes_either_name_of_its_algorithm() {
    let keys = KeySet::from_pem(Algorithm::Ed25519, text("ed25519.spki.pem")).unwrap();
    assert!(verify(&trusting(keys), &token(Algorithm::EdDSA)).is_ok());
}

#[test]
fn a_key_is_only_read_for_an_algorithm_of_its_own_kind() {
    for (name, its_algorithms) in PUBLIC_KEYS {
        for algorithm in every_algorithm() {
            let own =
                its_algorithms.contains(&algorithm) || (name == "ed25519" && algorithm == Algorithm::Ed25519);
            for form in forms(name) {
                let pem = KeySet::from_pem(algorithm, text(&format!("{name}.{form}.pem")));
                let der = KeySet::from_der(algorithm, fixture(&format!("{name}.{form}.der")));
                for read in [pem, der] {
                    match read {
                        Ok(_) => assert!(own, "{name}.{form} was read for {algorithm}"),
                        Err(error) => {
                            assert!(!own, "{name}.{form} for {algorithm}: {error}");
                            assert_says(
                                &error,
                                "keys",
                                &[algorithm.as_str(), "it is not a key for", "made for"],
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_private_key_is_refused_and_the_remedy_is_named() {
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
        let pem = text("p256.spki.pem").replace("PUBLIC KEY", label);
        let error = KeySet::from_pem(Algorithm::ES256, pem).unwrap_err();
        assert_says(&error, "keys", &["ES256", "private key", "openssl pkey -in KEY -pubout"]);
    }
}

#[test]
fn what_is_not_one_block_of_a_public_key_is_refused() {
    let good = text("p256.spki.pem");
    let label = |label: &str| good.replace("PUBLIC KEY", label);
    for (pem, words) in [
        (String::new(), "not one block of PEM"),
        ("not a key".to_owned(), "not one block of PEM"),
        (good.replace("-----END PUBLIC KEY-----", ""), "not one block of PEM"),
        (good.replace("BEGIN PUBLIC KEY", "BEGIN CERTIFICATE"), "not one block of PEM"),
        (good.replace("MFkw", "M!kw"), "not one block of PEM"),
        (format!("{good}{good}"), "not one block of PEM"),
        (format!("{good}{}", text("p256.cert.pem")), "not one block of PEM"),
        (label("DH PARAMETERS"), "label is not PUBLIC KEY"),
        (label("OPENSSH PUBLIC KEY"), "label is not PUBLIC KEY"),
        (label("CERTIFICATE"), "not the DER of an X.509 certificate"),
        (label("RSA PUBLIC KEY"), "not the DER of a PKCS#1 public key"),
        (text("p256.cert.pem").replace("CERTIFICATE", "PUBLIC KEY"), "not the DER of a SubjectPublicKeyInfo"),
        (good.replace("MFkw", "MEkw"), "not the DER of a SubjectPublicKeyInfo"),
    ] {
        let error = KeySet::from_pem(Algorithm::ES256, &pem).unwrap_err();
        assert_says(&error, "keys", &["ES256", words]);
    }
}

#[test]
fn pem_is_read_with_the_line_ends_of_windows_and_space_around_it() {
    let pem = format!("\r\n  {}\r\n\r\n", text("p256.spki.pem").replace('\n', "\r\n").trim());
    assert!(
        verify(&trusting(KeySet::from_pem(Algorithm::ES256, pem).unwrap()), &token(Algorithm::ES256)).is_ok()
    );
}

/// As in a variable of the environment, or as some tools wrap it.
#[test]
fn pem_is_read_with_lines_of_any_one_length() {
    let pem = text("p256.spki.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let base64 = lines[1..lines.len() - 1].concat();
    let wrapped = |width: usize| {
        let body = base64.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
        let body: Vec<&str> = body.collect();
        format!("{}\n{}\n{}\n", lines[0], body.join("\n"), lines[lines.len() - 1])
    };
    for pem in [wrapped(1000), wrapped(76), wrapped(40), wrapped(76).replace('\n', "\r\n")] {
        let keys = KeySet::from_pem(Algorithm::ES256, &pem).unwrap();
        assert!(verify(&trusting(keys), &token(Algorithm::ES256)).is_ok(), "{pem}");
    }
    for damaged in [wrapped(1000).replace("MFkw", "M!kw"), wrapped(76).replacen('\n', "", 1)] {
        let error = KeySet::from_pem(Algorithm::ES256, damaged).unwrap_err();
        assert_says(&error, "keys", &["not one block of PEM"]);
    }
}

#[test]
fn odd_keys_are_refused_with_what_is_odd_about_them() {
    use Algorithm::*;
    for (name, algorithm, words) in [
        ("rsa-1024", RS256, "1024 bits"),
        ("rsa-pss", PS256, "1.2.840.113549.1.1.10"),
        ("secp256k1", ES256, "not P-256, P-384 or P-521"),
        ("p256-explicit", ES256, "not P-256, P-384 or P-521"),
        ("p256-compressed", ES256, "not uncompressed"),
        ("ed448", EdDSA, "1.3.101.113"),
        ("x25519", EdDSA, "1.3.101.110"),
    ] {
        let pem = text(&format!("odd/{name}.pem"));
        assert_says(&KeySet::from_pem(algorithm, &pem).unwrap_err(), "keys", &[algorithm.as_str(), words]);
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        assert_says(&KeySet::from_der(algorithm, der).unwrap_err(), "keys", &[algorithm.as_str(), words]);
    }
}

#[test]
fn der_is_read_whole_or_not_at_all() {
    for (name, its_algorithms) in PUBLIC_KEYS {
        for form in forms(name) {
            let der = fixture(&format!("{name}.{form}.der"));
            for length in 0..der.len() {
                assert!(
                    KeySet::from_der(its_algorithms[0], &der[..length]).is_err(),
                    "{name}.{form} {length}"
                );
            }
            let longer = [&der[..], &[0]].concat();
            assert!(KeySet::from_der(its_algorithms[0], longer).is_err(), "{name}.{form}");
        }
    }
    let error = KeySet::from_der(Algorithm::RS256, text("rsa.spki.pem")).unwrap_err();
    assert_says(
        &error,
        "keys",
        &["RS256", "not the DER of a SubjectPublicKeyInfo, a PKCS#1 key or a certificate"],
    );
}

#[test]
fn a_changed_byte_never_panics_and_never_leaves_the_token_good() {
    for (name, its_algorithms) in PUBLIC_KEYS {
        let algorithm = its_algorithms[0];
        if !algorithms().contains(&algorithm) {
            continue;
        }
        let (der, token) = (fixture(&format!("{name}.spki.der")), token(algorithm));
        for position in 0..der.len() {
            let mut changed = der.clone();
            changed[position] ^= 0x40;
            let verifier = KeySet::from_der(algorithm, changed).and_then(|keys| build(authority(keys)));
            if let Ok(verifier) = verifier {
                assert_eq!(refusal(&verifier, &token).0, "bad_signature", "{name} {position}");
            }
        }
    }
}

#[test]
fn a_point_off_its_curve_is_told_when_the_verifier_is_built() {
    for (name, algorithm) in [("p256", Algorithm::ES256), ("p384", Algorithm::ES384)] {
        let mut der = fixture(&format!("{name}.spki.der"));
        *der.last_mut().unwrap() ^= 1;
        let error = build(authority(KeySet::from_der(algorithm, der).unwrap())).unwrap_err();
        assert_says(&error, "keys", &[algorithm.as_str(), "does not take it", "give a key that fits"]);
    }
}

#[test]
fn keys_held_for_jsonwebtoken_are_taken_over() {
    let (rsa, p256) = (jwk("rsa", Algorithm::RS256), jwk("p256", Algorithm::ES256));
    let (p384, ed) = (jwk("p384", Algorithm::ES384), jwk("ed25519", Algorithm::EdDSA));
    let member = |jwk: &serde_json::Value, name: &str| jwk[name].as_str().unwrap().to_owned();
    let bytes = |jwk: &serde_json::Value, name: &str| BASE64URL.decode(member(jwk, name)).unwrap();
    let point = [vec![4], bytes(&p256, "x"), bytes(&p256, "y")].concat();
    let of_jwk = |jwk: &serde_json::Value| {
        DecodingKey::from_jwk(&serde_json::from_value::<jsonwebtoken::jwk::Jwk>(jwk.clone()).unwrap())
            .unwrap()
    };
    for (algorithm, key) in [
        (Algorithm::RS256, DecodingKey::from_rsa_components(&member(&rsa, "n"), &member(&rsa, "e")).unwrap()),
        (Algorithm::RS256, DecodingKey::from_rsa_raw_components(&bytes(&rsa, "n"), &bytes(&rsa, "e"))),
        (Algorithm::PS256, DecodingKey::from_rsa_der(&fixture("rsa.pkcs1.der"))),
        (Algorithm::RS512, of_jwk(&rsa)),
        (
            Algorithm::ES256,
            DecodingKey::from_ec_components(&member(&p256, "x"), &member(&p256, "y")).unwrap(),
        ),
        (Algorithm::ES256, DecodingKey::from_ec_der(&point)),
        (Algorithm::ES384, of_jwk(&p384)),
        (Algorithm::EdDSA, DecodingKey::from_ed_components(&member(&ed, "x")).unwrap()),
        (Algorithm::EdDSA, DecodingKey::from_ed_der(&bytes(&ed, "x"))),
        (Algorithm::EdDSA, of_jwk(&ed)),
    ] {
        let keys = KeySet::from_jsonwebtoken(algorithm, &key).unwrap();
        assert!(verify(&trusting(keys), &token(algorithm)).is_ok(), "{algorithm}");
    }
    let payload = r#"{"iss":"https://id.example.com","aud":"api","exp":4102444800}"#;
    let signed = hmac_token(jsonwebtoken::Algorithm::HS256, &secret_bytes(32), r#"{"alg":"HS256"}"#, payload);
    for key in [
        DecodingKey::from_secret(&secret_bytes(32)),
        DecodingKey::from_base64_secret(&STANDARD.encode(secret_bytes(32))).unwrap(),
    ] {
        let keys = KeySet::from_jsonwebtoken(Algorithm::HS256, &key).unwrap();
        assert!(verify(&trusting(keys), &signed).is_ok());
    }
}

#[test]
fn keys_held_for_jsonwebtoken_meet_the_same_demands() {
    use Algorithm::*;
    let point = |bytes: usize| DecodingKey::from_ec_der(&[&[4][..], &vec![7; bytes - 1]].concat());
    for (algorithm, key, words) in [
        (HS256, DecodingKey::from_secret(&[]), "0 bytes"),
        (HS256, DecodingKey::from_secret(&secret_bytes(31)), "31 bytes"),
        (HS512, DecodingKey::from_secret(&secret_bytes(63)), "63 bytes"),
        (HS256, DecodingKey::from_secret(&fixture("p256.spki.pem")), "PEM"),
        (RS256, DecodingKey::from_secret(&secret_bytes(32)), "not a key for RS256"),
        (HS256, DecodingKey::from_rsa_der(&fixture("rsa.pkcs1.der")), "not a key for HS256"),
        (ES256, DecodingKey::from_rsa_der(&fixture("rsa.pkcs1.der")), "not a key for ES256"),
        (RS256, DecodingKey::from_rsa_der(&fixture("rsa.spki.der")), "PKCS#1"),
        (RS256, DecodingKey::from_rsa_raw_components(&[0xff; 128], &[1, 0, 1]), "1024 bits"),
        (RS256, DecodingKey::from_rsa_raw_components(&[0xff; 256], &[1]), "exponent"),
        (ES384, point(65), "97 bytes"),
        (ES256, point(97), "65 bytes"),
        (ES256, DecodingKey::from_ec_der(&[]), "65 bytes"),
        (EdDSA, DecodingKey::from_ed_der(&[7; 31]), "not of 32 bytes"),
        (EdDSA, DecodingKey::from_ed_der(&fixture("ed25519.spki.der")), "not of 32 bytes"),
        (EdDSA, DecodingKey::from_ed_der(&[0; 32]), "small order"),
        (ES256, DecodingKey::from_ed_der(&[7; 32]), "not a key for ES256"),
    ] {
        let error = KeySet::from_jsonwebtoken(algorithm, &key).unwrap_err();
        assert_says(&error, "keys", &[algorithm.as_str(), words]);
    }
}
