//! JWKs and sets of them: one odd key never spoils the set, and is listed with what is odd about it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use tower_jwt_auth::{Algorithm, KeySet};

use super::{PUBLIC_KEYS, assert_says, jwk, jwks, token, trusting};
use crate::support::{algorithms, secret_bytes, verify};

fn p256() -> Value {
    jwk("p256", Algorithm::ES256)
}

fn rsa() -> Value {
    jwk("rsa", Algorithm::RS256)
}

fn ed25519() -> Value {
    jwk("ed25519", Algorithm::EdDSA)
}

/// `jwk` with these members beside or instead of its own; a null takes one away.
fn with(mut jwk: Value, members: Value) -> Value {
    let all = jwk.as_object_mut().unwrap();
    let Value::Object(members) = members else { panic!("not an object") };
    for (name, value) in members {
        if value.is_null() {
            all.remove(&name)
        } else {
            all.insert(name, value)
        };
    }
    jwk
}

fn bytes(jwk: &Value, name: &str) -> Vec<u8> {
    BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap()
}

/// Why the key is left out of a set, if it is: the same in a set and on its own.
#[track_caller]
fn oddity(json: &str) -> Option<String> {
    let good = with(p256(), json!({ "kid": "good" }));
    let set = KeySet::from_jwks(format!(r#"{{"keys":[{good},{json},{good}]}}"#)).unwrap();
    let alone = KeySet::from_jwk(json);
    match set.skipped() {
        [] => {
            assert_eq!((set.len(), alone.is_ok()), (3, true), "{json}");
            None
        }
        [skipped] => {
            assert_eq!((set.len(), skipped.index()), (2, 1));
            assert!(set.iter().all(|key| key.kid() == Some("good")));
            let why = skipped.to_string().split_once(": ").unwrap().1.to_owned();
            assert_says(&alone.unwrap_err(), "keys", &["the JWK cannot be used", &why, "RFC 7517"]);
            Some(why)
        }
        more => panic!("{more:?}"),
    }
}

#[track_caller]
fn assert_odd(jwk: &Value, words: &str) {
    let why = oddity(&jwk.to_string()).unwrap_or_else(|| panic!("taken: {jwk}"));
    assert!(why.contains(words), "{words:?} is not in {why:?}");
}

#[track_caller]
fn assert_good(jwk: &Value) {
    assert_eq!(oddity(&jwk.to_string()), None, "{jwk}");
}

#[test]
fn each_kind_of_key_is_read_and_verifies() {
    for (name, its_algorithms) in PUBLIC_KEYS {
        let algorithm = its_algorithms[0];
        if algorithms().contains(&algorithm) {
            let json = jwk(name, algorithm);
            let alone = KeySet::from_jwk(json.to_string()).unwrap();
            let among_others = KeySet::from_jwks(jwks(&[json!({ "kty": "new" }), json])).unwrap();
            for keys in [alone, among_others] {
                assert_eq!(keys.iter().next().unwrap().algorithm(), None);
                assert!(verify(&trusting(keys), &token(algorithm)).is_ok(), "{name}");
            }
        }
    }
}

#[test]
fn keys_of_unknown_kinds_and_forms_are_skipped_and_listed() {
    let keys = [
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "future" }),
        json!(null),
        json!(["kty", "EC"]),
        json!("EC"),
        with(p256(), json!({ "kid": "good" })),
        json!({ "kid": "empty" }),
        with(p256(), json!({ "kid": 7 })),
    ];
    let set = KeySet::from_jwks(jwks(&keys)).unwrap();
    assert_eq!(set.iter().map(|key| key.kid()).collect::<Vec<_>>(), [Some("good")]);
    let skipped: Vec<_> = set.skipped().iter().map(|key| (key.index(), key.kid())).collect();
    let expected = [(0, Some("future")), (1, None), (2, None), (3, None), (5, Some("empty")), (6, None)];
    assert_eq!(skipped, expected);
    assert_eq!(set.skipped()[0].to_string(), r#"key 0 ("future"): its `kty` is not supported"#);
    assert_eq!(set.skipped()[4].to_string(), r#"key 5 ("empty"): it has no `kty`"#);
    assert!(set.skipped()[1].to_string().starts_with("key 1: not a JSON object"));
}

#[test]
fn a_set_that_is_none_or_has_no_usable_key_is_an_error_that_says_why() {
    for (json, words) in [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "array `keys`"),
        (r#"{"keys":{}}"#, "array `keys`"),
        (r#"{"keys":null}"#, "array `keys`"),
        (r#"{"keys":[],"keys":[]}"#, "cannot be read"),
        (r#"{"keys":[]} x"#, "cannot be read"),
        (r#"{"keys":[]}"#, "it is empty"),
        (
            r#"{"keys":[{"kty":"new","kid":"a"},7]}"#,
            r#"key 0 ("a"): its `kty` is not supported; key 1: not a JSON"#,
        ),
    ] {
        for error in [KeySet::from_jwks(json).unwrap_err(), KeySet::from_jwks_with_secrets(json).unwrap_err()]
        {
            assert_says(&error, "keys", &[words, "RFC 7517"]);
        }
    }
    let set = format!(r#"{{"issuer":"x","keys":[{}],"next":null}}"#, p256());
    assert_eq!(KeySet::from_jwks(set).unwrap().len(), 1);
}

#[test]
fn a_member_that_is_there_twice_spoils_its_key() {
    for member in [r#""kty":"EC""#, r#""kid":"a""#, r#""alg":"ES256""#, r#""other":1"#, r#""\u006bty":"EC""#]
    {
        let jwk = p256().to_string();
        let twice = format!("{},{member},{member}}}", jwk.strip_suffix('}').unwrap());
        assert!(oddity(&twice).unwrap().contains("not a JSON object of this form"), "{twice}");
    }
}

/// Serializers write null for what a key does not have.
#[test]
fn a_member_that_is_null_counts_as_absent() {
    for jwk in [p256(), rsa(), ed25519()] {
        let mut nulls = jwk.clone();
        for name in [
            "kid", "alg", "use", "key_ops", "issuer", "x5c", "x5t", "x5t#S256", "x5u", "d", "p", "q", "dp",
            "dq", "qi", "oth", "priv", "k", "n", "e", "crv", "x", "y", "ext", "nbf",
        ] {
            if jwk.get(name).is_none() || matches!(name, "kid" | "alg" | "use") {
                nulls[name] = Value::Null;
            }
        }
        assert_good(&nulls);
        let key = KeySet::from_jwk(nulls.to_string()).unwrap();
        assert_eq!(key.iter().next().unwrap().kid(), None);
    }
    // An operation that is said twice is said.
    assert_good(&with(p256(), json!({ "key_ops": ["verify", "verify"] })));
    // What a key cannot do without lacks all the same, and a private member that is there is one.
    for (null, words) in [("kty", "no `kty`"), ("crv", "no `crv`"), ("x", "no `x`"), ("y", "no `y`")] {
        let mut jwk = p256();
        jwk[null] = Value::Null;
        assert_odd(&jwk, words);
    }
    assert_odd(&with(p256(), json!({ "d": "" })), "private members");
    assert_odd(&with(p256(), json!({ "d": false })), "private members");
    // Of two of one name neither is believed, be one of them null.
    let twice = p256().to_string().replacen('{', r#"{"kid":null,"kid":"a","#, 1);
    assert!(oddity(&twice).unwrap().contains("not a JSON object of this form"));
}

#[test]
fn members_that_say_what_a_key_is_for_are_obeyed() {
    for members in [
        json!({ "use": "sig" }),
        json!({ "use": "jwt-svid" }),
        json!({ "key_ops": ["verify"] }),
        json!({ "key_ops": ["sign", "verify"], "use": "sig" }),
        json!({ "alg": "ES256" }),
        json!({ "ext": true, "x5c": ["nonsense"], "x5t": "x", "issuer": "https://other" }),
    ] {
        assert_good(&with(p256(), members));
    }
    for (members, words) in [
        (json!({ "use": "enc" }), "`use` is not `sig`"),
        (json!({ "use": "SIG" }), "`use` is not `sig`"),
        (json!({ "use": "x509-svid" }), "`use` is not `sig`"),
        (json!({ "use": "" }), "`use` is not `sig`"),
        (json!({ "use": ["sig"] }), "not a JSON object of this form"),
        (json!({ "key_ops": [] }), "do not have `verify`"),
        (json!({ "key_ops": ["sign"] }), "do not have `verify`"),
        (json!({ "key_ops": ["verify", "encrypt"], "use": "sig" }), "disagree"),
        (json!({ "key_ops": "verify" }), "not a JSON object of this form"),
        (json!({ "alg": "ES384" }), "`alg` ES384 does not fit"),
        (json!({ "alg": "RS256" }), "`alg` RS256 does not fit"),
        (json!({ "alg": "HS256" }), "`alg` HS256 does not fit"),
        (json!({ "alg": "ECDH-ES" }), "not a supported signature algorithm"),
        (json!({ "alg": "none" }), "not a supported signature algorithm"),
        (json!({ "alg": "es256" }), "not a supported signature algorithm"),
        (json!({ "alg": 256 }), "not a JSON object of this form"),
        (json!({ "kid": "x".repeat(2049) }), "longer than 2,048 bytes"),
    ] {
        assert_odd(&with(p256(), members), words);
    }
}

#[test]
fn a_curve_that_does_not_fit_is_refused() {
    for (members, words) in [
        (json!({ "crv": null }), "no `crv`"),
        (json!({ "crv": "P-384" }), "not of 48 bytes each"),
        (json!({ "crv": "secp256k1" }), "`crv` is not supported"),
        (json!({ "crv": "p-256" }), "`crv` is not supported"),
        (json!({ "crv": "Ed25519" }), "`crv` is not supported"),
        (json!({ "kty": "OKP" }), "`crv` is not supported"),
        (json!({ "kty": "ec" }), "`kty` is not supported"),
    ] {
        assert_odd(&with(p256(), members), words);
    }
    for curve in ["Ed448", "X25519", "P-256"] {
        assert_odd(&with(ed25519(), json!({ "crv": curve })), "`crv` is not supported");
    }
}

#[test]
fn coordinates_are_numbers_of_their_curve() {
    let good = p256();
    for name in ["x", "y"] {
        let value = bytes(&good, name);
        let changed = |value: &[u8]| with(p256(), json!({ name: BASE64URL.encode(value) }));
        assert_odd(&changed(&value[1..]), "does not take it for ES256");
        assert_odd(&changed(&value[5..]), "not of 32 bytes each");
        assert_odd(&changed(&[]), "not of 32 bytes each");
        assert_odd(&changed(&[&[1], &value[..]].concat()), "not of 32 bytes each");
        assert_good(&changed(&[&[0], &value[..]].concat()));
        let standard = BASE64URL.encode(&value).replace('-', "+").replace('_', "/");
        assert_good(&with(p256(), json!({ name: standard })));
        assert_odd(&with(p256(), json!({ name: null })), &format!("no `{name}`"));
        let text = good[name].as_str().unwrap();
        // Padding is taken, if it is what padding is.
        let padded = with(p256(), json!({ name: format!("{text}=") }));
        assert_eq!(oddity(&padded.to_string()), None, "{padded}");
        for text in [
            format!("{text}=="),
            format!("={text}"),
            format!("{text}= "),
            format!(" {text}"),
            format!("{}*", &text[1..]),
        ] {
            assert_odd(&with(p256(), json!({ name: text })), &format!("`{name}` is not base64url"));
        }
    }
    // The sum of the lengths is right.
    let (x, y) = (bytes(&good, "x"), bytes(&good, "y"));
    let shifted =
        json!({ "x": BASE64URL.encode([&x[..], &y[..1]].concat()), "y": BASE64URL.encode(&y[1..]) });
    assert_odd(&with(p256(), shifted), "not of 32 bytes each");
}

#[test]
fn a_coordinate_that_begins_with_a_zero_is_written_with_it() {
    // The point for the private key 379 on P-256: its x is short by a byte as a number.
    let zero_x = json!({ "kty": "EC", "crv": "P-256", "x": "AFVDiUrz0A7X10Cr29dclrBod7eH219w7qeLkKjXwAo", "y": "u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I" });
    assert_eq!(bytes(&zero_x, "x")[0], 0);
    assert_good(&zero_x);
    let short = BASE64URL.encode(&bytes(&zero_x, "x")[1..]);
    // Some providers leave it out, against RFC 7518 section 6.2.1.2.
    let without = with(zero_x.clone(), json!({ "x": short }));
    assert_good(&without);
    let thumbprint =
        |jwk: &Value| KeySet::from_jwk(jwk.to_string()).unwrap().iter().next().unwrap().thumbprint();
    assert_eq!(thumbprint(&without), thumbprint(&zero_x));
}

#[test]
fn a_point_off_the_curve_is_refused() {
    let good = p256();
    let mut y = bytes(&good, "y");
    y[31] ^= 1;
    assert_odd(&with(p256(), json!({ "y": BASE64URL.encode(y) })), "does not take it for ES256");
    let zeros = BASE64URL.encode([0; 32]);
    assert_odd(&with(p256(), json!({ "x": zeros, "y": zeros })), "does not take it for ES256");
    assert_odd(&with(p256(), json!({ "x": good["y"], "y": good["x"] })), "does not take it for ES256");
    // Not below the prime of the field.
    let ones = BASE64URL.encode([0xff; 32]);
    assert_odd(&with(p256(), json!({ "x": ones })), "does not take it for ES256");
}

#[test]
fn a_key_with_private_members_is_refused() {
    for key in [p256(), rsa(), ed25519()] {
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "priv", "k"] {
            assert_odd(&with(key.clone(), json!({ name: "AQAB" })), "private members");
        }
        assert_odd(&with(key, json!({ "d": [1] })), "private members");
    }
}

#[test]
fn rsa_keys_have_to_be_strong() {
    let numbers =
        |n: &[u8], e: &[u8]| json!({ "kty": "RSA", "n": BASE64URL.encode(n), "e": BASE64URL.encode(e) });
    let good = bytes(&rsa(), "n");
    assert_good(&numbers(&good, &[3]));
    // Some write a sign byte in front of the number.
    assert_good(&numbers(&[&[0], &good[..]].concat(), &[0, 1, 0, 1]));
    for (jwk, words) in [
        (numbers(&[0xff; 128], &[1, 0, 1]), "1024 bits"),
        (numbers(&[&[0x7f][..], &[0xff; 255]].concat(), &[1, 0, 1]), "2047 bits"),
        (numbers(&[&[0; 200][..], &[0xff; 128]].concat(), &[1, 0, 1]), "1024 bits"),
        (numbers(&[&[1][..], &[0xff; 1024]].concat(), &[1, 0, 1]), "8193 bits"),
        (numbers(&[0xff; 100_000], &[1, 0, 1]), "800000 bits"),
        (numbers(&[], &[1, 0, 1]), "0 bits"),
        (numbers(&[0xfe; 256], &[1, 0, 1]), "even"),
        (numbers(&good, &[]), "exponent"),
        (numbers(&good, &[0]), "exponent"),
        (numbers(&good, &[1]), "exponent"),
        (numbers(&good, &[2]), "exponent"),
        (numbers(&good, &[1, 0, 0]), "exponent"),
        (numbers(&good, &good), "exponent"),
        (with(rsa(), json!({ "n": null })), "no `n`"),
        (with(rsa(), json!({ "e": null })), "no `e`"),
        (with(rsa(), json!({ "e": "AQAB=" })), "`e` is not base64url"),
        (with(rsa(), json!({ "e": 65537 })), "not a JSON object of this form"),
    ] {
        assert_odd(&jwk, words);
    }
}

/// 65537 to the power of 128 has the form of the primes of CVE-2017-15361, and 2,049 bits.
#[test]
fn an_rsa_key_of_a_library_with_weak_primes_is_refused() {
    let mut number = vec![1_u32];
    for _ in 0..128 {
        // By 65537, from the lowest byte up: the number, and the number two bytes higher.
        let mut product = vec![0; number.len() + 3];
        for (place, byte) in number.iter().enumerate() {
            product[place] += byte;
            product[place + 2] += byte;
        }
        for place in 0..product.len() - 1 {
            product[place + 1] += product[place] >> 8;
            product[place] &= 0xff;
        }
        number = product;
    }
    let bytes: Vec<u8> =
        number.iter().rev().skip_while(|byte| **byte == 0).map(|byte| u8::try_from(*byte).unwrap()).collect();
    let n = |bytes: &[u8]| with(rsa(), json!({ "n": BASE64URL.encode(bytes) }));
    assert_odd(&n(&bytes), "CVE-2017-15361");
    let mut neighbour = bytes;
    *neighbour.last_mut().unwrap() ^= 2;
    assert_eq!(oddity(&n(&neighbour).to_string()), None);
}

#[test]
fn an_ed25519_key_of_the_wrong_length_or_of_small_order_is_refused() {
    let with_x = |x: &[u8]| with(ed25519(), json!({ "x": BASE64URL.encode(x) }));
    for length in [0, 1, 31, 33, 57, 64, 65_536] {
        assert_odd(&with_x(&vec![7; length]), "not of 32 bytes");
    }
    let mut one = [0; 32];
    one[0] = 1;
    for mut x in [[0; 32], one] {
        assert_odd(&with_x(&x), "small order");
        x[31] |= 0x80;
        assert_odd(&with_x(&x), "small order");
    }
    assert_odd(&with(ed25519(), json!({ "x": null })), "no `x`");
}

#[test]
fn a_secret_is_only_taken_where_that_was_said() {
    let oct = json!({ "kty": "oct", "kid": "s", "k": BASE64URL.encode(secret_bytes(32)) });
    assert_odd(&oct, "from_jwks_with_secrets");
    let set = KeySet::from_jwks_with_secrets(jwks(std::slice::from_ref(&oct))).unwrap();
    assert_eq!((set.len(), set.skipped().len()), (1, 0));
    assert_eq!(set.to_public_jwks(), r#"{"keys":[]}"#);
    // There too it has to be as long as its hash, and no public key.
    for (members, words) in [
        (json!({ "k": BASE64URL.encode(secret_bytes(31)) }), "31 bytes"),
        (json!({ "alg": "HS512" }), "32 bytes, and HS512 needs at least 64"),
        (json!({ "alg": "RS256" }), "does not fit"),
        (json!({ "k": "" }), "0 bytes"),
        (json!({ "k": null }), "no `k`"),
        (json!({ "k": BASE64URL.encode(super::fixture("p256.spki.pem")) }), "PEM"),
        (json!({ "k": BASE64URL.encode(super::fixture("p256.spki.der")) }), "DER"),
        (json!({ "use": "enc" }), "`use`"),
    ] {
        let error = KeySet::from_jwks_with_secrets(jwks(&[with(oct.clone(), members)])).unwrap_err();
        assert_says(&error, "keys", &["key 0 (\"s\")", words]);
    }
}

#[test]
fn what_is_published_can_be_read_again() {
    let key = |jwk: Value, kid: &str| with(jwk, json!({ "kid": kid, "use": "sig" }));
    let keys = [key(rsa(), "r \"1\""), key(with(p256(), json!({ "alg": "ES256" })), "e"), key(ed25519(), "")];
    let set = KeySet::from_jwks(jwks(&keys)).unwrap();
    let published: Value = serde_json::from_str(&set.to_public_jwks()).unwrap();
    assert_eq!(published, json!({ "keys": keys }));
}
