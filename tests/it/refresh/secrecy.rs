//! What is not shown, not stored and not accepted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use tower_jwt_auth::{MemoryRefreshStore, RefreshRecord};

use super::*;

#[tokio::test]
async fn nothing_shows_a_token() {
    for store in stores() {
        let world = World::new(store);
        let grant = world.tokens.begin("bob").await.unwrap();
        let load = async |_| Ok::<_, Infallible>(Some(()));
        let rotated = world.tokens.rotate(&grant.token, load).await.unwrap();
        world.clock.advance(GRACE);
        let record = world.store.list("bob".to_owned()).await.unwrap();
        let error = world.rotate(&grant.token).await.unwrap_err();
        let shown = format!(
            "{grant:?} {rotated:?} {error:?} {error} {:?} {:?} {record:?} {:?}",
            world.tokens,
            world.store,
            RefreshTokens::builder(MemoryRefreshStore::new()),
        );
        for token in [&grant.token, &rotated.token] {
            assert!(
                !shown.contains(&token.as_str()[..22]) && !shown.contains(&token.as_str()[22..]),
                "{shown}"
            );
        }
        assert!(shown.contains(grant.session.sid()), "the public name may be shown");
    }
}

/// Somebody has a copy of the store: nothing in it is a token, or a part of one, or gets one exchanged.
#[tokio::test]
async fn a_dump_of_the_store_is_of_no_use() {
    for store in stores() {
        let world = World::new(store);
        let tokens = world.chain(2).await;
        let record = world.store.list("bob".to_owned()).await.unwrap().remove(0);
        let dump = serde_json::to_string(&record).unwrap();
        for token in &tokens {
            let bytes = BASE64URL.decode(token.as_str()).unwrap();
            for part in [&bytes[..16], &bytes[16..], &bytes[..]] {
                assert!(!dump.contains(&BASE64URL.encode(part)), "{dump}");
            }
        }

        let json: serde_json::Value = serde_json::from_str(&dump).unwrap();
        let strings =
            [&json["id"], &json["sid"], &json["current"], &json["retry"]["token"], &json["retry"]["sealed"]];
        let pieces: Vec<_> =
            strings.iter().map(|text| BASE64URL.decode(text.as_str().unwrap()).unwrap()).collect();
        for one in &pieces {
            assert_invalid(world.rotate(&RefreshToken::from(BASE64URL.encode(one))).await);
            for other in &pieces {
                let forged = [&one[..16], &other[..other.len().min(32)]].concat();
                assert_invalid(world.rotate(&RefreshToken::from(BASE64URL.encode(forged))).await);
            }
        }
        world.rotate(&tokens[2]).await.expect("none of it ended the session");
    }
}

/// Who has a dump and an old token, but not within its time, gets nothing: only the last token opens the seal.
#[tokio::test]
async fn a_sealed_successor_is_replaced_once_it_is_used() {
    for store in stores() {
        let world = World::new(store);
        let sealed = async || {
            let record = world.store.list("bob".to_owned()).await.unwrap().remove(0);
            serde_json::to_value(&record).unwrap()["retry"]["sealed"].clone()
        };
        let token = world.login().await;
        assert!(sealed().await.is_null());
        let token = world.rotate(&token).await.unwrap();
        let first = sealed().await;
        world.rotate(&token).await.unwrap();
        assert!(first.is_string() && sealed().await.is_string());
        assert_ne!(sealed().await, first);
    }
}

#[tokio::test]
async fn a_record_does_not_grow_and_survives_its_text() {
    for store in stores() {
        let world = World::new(store);
        let mut token = world.login().await;
        let mut sizes = Vec::new();
        for _ in 0..9 {
            token = world.rotate(&token).await.unwrap();
            let record = world.store.list("bob".to_owned()).await.unwrap().remove(0);
            let text = serde_json::to_string(&record).unwrap();
            assert!(serde_json::from_str::<RefreshRecord>(&text).unwrap() == record);
            sizes.push(text.len());
        }
        assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_invalid() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        let text = token.as_str();
        let mut garbage: Vec<String> = (0..text.len()).map(|length| text[..length].to_owned()).collect();
        garbage.extend(["\0", "é", "null", "{}", "' OR 1=1 --", "======"].map(str::to_owned));
        garbage.extend([format!("{text}A"), format!(" {text}"), format!("{text}\n"), format!("{text}=")]);
        garbage.extend(["A".repeat(64), "_".repeat(64), "é".repeat(32), "x".repeat(1_000_000)]);
        // Another family key.
        garbage.push(format!("{}{}", if text.starts_with('A') { 'B' } else { 'A' }, &text[1..]));
        for garbage in garbage {
            assert_invalid(world.rotate(&RefreshToken::from(garbage)).await);
        }
        world.rotate(&token).await.expect("none of it ended the session");
    }
}

/// Whoever knows a family's key has had one of its tokens: a changed secret is as bad as an old one.
#[tokio::test]
async fn a_changed_secret_ends_the_session() {
    for store in stores() {
        let world = World::new(store);
        let token = world.login().await;
        let text = token.as_str();
        let last = if text.ends_with('A') { 'B' } else { 'A' };
        assert_reused(world.rotate(&RefreshToken::from(format!("{}{last}", &text[..63]))).await);
        assert_invalid(world.rotate(&token).await);
    }
}
