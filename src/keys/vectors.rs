//! The examples of the standards that sign plain text. Such a token is no JWT, and a verifier refuses it before its
//! signature, so they are tried on the keys. The others are in `tests/it/vectors.rs`.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use super::{KeySet, PreparedSet};
use crate::crypto::Backend;
use crate::jose::{self, Algorithm, Compact, Header, Limits, Padding};

/// The payload of RFC 7520 section 4: a sentence about going out of one's door.
const BILBO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUg\
    cm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0I\
    G9mZiB0by4";

#[cfg(feature = "aws-lc-rs")]
const A4_KEY: &str = r#"{ "kty": "EC", "crv": "P-521",
    "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2" }"#;

/// RFC 7520 figure 3. It names no algorithm: the book signs with RS256 and with PS384.
const BILBO_RSA: &str = r#"{ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n":
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw" }"#;

#[cfg(feature = "aws-lc-rs")]
const BILBO_EC: &str = r#"{ "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
    "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
    "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1" }"#;

const BILBO_SECRET: &str = r#"{ "kty": "oct", "kid": "018c0ae5-4d9b-471b-bfd6-eef314bc7037", "use": "sig",
    "alg": "HS256", "k": "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg" }"#;

/// RFC 7515 section A.1.
const A1_KEY: &str = r#"{ "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }"#;

const ED25519_KEY: &str =
    r#"{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

const BILBO_RS256: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";

const BILBO_PS384: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";

#[cfg(feature = "aws-lc-rs")]
const A4_SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

#[cfg(feature = "aws-lc-rs")]
const BILBO_ES512: &str = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";

/// Whether one of the keys that `token` chooses finds its signature good.
fn verifies(jwk: &str, algorithm: Algorithm, token: &str) -> bool {
    let keys = KeySet::from_jwks_with_secrets(format!("{{ \"keys\": [{jwk}] }}")).unwrap();
    let allowed = [algorithm].into_iter().collect();
    let prepared = PreparedSet::new(0, &keys, Some(allowed), &Backend::preferred().unwrap()).unwrap();
    let limits = Limits::default();
    let compact = Compact::split(token.as_bytes(), &limits, Padding::Refused).unwrap();
    let header = jose::decode_vec(compact.header).unwrap();
    let header = Header::read(&header, &limits).unwrap();
    let signature = jose::decode_vec(compact.signature).unwrap();
    let candidates = prepared.candidates(header.kid.as_deref(), header.alg.unwrap(), 1, None).unwrap();
    candidates.iter().any(|key| key.fits(compact.signature) && key.verify(compact.signing_input, &signature))
}

/// The signature is good, and is not if one bit at the start, in the middle or at the end of payload or signature is
/// another.
fn assert_verifies(jwk: &str, algorithm: Algorithm, token: &str) {
    assert!(verifies(jwk, algorithm, token), "{algorithm}");
    let segments: Vec<&str> = token.split('.').collect();
    for changed in [1, 2] {
        let bytes = jose::decode_vec(segments[changed]).unwrap();
        let last = bytes.len() - 1;
        for (byte, bit) in [(0, 7), (last / 2, 3), (last, 0)] {
            let (mut bytes, mut segments) = (bytes.clone(), segments.clone());
            bytes[byte] ^= 1 << bit;
            let encoded = jose::encode(bytes);
            segments[changed] = &encoded;
            assert!(!verifies(jwk, algorithm, &segments.join(".")), "{algorithm} {changed} {byte}");
        }
    }
}

#[test]
fn rfc_7515_a1_is_hs256_with_a_line_break_in_the_header() {
    let joe =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let token = format!("{header}.{joe}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_verifies(A1_KEY, Algorithm::HS256, &token);
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn rfc_7515_a4_is_es512() {
    let token = format!("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.{A4_SIGNATURE}");
    assert_verifies(A4_KEY, Algorithm::ES512, &token);
}

#[test]
fn rfc_7520_4_1_is_rs256() {
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let token = format!("{header}.{BILBO}.{BILBO_RS256}");
    assert_verifies(BILBO_RSA, Algorithm::RS256, &token);
}

#[test]
fn rfc_7520_4_2_is_ps384() {
    let header = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let token = format!("{header}.{BILBO}.{BILBO_PS384}");
    assert_verifies(BILBO_RSA, Algorithm::PS384, &token);
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn rfc_7520_4_3_is_es512() {
    let header = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let token = format!("{header}.{BILBO}.{BILBO_ES512}");
    assert_verifies(BILBO_EC, Algorithm::ES512, &token);
}

#[test]
fn rfc_7520_4_4_is_hs256() {
    let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
    let token = format!("{header}.{BILBO}.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0");
    assert_verifies(BILBO_SECRET, Algorithm::HS256, &token);
}

#[test]
fn rfc_8037_a4_is_eddsa_by_either_name_of_the_policy() {
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{signature}");
    assert_verifies(ED25519_KEY, Algorithm::EdDSA, &token);
    assert_verifies(ED25519_KEY, Algorithm::Ed25519, &token);
}

#[test]
fn a_signature_under_another_header_is_bad() {
    // The bytes of a good PS384 signature under the header of RS256.
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    assert!(!verifies(BILBO_RSA, Algorithm::RS256, &format!("{header}.{BILBO}.{BILBO_PS384}")));
}
