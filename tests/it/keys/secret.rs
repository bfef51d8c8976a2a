//! Secrets: long enough, never a public key, never shown.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tower_jwt_auth::{Algorithm, Authority, KeySet, Secret};

use super::{PUBLIC_KEYS, assert_says, authority, build, fixture, hmac_token, jwk, jwks, text};
use crate::support::{refusal, secret_bytes, verify};

const PAYLOAD: &str = r#"{"iss":"https://id.example.com","aud":"api","exp":4102444800}"#;

#[test]
fn a_public_key_in_any_form_is_no_secret() {
    for (name, algorithms) in PUBLIC_KEYS {
        let json = jwk(name, algorithms[0]);
        for text in [
            json.to_string(),
            format!(" \n{json:#}"),
            format!("\u{feff}{json}"),
            jwks(std::slice::from_ref(&json)),
        ] {
            assert_says(&Secret::from_bytes(text).unwrap_err(), "secret", &["JSON text", "openssl rand"]);
        }
        for form in if name == "rsa" { &["spki", "pkcs1", "cert"][..] } else { &["spki", "cert"] } {
            let pem = text(&format!("{name}.{form}.pem"));
            for pem in
                [pem.clone(), pem.replace('\n', "\r\n"), format!(" \t\n{pem}"), format!("of bob:\n{pem}")]
            {
                assert_says(&Secret::from_bytes(pem).unwrap_err(), "secret", &["PEM text", "openssl rand"]);
            }
            let der = fixture(&format!("{name}.{form}.der"));
            let base64 = STANDARD.encode(&der);
            for secret in [
                Secret::from_bytes(&der[..]),
                Secret::from_base64(&base64),
                Secret::from_base64(STANDARD_NO_PAD.encode(&der)),
                Secret::from_bytes(base64.as_bytes()),
            ] {
                assert_says(&secret.unwrap_err(), "secret", &["public key in DER", "openssl rand"]);
            }
        }
    }
    // Too weak to verify with, and still known to all.
    assert!(Secret::from_bytes(text("odd/rsa-1024.pem")).is_err());
}

