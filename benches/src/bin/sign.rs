//! Signing: `Issuer::sign` against `jsonwebtoken::encode`, both on aws-lc-rs, taking turns in one run.
//!
//! `cargo run --release -p benches --bin sign`. The other side gets its claims complete and its key from the same PEM;
//! ours makes `iss`, `aud`, `iat`, `exp` and a random `jti` for each token.

use std::hint::black_box;
use std::time::Instant;

use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use tower_jwt_auth::{Algorithm, Issuer, SigningKey};

#[derive(Clone, Copy, Serialize)]
struct Given<'c> {
    sub: &'c str,
    client_id: &'c str,
    scope: &'c str,
    sid: &'c str,
}

/// What ours makes of it, for the other side.
#[derive(Serialize)]
struct Flat<'c> {
    iss: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    jti: &'c str,
    sub: &'c str,
    client_id: &'c str,
    scope: &'c str,
    sid: &'c str,
}

const GIVEN: Given<'static> = Given {
    sub: "248289761001",
    client_id: "s6BhdRkqt3",
    scope: "openid profile orders:read orders:write",
    sid: "08a5019c-17e1-4977-8f42-65a12843ea02",
};

fn main() {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    println!(
        "{:8} {:>12} {:>12} {:>8}   (median of {ROUNDS} rounds that take turns)",
        "", "ours", "encode", "ratio"
    );
    for (ours, theirs, pem, per_round) in [
        (Algorithm::RS256, jsonwebtoken::Algorithm::RS256, RSA_PEM, 40),
        (Algorithm::ES256, jsonwebtoken::Algorithm::ES256, EC_PEM, 1000),
    ] {
        compare(ours, theirs, pem, per_round);
    }
}

const ROUNDS: usize = 61;

fn compare(ours: Algorithm, theirs: jsonwebtoken::Algorithm, pem: &str, per_round: u32) {
    let key = SigningKey::from_pem(ours, pem).expect("the key above");
    let kid = key.kid().to_owned();
    let issuer =
        Issuer::builder("https://id.example.com", key).audience("orders").build().expect("an issuer");
    let encoding = match ours {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
        _ => EncodingKey::from_ec_pem(pem.as_bytes()),
    }
    .expect("the key above");
    let mut header = Header::new(theirs);
    (header.kid, header.typ) = (Some(kid), Some("at+jwt".into()));
    let Given { sub, client_id, scope, sid } = GIVEN;
    let flat = Flat {
        iss: "https://id.example.com",
        aud: "orders",
        iat: 1_790_000_000,
        exp: 1_790_000_600,
        jti: "c2l4dGVlbiByYW5kb20gYg",
        sub,
        client_id,
        scope,
        sid,
    };
    let sign = || issuer.sign(&GIVEN).expect("signed").len();
    let encode = || jsonwebtoken::encode(&header, &flat, &encoding).expect("signed").len();
    assert_eq!(sign(), encode(), "both tokens have the same length");

    let mut ratios = Vec::new();
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (our_time, their_time) = (nanoseconds(per_round, sign), nanoseconds(per_round, encode));
        ratios.push(their_time / our_time);
        our_times.push(our_time);
        their_times.push(their_time);
    }
    println!(
        "{:8} {:>9.1} us {:>9.1} us {:>7.2}x",
        ours.as_str(),
        median(our_times) / 1000.0,
        median(their_times) / 1000.0,
        median(ratios)
    );
}

#[allow(clippy::disallowed_methods)] // a measurement reads the clock
fn nanoseconds(times: u32, mut work: impl FnMut() -> usize) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        black_box(work());
    }
    start.elapsed().as_nanos() as f64 / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Made for this file by `openssl genpkey`.
