//! Algorithms and signatures: attacks 1 to 3, 5 to 8.

use serde_json::{Value, json};
use tower_jwt_auth::Algorithm;

use super::{cut, decode, encode, forged_hs256, judge, jwk, set_of, trusting, with_signature};
use crate::policy::{Bench, ISS, NOW, verdict};

fn good_claims() -> Value {
    json!({ "iss": ISS, "aud": "api", "sub": "eve", "exp": NOW + 600 })
}

/// `alg: none` in any spelling is an unsigned token (CVE-2015-9235 of node-jsonwebtoken).
#[test]
fn attack_01_alg_none_in_any_spelling() {
    let bench = Bench::new();
    for alg in ["none", "None", "NONE", "nOnE", "nonE", "none ", "", "null"] {
        let signed = bench.issuer.sign_with(json!({ "alg": alg }), json!({}));
        let [header, payload, _] = cut(&signed);
        assert_eq!(judge(&bench, &signed), "algorithm_not_allowed", "{alg}");
        assert_eq!(judge(&bench, &format!("{header}.{payload}.")), "malformed_token", "{alg}");
        assert_eq!(judge(&bench, &format!("{header}.{payload}.AA")), "algorithm_not_allowed", "{alg}");
        assert!(alg.parse::<Algorithm>().is_err(), "{alg}");
    }
}

/// The text of a public key, used as an HMAC secret (CVE-2016-5431, CVE-2022-29217, CVE-2024-33663).
#[test]
fn attack_02_rs256_key_text_as_hs256_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::Ed25519] {
        let bench = Bench::with_algorithm(algorithm);
        let public = jwk(&bench.issuer, |_| {});
        let members: Value = serde_json::from_str(&public).unwrap();
        let raw = decode(members["n"].as_str().or(members["x"].as_str()).unwrap());
        for secret in [public.as_bytes(), bench.issuer.jwks().as_bytes(), &raw, b"", &[0; 32]] {
            for kid in [json!(bench.issuer.kid()), Value::Null] {
                let mut header = json!({ "alg": "HS256", "kid": kid });
                if kid.is_null() {
                    header.as_object_mut().unwrap().remove("kid");
                }
                let token = forged_hs256(&header, &good_claims(), secret);
                assert_eq!(judge(&bench, &token), "algorithm_not_allowed");
                // Even where somebody allows both names, the key stays what it is.
                let both = |authority: tower_jwt_auth::Authority| {
                    authority.algorithms([algorithm, Algorithm::HS256])
                };
                assert_eq!(verdict(&bench.verifier(both), &token), "algorithm_not_allowed");
            }
        }
    }
}

/// The token's `alg` decides where the JWK has none (CVE-2026-22817 and CVE-2026-22818 of Hono).
#[test]
fn attack_03_alg_of_the_token_where_the_jwk_has_none() {
    let without_alg = |bench: &Bench| {
        let jwk = jwk(&bench.issuer, |jwk| {
            jwk.as_object_mut().unwrap().remove("alg").unwrap();
        });
        set_of(&[jwk]).unwrap()
    };
    // Each signature is good by itself; only the algorithm of the key's type is taken.
    for (algorithm, expected) in [
        (Algorithm::RS256, "accepted"),
        (Algorithm::RS512, "algorithm_not_allowed"),
        (Algorithm::PS256, "algorithm_not_allowed"),
        (Algorithm::ES384, "accepted"),
    ] {
        let bench = Bench::with_algorithm(algorithm);
        let token = bench.sign(json!({}));
        let verifier = bench.verifier_of(trusting(without_alg(&bench)));
        assert_eq!(verdict::<()>(&verifier, &token), expected, "{algorithm}");
        // The authority may name others.
        let verifier = bench.verifier_of(trusting(without_alg(&bench)).algorithms([algorithm]));
        assert_eq!(verdict::<()>(&verifier, &token), "accepted", "{algorithm}");
    }
}

/// A key is for one algorithm: a good signature under another name of the same key is refused.
#[test]
fn attack_03_a_key_with_alg_takes_no_other() {
    let bench = Bench::with_algorithm(Algorithm::PS256);
    let relabelled = jwk(&bench.issuer, |jwk| jwk["alg"] = json!("RS256"));
    let verifier = bench.verifier_of(trusting(set_of(&[relabelled]).unwrap()).algorithms([Algorithm::RS256]));
    assert_eq!(verdict::<()>(&verifier, &bench.sign(json!({}))), "algorithm_not_allowed");
}