#[test]
fn a_token_signed_with_the_text_of_the_public_key_is_refused() {
    let pem = fixture("rsa.spki.pem");
    let forged = hmac_token(jsonwebtoken::Algorithm::HS256, &pem, r#"{"alg":"HS256","typ":"JWT"}"#, PAYLOAD);
    let keys = KeySet::from_pem(Algorithm::RS256, &pem).unwrap();
    assert_eq!(refusal(&build(authority(keys)).unwrap(), &forged).0, "algorithm_not_allowed");
    // Nor can an authority be told to take both.
    let keys = KeySet::from_pem(Algorithm::RS256, &pem).unwrap();
    let verifier = build(authority(keys).algorithms([Algorithm::RS256, Algorithm::HS256])).unwrap();
    assert_eq!(refusal(&verifier, &forged).0, "algorithm_not_allowed");
}

#[test]
fn each_algorithm_needs_a_secret_as_long_as_its_hash() {
    for (algorithm, theirs, bytes) in [
        (Algorithm::HS256, jsonwebtoken::Algorithm::HS256, 32),
        (Algorithm::HS384, jsonwebtoken::Algorithm::HS384, 48),
        (Algorithm::HS512, jsonwebtoken::Algorithm::HS512, 64),
    ] {
        let of = |secret: Vec<u8>| {
            let authority = Authority::hmac(algorithm, Secret::from_bytes(secret).unwrap());
            build(authority.issuer("https://id.example.com").audience("api"))
        };
        let secret = secret_bytes(bytes);
        let token = hmac_token(theirs, &secret, &format!(r#"{{"alg":"{algorithm}"}}"#), PAYLOAD);
        assert!(verify(&of(secret.clone()).unwrap(), &token).is_ok());
        if algorithm != Algorithm::HS256 {
            let error = of(secret[1..].to_vec()).unwrap_err();
            assert_says(&error, "keys", &[algorithm.as_str(), &format!("at least {bytes}")]);
        }
    }
    assert_says(&Secret::from_bytes([7; 31]).unwrap_err(), "secret", &["31 bytes", "32"]);
}

#[test]
fn hexadecimal_is_not_taken_for_base64() {
    let payload = PAYLOAD;
    for bytes in [32, 48, 64] {
        let secret = secret_bytes(bytes);
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = hmac_token(jsonwebtoken::Algorithm::HS256, &secret, r#"{"alg":"HS256"}"#, payload);
        for text in [digits.clone(), digits.to_uppercase(), format!(" {digits}\n")] {
            let authority = Authority::hs256(Secret::from_hex(&text).unwrap());
            let verifier = build(authority.issuer("https://id.example.com").audience("api")).unwrap();
            assert!(verify(&verifier, &token).is_ok(), "{text}");
            let error = Secret::from_base64(&text).unwrap_err();
            assert_says(&error, "secret", &["looks like hexadecimal", "call Secret::from_hex"]);
        }
        // The digits themselves are a secret as well, where the other side takes them so.
        Secret::from_bytes(digits.as_str()).unwrap();
        for refused in
            [&digits[1..], &format!("0x{digits}"), &digits.replacen(&digits[..2], "g0", 1), "", "é"]
        {
            let error = Secret::from_hex(refused).unwrap_err();
            assert_says(&error, "secret", &[]);
            assert!(!error.to_string().contains(&digits[2..10]), "{error}");
        }
    }
}

/// RFC 8725 section 3.5; what each way in has in common.
#[test]
fn what_is_plainly_not_random_is_refused_however_it_comes() {
    let counting: Vec<u8> = (0..32).collect();
    for (secret, words) in [
        (vec![0; 32], "consists of 1 different bytes"),
        (b"0123456789abcdef".repeat(2), "repeats a pattern of 16 bytes"),
        (counting, "counts from one byte to the next"),
        (b"a-string-secret-at-least-256-bits-long".to_vec(), "the sample of a tutorial"),
        (b"reallyreallyreallyreallyverysafe".to_vec(), "the sample of a tutorial"),
        (STANDARD.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow==").unwrap(), "the sample of a tutorial"),
    ] {
        assert_says(&Secret::from_bytes(&secret[..]).unwrap_err(), "secret", &["is not random", words, "openssl rand"]);
        assert_says(&Secret::from_base64(STANDARD.encode(&secret)).unwrap_err(), "secret", &[words]);
        let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_says(&Secret::from_hex(digits).unwrap_err(), "secret", &[words]);
        let key = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&secret);
        let jwk = format!(r#"{{"kty":"oct","k":"{key}"}}"#);
        assert_says(&KeySet::from_jwks_with_secrets(format!(r#"{{"keys":[{jwk}]}}"#)).unwrap_err(), "keys", &[words]);
        let error = tower_jwt_auth::SigningKey::from_jwk(Algorithm::HS256, jwk).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_secret_is_only_for_hmac() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let secret = Secret::generate().unwrap();
        let error = build(Authority::hmac(algorithm, secret).issuer("i").audience("a")).unwrap_err();
        assert_says(&error, "keys", &[algorithm.as_str(), "not a key for"]);
    }
}

#[test]
fn the_strength_of_one_hmac_is_not_lent_to_another() {
    let secret = Secret::from_bytes(secret_bytes(64)).unwrap();
    let verifier = build(Authority::hs256(secret).issuer("https://id.example.com").audience("api")).unwrap();
    let header = r#"{"alg":"HS512"}"#;
    let token = hmac_token(jsonwebtoken::Algorithm::HS512, &secret_bytes(64), header, PAYLOAD);
    assert_eq!(refusal(&verifier, &token).0, "algorithm_not_allowed");
    // The right name over the wrong hash, and the right hash cut short.
    let header = r#"{"alg":"HS256"}"#;
    let token = hmac_token(jsonwebtoken::Algorithm::HS512, &secret_bytes(64), header, PAYLOAD);
    assert_eq!(refusal(&verifier, &token).0, "bad_signature");
    let token = hmac_token(jsonwebtoken::Algorithm::HS256, &secret_bytes(64), header, PAYLOAD);
    assert!(verify(&verifier, &token).is_ok());
    for length in [0, 4, 40] {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let cut = format!("{message}.{}", &signature[..length]);
        assert_ne!(refusal(&verifier, &cut).0, "accepted");
    }
}

#[test]
fn no_error_and_no_debug_text_shows_a_secret() {
    let plain = "correct horse battery staple!!!";
    let encoded = STANDARD.encode(plain);
    let oct = |alg: &str| {
        format!(r#"{{"keys":[{{"kty":"oct","alg":"{alg}","k":"{}"}}]}}"#, encoded.trim_end_matches('='))
    };
    let long = Secret::from_bytes(format!("{plain}Zt8q1xJ0m3b7Ck5Rv2Ye9Lw6Hp4Nd8Su")).unwrap();
    let mut texts = vec![
        Secret::from_bytes(plain).unwrap_err().to_string(),
        Secret::from_base64(&encoded).unwrap_err().to_string(),
        Secret::from_base64(plain).unwrap_err().to_string(),
        KeySet::from_jwks(oct("HS256")).unwrap_err().to_string(),
        KeySet::from_jwks_with_secrets(oct("HS256")).unwrap_err().to_string(),
        KeySet::from_jwks_with_secrets(oct("RS256")).unwrap_err().to_string(),
        KeySet::from_jwks_with_secrets(format!(
            r#"{{"keys":[{{"kty":"oct","k":{{"{plain}":"{encoded}"}}}}]}}"#
        ))
        .unwrap_err()
        .to_string(),
        KeySet::from_jwk(format!(r#"{{"kty":"{encoded}","{plain}":1"#)).unwrap_err().to_string(),
        format!("{long:?}"),
    ];
    let keys = KeySet::from_secret(Algorithm::HS256, long.clone()).unwrap();
    texts.push(keys.to_public_jwks());
    texts.push(format!("{keys:?}"));
    texts.push(format!("{:?}", build(authority(keys)).unwrap()));
    let weak = build(Authority::hmac(Algorithm::HS512, long).issuer("i").audience("a")).unwrap_err();
    texts.push(format!("{weak} {weak:?}"));
    for text in texts {
        assert!(!text.contains("horse") && !text.contains(&encoded[..8]), "{text}");
    }
}