const RSA_PEM: &str = "-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQClXohe0H8uihtY
j2Dl8y55lGrSIEMjsuc8pklphWDIFlHdBwmNr+rLqlG5bgi8gp97mz9ZxOIf+Re9
w+nAup0aaq9e36M/qcsNcQBGkxgddMz/eyNxIikPJVF83amf464m1fd/Hq2Z8QDd
kEeY8ELBVaRDAuyc9foO6+vbA00HRmsxroh3D8OEkybjEIr0/u5E/Tts+FrV4J1Q
En4FBnYcjKfdJyhLTWU7fYmSfTo8tjT2TEVujVsYfOJS7Bntw1kQoJH7xfESCure
VPGfQKqRrofuUSgxPLTYAlhi4bgyEwpTr5RQySqLxZEGLJxSMtIC/MBJe99nJDlO
SogUhuLxAgMBAAECggEAB3dThxtY+KIP3sFXbb5bWW4h3gOKoHab8c0sqJTW5CW8
07K1A9Z+zmvtxWZSQuePWYJue2g0EN87SwwotjS+sdICAbGtYksRUbWpvmX2+2J5
/Glj9eBF1AsaaR2tYjyCcPqtUkoRaq86u6YfU2h6jRXHpSZhRitlWy3b388f981r
gpndRj2qSVYN8Qetn8Rgqv0d4WuL9I67T5Cv0hK0vWK8Js5Pr5sEk0+APxYDdg/r
n8j4DfQ3W6phUlQg9lj2/+hnvn+jJ42UOgrn8R1tbZb86IT3CeVF9nojBcCyFZyN
Lx0ueKhJGGNtKRehROToPznhFsDhKnotVVMwXkmUGQKBgQDopxfBoVZ9/s0YL+xN
ISauiOiMsGPuyDRZBBDIxVB3EicARPzwGGv9xQcuDsKANKFs5c8QRmXt06Y5xMez
jThPevZix7sp2AAs7N4zxXn+63XsH5cSt7koFXRePvUd8+zo0a9d5J2Fe3SR3xEZ
qAyfSwvBlv1gHQ8c9dO4NiAiyQKBgQC19ulIoF49cZXMgVFTjzaMxSbJiGdxWsGd
syYWpa65Isau03die0IH11t/xPxbvZOdFDZRo6MRhnxxA2xptc2ub8nQ0aiAJ/5H
1XETcCs5UsJC1+XpZ7UHkDliAW1pV/PQ4QsNdXAzSVo3s85boap2lNjL2wrAiZGe
H9tc++Bq6QKBgFXuEXo1KwsSZ5I9cRvz2KOycaI1LFPvolYWiFR/fH7eN4WD9aCA
hLKQaVx7mx9bURw1rUsnlVJIUCcaJWCOEnRYyFQnzVthKn9tZYzdrXeYZE+4Q0Zo
kXzan8aHnmVXyPMdL5aQcBXzSVTvfRNq3G6he1AfgqpTUVey/GYXp7rxAoGBAIpy
BUZbtbgcHrRNQ9pGoWNzcTJu1P165sscjgM3Jfv4SKClhjTowPGEWjqZXsRSNeiS
g02UKjLgVvgJecfoKkjpBu0ZR5HSW/a9n94BPvHLVMBU0bnHTQYnJnG50kwPPhOT
1bv0uVxcGAc/h+dR1oeIcnaP/ttFEAT2CgnyHepZAoGAT6ayfWm6aZKknxUkj6ZJ
npIn197iMKdYgzVzEjmyryMkBUSENvI880x97PA3WEkzdiBAREowfZY8xmM2zR0x
+L1fabEvs51fatf6WeKMUSF/NjIg1thvyEswgTi/EQ8xMVRLIl0oRD2oLiJgD/UC
NhT/VgbG1snwEifqma6DV9A=
-----END PRIVATE KEY-----
";

const EC_PEM: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvysn86MNOW/VPbki
B7524PKcy9bD6WHd83hdc8dPB9uhRANCAARTylHVjfrm9oYwtHHQtG3akUXyuA4+
njVaZ6Nruqf9gq97Ot+mik4oGBOPESBdlWz6DVVY/dNMQaoFuczpUhk8
-----END PRIVATE KEY-----
";