/// An RSA JWK verifies HS256 with an empty key (libjwt, 2026).
#[test]
fn attack_05_rsa_jwk_as_empty_hmac_key() {
    let bench = Bench::with_algorithm(Algorithm::RS256);
    let nameless = jwk(&bench.issuer, |jwk| {
        jwk.as_object_mut().unwrap().remove("alg").unwrap();
    });
    let token = forged_hs256(&json!({ "alg": "HS256", "kid": bench.issuer.kid() }), &good_claims(), b"");
    let verifier = bench.verifier_of(trusting(set_of(std::slice::from_ref(&nameless)).unwrap()));
    assert_eq!(verdict::<()>(&verifier, &token), "algorithm_not_allowed");
    // And a JWK that says HS256 of itself is no RSA key.
    let liar = nameless.replacen('{', r#"{"alg":"HS256","#, 1);
    assert!(set_of(&[liar]).unwrap_err().to_string().contains("does not fit"));
}

/// ECDSA signatures of zeros verify for every message and key (CVE-2022-21449).
#[test]
fn attack_06_signatures_of_zeros() {
    for (algorithm, order) in [
        (Algorithm::ES256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
        (
            Algorithm::ES384,
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        ),
    ] {
        let bench = Bench::with_algorithm(algorithm);
        let token = bench.sign(json!({}));
        assert_eq!(judge(&bench, &token), "accepted");
        let order: Vec<u8> =
            (0..order.len() / 2).map(|i| u8::from_str_radix(&order[2 * i..2 * i + 2], 16).unwrap()).collect();
        let length = order.len();
        let (zero, mut one) = (vec![0; length], vec![0; length]);
        one[length - 1] = 1;
        let good = decode(cut(&token)[2]);
        let (r, s) = good.split_at(length);
        for (r, s) in [
            (&zero[..], &zero[..]),
            (&zero, &one),
            (&one, &zero),
            (&order, &order),
            (&zero, &order),
            (&order, &zero),
            (&zero, s),
            (r, &zero),
            (r, &order),
            (&order, s),
            (&[0xff; 48][..length], &[0xff; 48][..length]),
        ] {
            assert_eq!(
                judge(&bench, &with_signature(&token, [r, s].concat())),
                "bad_signature",
                "{algorithm}"
            );
        }
    }
}

/// The signature is removed, cut or of another length (CVE-2020-28042 of ServiceStack).
#[test]
fn attack_07_signature_stripped_or_of_another_length() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::Ed25519, Algorithm::RS256] {
        let bench = Bench::with_algorithm(algorithm);
        let token = bench.sign(json!({}));
        let [header, payload, signature] = cut(&token);
        for stripped in
            [format!("{header}.{payload}."), format!("{header}.{payload}"), format!("{header}..{signature}")]
        {
            assert_eq!(judge(&bench, &stripped), "malformed_token", "{algorithm}");
        }
        let good = decode(signature);
        for length in [1, 16, good.len() / 2, good.len() - 3, good.len() - 1] {
            assert_eq!(
                judge(&bench, &with_signature(&token, &good[..length])),
                "bad_signature",
                "{algorithm}"
            );
        }
        for extra in [&[0][..], &[0; 3], &good] {
            let longer = [&good, extra].concat();
            assert_eq!(judge(&bench, &with_signature(&token, longer)), "bad_signature", "{algorithm}");
            let longer = [extra, &good].concat();
            assert_eq!(judge(&bench, &with_signature(&token, longer)), "bad_signature", "{algorithm}");
        }
    }
}

/// DER where JWS wants two numbers of fixed length: a second spelling of each signature.
#[test]
fn attack_08_ecdsa_signature_in_der() {
    let bench = Bench::with_algorithm(Algorithm::ES256);
    let token = bench.sign(json!({}));
    let signature = decode(cut(&token)[2]);
    let integer = |number: &[u8]| {
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let pad = usize::from(digits[0] >= 0x80);
        [&[2, u8::try_from(digits.len() + pad).unwrap()][..], &vec![0; pad], &digits].concat()
    };
    let numbers = [integer(&signature[..32]), integer(&signature[32..])].concat();
    let der = [&[0x30, u8::try_from(numbers.len()).unwrap()][..], &numbers].concat();
    assert_eq!(judge(&bench, &token), "accepted");
    assert_eq!(judge(&bench, &with_signature(&token, der)), "bad_signature");
}

/// A token text has one spelling, so nothing can be denied by text and pass in another (CVE-2026-102269 of PyJWT,
/// CVE-2026-62995 of joserfc).
#[test]
fn attack_47_one_signature_in_sixteen_spellings() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bench = Bench::with_algorithm(Algorithm::ES256);
    let token = bench.sign(json!({}));
    let (start, last) = token.split_at(token.len() - 1);
    // 64 bytes end in a character of which only two bits count.
    let accepted: Vec<String> = ALPHABET
        .iter()
        .map(|last| char::from(*last).to_string())
        .filter(|last| judge(&bench, &format!("{start}{last}")) == "accepted")
        .collect();
    assert_eq!(accepted, [last]);
    let standard = token.replace('-', "+").replace('_', "/");
    for spelling in [format!("{token}="), format!("{token}=="), format!("{token}\n"), format!(" {token}")] {
        assert_ne!(judge(&bench, &spelling), "accepted", "{spelling:?}");
    }
    assert!(standard == token || judge(&bench, &standard) != "accepted");
}

/// The second solution of an Ed25519 signature, with S beyond the group order, is refused (RFC 8032 section 5.1.7).
#[test]
fn attack_09_ed25519_signature_with_a_large_s() {
    let order: [u8; 32] = {
        let mut order = [0; 32];
        order[..16].copy_from_slice(&[
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
        ]);
        order[31] = 0x10;
        order
    };
    let bench = Bench::with_algorithm(Algorithm::Ed25519);
    let token = bench.sign(json!({}));
    assert_eq!(judge(&bench, &token), "accepted");
    let mut signature = decode(cut(&token)[2]);
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(judge(&bench, &with_signature(&token, signature)), "bad_signature");
    assert_eq!(encode(order).len(), 43);
}
