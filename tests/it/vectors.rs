//! The examples of the standards: other people's keys and signatures. Those that sign plain text are no JWTs, and those with a secret
//! have one that everybody knows, which is refused; they are tried in `src/keys/vectors.rs`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Claims, Jwt, KeySet, Reason, TestClock, UnixTime, Verifier,
};

use crate::support::verify;

/// The payload of RFC 7515 A.1 to A.3: `iss` is "joe", `exp` is 1300819380.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const A2_KEY: &str = r#"{ "kty": "RSA", "e": "AQAB", "n":
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }"#;
const A3_KEY: &str = r#"{ "kty": "EC", "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }"#;
/// RFC 7520 figure 3. It names no algorithm: the book signs with RS256 and with PS384.
const BILBO_RSA: &str = r#"{ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB", "n":
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw" }"#;
const ED25519_KEY: &str =
    r#"{ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

const A2_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const BILBO_RS256: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";

/// A verifier for one JWK with one algorithm, some minutes before RFC 7515's `exp`.
fn verifier(jwk: &str, algorithm: Algorithm) -> Verifier<Claims> {
    let keys = KeySet::from_jwks_with_secrets(format!("{{ \"keys\": [{jwk}] }}")).unwrap();
    Verifier::builder()
        .authority(Authority::keys(keys).any_issuer().any_audience().algorithms([algorithm]))
        .clock(TestClock::at(UnixTime::from_secs(1_300_819_000)))
        .build()
        .unwrap()
}

fn refused(verifier: &Verifier<Claims>, token: &str) -> AuthError {
    verify(verifier, token).unwrap_err()
}

/// `encoded` with one bit of one decoded byte changed.
fn with_flipped_bit(encoded: &str, byte: usize, bit: u32) -> String {
    let mut bytes = BASE64URL.decode(encoded).unwrap();
    bytes[byte] ^= 1 << bit;
    BASE64URL.encode(bytes)
}

/// One bit at the start, in the middle and at the end of payload and signature.
fn assert_that_any_flipped_bit_is_noticed(verifier: &Verifier<Claims>, token: &str) {
    let [header, payload, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let places = |encoded: &str| {
        let last = BASE64URL.decode(encoded).unwrap().len() - 1;
        [(0, 7), (last / 2, 3), (last, 0)]
    };
    for (byte, bit) in places(payload) {
        let forged = format!("{header}.{}.{signature}", with_flipped_bit(payload, byte, bit));
        // What is no claims set any more is refused without a look at the signature.
        assert!(!refused(verifier, &forged).signature_verified());
    }
    for (byte, bit) in places(signature) {
        let forged = format!("{header}.{payload}.{}", with_flipped_bit(signature, byte, bit));
        assert_bad_signature(&refused(verifier, &forged));
    }
}

fn assert_bad_signature(error: &AuthError) {
    assert_eq!((error.reason(), error.signature_verified()), (Reason::BadSignature, false));
}

fn assert_verifies_as_joes(jwk: &str, algorithm: Algorithm, token: &str) {
    let verifier = verifier(jwk, algorithm);
    let jwt = verify(&verifier, token).unwrap();
    assert_eq!(Jwt::principal(&jwt).issuer(), Some("joe"));
    assert_eq!(jwt.exp, Some(UnixTime::from_secs(1_300_819_380)));
    assert_eq!(jwt.other["http://example.com/is_root"], true);
    assert_that_any_flipped_bit_is_noticed(&verifier, token);
}

#[test]
fn rfc_7515_a2_is_rs256() {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{A2_SIGNATURE}");
    assert_verifies_as_joes(A2_KEY, Algorithm::RS256, &token);
}

#[test]
fn rfc_7515_a3_is_es256() {
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.{signature}");
    assert_verifies_as_joes(A3_KEY, Algorithm::ES256, &token);
}

#[test]
fn the_examples_of_rfc_7515_have_expired_since() {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{A2_SIGNATURE}");
    let authority = Authority::keys(KeySet::from_jwk(A2_KEY).unwrap()).issuer("joe").any_audience();
    let error = refused(&Verifier::new(authority).unwrap(), &token);
    assert_eq!((error.reason(), error.signature_verified()), (Reason::Expired, false));
}

#[test]
fn thumbprints_are_those_of_rfc_7638_and_rfc_8037() {
    let thumbprint = |jwk: &str| KeySet::from_jwk(jwk).unwrap().iter().next().unwrap().thumbprint();
    let rsa = r#"{ "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29", "n":
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw" }"#;
    assert_eq!(thumbprint(rsa).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(thumbprint(ED25519_KEY).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_signature_of_one_example_is_none_of_another() {
    // The keys differ, the payload is the same.
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.{BILBO_RS256}");
    assert_bad_signature(&refused(&verifier(A2_KEY, Algorithm::RS256), &token));
    // The key names no algorithm, and is for RS256 unless the authority says otherwise.
    let header = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let error = refused(&verifier(BILBO_RSA, Algorithm::RS256), &format!("{header}.{JOE}.{BILBO_RS256}"));
    assert_eq!((error.reason(), error.signature_verified()), (Reason::AlgorithmNotAllowed, false));
}
