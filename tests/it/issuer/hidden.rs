//! Nothing secret is shown by `Debug`, nor by an error.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use serde_json::json;
use tower_jwt_auth::{
    Algorithm, FileKeyStore, Issuer, KeyRing, KeyStore, MemoryKeyStore, Secret, SigningKey, TestClock,
};

use super::{ISS, START, Shelf};

/// Every spelling in which these bytes could get into a text, a piece of 8 bytes at a time.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for piece in bytes.chunks_exact(8) {
        all.push(piece.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        all.push(piece.iter().map(|byte| format!("{byte:02X}")).collect::<String>());
        all.push(piece.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
        all.push(piece.iter().map(u8::to_string).collect::<Vec<_>>().join(",\n"));
    }
    for engine in [&STANDARD, &BASE64URL] {
        let text = engine.encode(bytes);
        all.extend(text.as_bytes().chunks_exact(11).map(|piece| String::from_utf8(piece.to_vec()).unwrap()));
    }
    all
}

fn assert_hides(shown: &str, secrets: &[Vec<u8>]) {
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for spelling in secrets.iter().flat_map(|secret| spellings(secret)) {
        assert!(!shown.contains(&spelling), "{spelling} is in {shown}");
    }
}

/// The private members of all JWKs in a JSON text.
fn private_members(json: &str) -> Vec<Vec<u8>> {
    let mut secrets = Vec::new();
    for name in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        for (at, found) in json.match_indices(&format!("\"{name}\":\"")) {
            let value = json[at + found.len()..].split('"').next().unwrap();
            secrets.push(BASE64URL.decode(value).unwrap());
        }
    }
    secrets
}

#[test]
fn the_search_finds_what_is_there() {
    let secret: Vec<u8> = (100..132).collect();
    for shown in
        [format!("{secret:?}"), format!("{secret:#?}"), BASE64URL.encode(&secret), STANDARD.encode(&secret)]
    {
        assert!(
            std::panic::catch_unwind(|| assert_hides(&shown, std::slice::from_ref(&secret))).is_err(),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn keys_rings_stores_and_issuers_show_no_secret() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::Ed25519] {
        let shelf = Shelf::default();
        let ring = KeyRing::builder(shelf.clone())
            .algorithm(algorithm)
            .clock(TestClock::at(START))
            .open()
            .await
            .unwrap();
        ring.rotate().await.unwrap();
        let document = String::from_utf8(shelf.bytes()).unwrap();
        let secrets = private_members(&document);
        assert_eq!(secrets.len(), if algorithm == Algorithm::RS256 { 12 } else { 2 });
        let issuer =
            Issuer::builder(ISS, ring.clone()).audience("api").clock(TestClock::at(START)).build().unwrap();
        let jwk = shelf.json()["keys"][0]["private"].to_string();
        let key = SigningKey::from_jwk(algorithm, &jwk).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (file, memory) = (FileKeyStore::new(directory.path().join("keys")), MemoryKeyStore::new());
        let stored = shelf.load().await.unwrap().unwrap();
        assert!(file.compare_and_swap(None, stored.clone()).await.unwrap());
        assert!(memory.compare_and_swap(None, stored.clone()).await.unwrap());
        let fixed = Issuer::builder(ISS, key.clone()).audience("api");
        let mut shown = format!(
            "{ring:?} {issuer:?} {key:?} {stored:?} {file:?} {memory:?} {fixed:?} {:?}",
            key.key_set()
        );
        shown +=
            &format!("{ring:#?} {issuer:#?} {key:#?} {stored:#?} {memory:#?} {:#?}", fixed.build().unwrap());
        shown += &format!(
            "{:?} {:?} {:?}",
            issuer.jwks_service(),
            issuer.metadata(),
            ring.keys().collect::<Vec<_>>()
        );
        shown += &format!("{:?}", KeyRing::builder(memory));
        assert_hides(&shown, &secrets);
        assert!(shown.contains(key.kid()), "it does show something");

        // Nor does an error: of a key for something else, of a document that ends within a key.
        let mut errors = String::new();
        for other in
            [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::Ed25519, Algorithm::HS256]
        {
            errors += &SigningKey::from_jwk(other, &jwk)
                .err()
                .map(|error| format!("{error} {error:?}"))
                .unwrap_or_default();
        }
        for end in (0..jwk.len()).step_by(5) {
            let error = SigningKey::from_jwk(algorithm, &jwk[..end]).unwrap_err();
            errors += &format!("{error} {error:?}");
        }
        for end in (0..document.len()).step_by(50) {
            shelf.put(&document.as_bytes()[..end]);
            let error = ring.refresh().await.unwrap_err();
            errors += &format!("{error} {error:?}");
        }
        errors += &issuer.sign(&json!([jwk])).unwrap_err().to_string();
        assert_hides(&errors, &secrets);
    }
}

#[test]
fn a_shared_secret_is_hidden_and_never_published() {
    let secret: Vec<u8> = (0..64).map(|byte| byte ^ 0xa5).collect();
    let key = SigningKey::from_secret(Algorithm::HS256, Secret::from_bytes(secret.clone()).unwrap()).unwrap();
    let issuer = Issuer::builder(ISS, key.clone()).audience("api").build().unwrap();
    let shown = format!("{key:?} {issuer:?} {:?} {:?}", key.key_set(), issuer.jwks_service());
    assert_hides(&shown, std::slice::from_ref(&secret));
    assert_eq!(key.key_set().to_public_jwks(), r#"{"keys":[]}"#);
    for (algorithm, bytes) in [(Algorithm::HS384, 47), (Algorithm::HS512, 63)] {
        let short = Secret::from_bytes(secret[..bytes].to_vec()).unwrap();
        let error = SigningKey::from_secret(algorithm, short).unwrap_err().to_string();
        assert!(error.contains(&bytes.to_string()), "{error}");
    }
    let error =
        SigningKey::from_secret(Algorithm::ES256, Secret::from_bytes(secret.clone()).unwrap()).unwrap_err();
    assert!(error.to_string().contains("ES256"));
    assert_hides(&error.to_string(), &[secret]);
}
