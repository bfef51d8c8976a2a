//! The page for people: what it says, and that nothing on it is markup of somebody else.

use std::time::Duration;

use observability::board::{MINUTES, RECORDS};
use observability::status::{Page, Source};
use tower_jwt_auth::{ProviderFault, UnixTime};

use crate::metrics::everything;
use crate::support::{run, run_with};

#[test]
fn the_page_shows_decisions_reasons_and_sources() {
    let answer = run(async |site| {
        everything(&site).await;
        site.admin("/status").await
    });
    let body = answer.body;
    for text in [
        "<dt>accepted</dt><dd>3<small>30.0 % of all</small>", // that without the scope is a good token
        "<dt>refused</dt><dd>7<small>70.0 % of all</small>",
        "<tr id=\"reason-unknown_key\"",
        "href=\"#reason-bad_signature\"",
        "<td class=\"meaning\">a key was found for the token",
        "<code>https://id.example.com</code> <span class=\"pill warn\">stale</span>",
        "The last fetch failed: ",
        "Ready, with stale keys",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    // Each reason links to its row.
    for link in body.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(body.contains(&format!("<tr id=\"{id}\"")), "{id}");
    }
}

#[test]
fn it_follows_the_state_of_the_keys() {
    run(async |site| {
        site.provider.fails_with(ProviderFault::Status(500));
        site.orders("good").await;
        assert!(site.admin("/status").await.body.contains("Not ready: keys are missing"));
        site.provider.heals();
        tokio::time::sleep(Duration::from_secs(60)).await;
        site.orders("good").await;
        let body = site.admin("/status").await.body;
        assert!(body.contains("<p class=\"pill big good\">Ready</p>"), "{body}");
        assert!(body.contains("<span class=\"pill good\">fresh</span>"));
    });
}

#[test]
fn nothing_may_run_or_be_loaded() {
    let answer = run(async |site| site.admin("/status").await);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    for forbidden in ["<script", "<img", "<link", "style=", "onclick", "src=", "@import", "url("] {
        assert!(!answer.body.contains(forbidden), "{forbidden}");
    }
    assert!(!answer.headers.contains_key("refresh"), "only if it is asked for");
}

#[test]
fn the_browser_asks_again_only_if_it_is_told_to_and_not_too_often() {
    run(async |site| {
        for (asked, seconds) in [("5", "5"), ("0", "2"), ("255", "60")] {
            let answer = site.admin(&format!("/status?refresh={asked}")).await;
            assert_eq!(answer.headers["refresh"], seconds);
        }
        assert_eq!(site.admin("/status?refresh=0;url=https://evil.example").await.status, 400);
    });
}

#[test]
fn a_name_with_markup_is_text() {
    let hostile = "https://id.example.com/'a&b'";
    let body = run_with(hostile, async |site| {
        site.orders("good").await;
        site.admin("/status").await.body
    });
    let text = "https://id.example.com/&#39;a&amp;b&#39;";
    assert!(body.contains(&format!("<h3><code>{text}</code>")), "{body}");
    assert!(body.contains(&format!("<td>{text}</td>")), "{body}");
    assert!(!body.contains(hostile));
}

/// Names that a URL could not have, in every place that holds a text.
#[test]
fn every_text_is_escaped() {
    let (now, mut seen) = run(async |site| {
        site.orders("good").await;
        site.orders("forged").await;
        site.service.board.look()
    });
    let evil = "\"'><script>alert(1)</script><x";
    for record in &mut seen.records {
        (record.outcome, record.reason) = (evil, Some(evil));
        (record.source, record.algorithm) = (Some(evil), Some(evil));
        record.claim = Some(evil.to_owned());
        record.authority = Some(evil.to_owned());
        record.key = Some("<x>&\"'<>".to_owned());
    }
    seen.reasons.insert(evil, (1, now));
    let source = Source { name: evil.to_owned(), error: Some(evil.to_owned()), ..Source::default() };
    let body = Page { now, seen, sources: vec![source], refresh: None }.to_string();
    assert!(!body.contains("<script") && !body.contains("<x"), "{body}");
    assert!(!body.contains("\"'>"), "{body}");
    assert!(body.matches("&lt;script&gt;").count() >= 15, "{body}");
}

/// The URL of a source may hold a secret in its query.
#[test]
fn the_query_of_a_source_is_not_shown() {
    run(async |site| {
        let mut health = site.service.verifier.key_health().remove(0);
        health.url = "https://id.example.com/keys?signature=secret".to_owned();
        assert_eq!(Source::from(health).name, "https://id.example.com/keys");
    });
}

#[test]
fn no_token_and_no_claim_is_kept() {
    run(async |site| {
        for token in ["good", "expired", "unknown_key"] {
            site.orders(token).await;
        }
        let kept = format!("{:?}{}", site.service.board, site.admin("/status").await.body);
        for text in ["eyJ", "bob", "orders:read", "nobody-has-this"] {
            assert!(!kept.contains(text), "{text}");
        }
    });
}

#[test]
fn memory_is_bounded() {
    run(async |site| {
        for _ in 0..RECORDS * 3 {
            site.orders("good").await;
            site.orders("forged").await;
        }
        let (_, seen) = site.service.board.look();
        // The first good token is new to the cache, and a forged one never gets into it.
        assert_eq!((seen.hits, seen.misses), (RECORDS as u64 * 3 - 1, RECORDS as u64 * 3 + 1));
        assert_eq!(seen.records.len(), RECORDS);
        assert_eq!(seen.records[0].reason, Some("bad_signature"), "the newest first");
        assert_eq!(seen.outcomes.values().sum::<u64>(), RECORDS as u64 * 6);
        assert!(seen.minutes.len() <= 2);
    });
}

#[test]
fn an_hour_of_minutes_is_kept() {
    use observability::board::Board;
    use tower_jwt_auth::TestClock;
    let clock = TestClock::at(UnixTime::from_secs(1_800_000_000));
    let board = std::sync::Arc::new(Board::new(clock.clone()));
    run(async |site| {
        let noting = board.clone();
        let layer = tower_jwt_auth::JwtAuthLayer::new(site.service.verifier.clone())
            .on_decision(move |decision| noting.note(decision));
        let app = axum::Router::new().route("/", axum::routing::get(|| async {})).layer(layer);
        for _ in 0..MINUTES + 30 {
            crate::support::ask(app.clone(), axum::http::Request::get("/")).await;
            clock.advance(Duration::from_secs(60));
        }
        let (_, seen) = board.look();
        assert_eq!(seen.minutes.len(), MINUTES);
        assert!(seen.minutes.iter().all(|minute| minute.others == 1));
    });
}
