//! The record of each decision, the checks of a request, and the layer that only reports.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, AuthError, Authority, Claims, Decision, Jwt, JwtAuthLayer, Outcome, Principal, ProviderFault,
    Reason, Require, Secret, TestClock, TestIssuer, TestProvider, TokenCache, TokenSource, UnixTime,
    Verifier,
};

use tracing_subscriber::filter::LevelFilter;

use crate::support::logged;

const ISSUER: &str = "https://id.example.com";

fn issuer() -> TestIssuer {
    TestIssuer::with_algorithm(ISSUER, Algorithm::ES256).audience("api")
}

/// The decisions that a layer told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Decision>>>);

impl Told {
    fn by(&self, layer: JwtAuthLayer) -> JwtAuthLayer {
        let told = self.clone();
        layer.on_decision(move |decision: &Decision| told.0.lock().unwrap().push(decision.clone()))
    }

    /// The one decision since this was called last.
    fn one(&self) -> Decision {
        let mut told = self.0.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }
}

async fn send(layer: &JwtAuthLayer, request: Request<Body>) -> Response<Body> {
    let who = |caller: Option<Jwt>| async move {
        caller.map_or_else(|| "nobody".to_owned(), |jwt| jwt.sub.clone().unwrap_or_default())
    };
    let app = Router::new().route("/", get(who)).layer(layer.clone());
    app.oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 1000).await.unwrap().to_vec()).unwrap()
}

fn with(token: &str) -> Request<Body> {
    Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap()
}

fn bare() -> Request<Body> {
    Request::get("/").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn an_accepted_token_leaves_a_record_of_what_decided() {
    let (issuer, told) = (issuer(), Told::default());
    let verifier = Verifier::<Claims>::builder().authority(issuer.authority()).cache(TokenCache::new());
    let layer = told.by(JwtAuthLayer::new(verifier.build().unwrap()));
    let token = issuer.sign(json!({ "sub": "bob" }));
    for cached in [false, true] {
        assert_eq!(send(&layer, with(&token)).await.status(), 200);
        let decision = told.one();
        assert_eq!(decision.outcome(), Outcome::Accepted);
        assert_eq!((decision.reason(), decision.claim()), (None, None));
        assert_eq!(decision.source(), Some("authorization"));
        assert_eq!(decision.authority(), Some(ISSUER));
        assert_eq!(decision.algorithm(), Some(Algorithm::ES256));
        // The second time the header was recalled and not read.
        assert_eq!(decision.key_hash().map(str::len), Some(16));
        assert_eq!(decision.was_cached(), Some(cached));
        assert!(decision.signature_verified());
    }
}

#[tokio::test]
async fn each_reason_leaves_a_record() {
    let clock = TestClock::at(UnixTime::from_secs(1_800_000_000));
    let issuer = issuer().clock(clock.clone());
    let told = Told::default();
    let build = |authority: Authority| {
        let verifier = Verifier::<Claims>::builder().authority(authority).clock(clock.clone()).build();
        told.by(JwtAuthLayer::new(verifier.unwrap()))
    };
    let layer = build(issuer.authority().typ("at+jwt").required_claim("tenant").subject("bob").check(
        |principal: &Principal| match principal.claim::<String>("tenant").as_deref() {
            Some("gone") => Err(AuthError::new(Reason::Revoked)),
            Some("dark") => Err(AuthError::new(Reason::RevocationUnavailable)),
            Some("poor") => Err(AuthError::insufficient_scope("rich")),
            Some("weak") => Err(AuthError::new(Reason::InsufficientUserAuthentication)),
            Some("bad") => Err(AuthError::new(Reason::Forbidden)),
            Some("none") => Err(AuthError::new(Reason::NotConfigured)),
            _ => Ok(()),
        },
    ));
    let now = 1_800_000_000;
    let sign = |header: serde_json::Value, claims: serde_json::Value| {
        let mut all = json!({ "sub": "bob", "tenant": "secret-tenant" });
        let mut head = json!({ "typ": "at+jwt" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        head.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        with(&issuer.sign_with(head, all))
    };
    let claims = |claims| sign(json!({}), claims);
    let forged = {
        let other = TestIssuer::with_algorithm(ISSUER, Algorithm::ES256).audience("api").clock(clock.clone());
        let (good, bad) = (
            issuer.sign_with(json!({"typ":"at+jwt"}), json!({"sub":"bob","tenant":"t"})),
            other.sign(json!({})),
        );
        let (head, _) = good.rsplit_once('.').unwrap();
        with(&format!("{head}.{}", bad.rsplit_once('.').unwrap().1))
    };
    let two = {
        let mut two = claims(json!({}));
        two.headers_mut().append("authorization", "Bearer a.b.c".parse().unwrap());
        two
    };
    let cases = [
        (Reason::AlgorithmNotAllowed, sign(json!({ "alg": "RS256" }), json!({}))),
        (Reason::BadSignature, forged),
        (Reason::Expired, claims(json!({ "exp": now - 1000 }))),
        (Reason::Forbidden, claims(json!({ "tenant": "bad" }))),
        (Reason::InsufficientScope, claims(json!({ "tenant": "poor" }))),
        (Reason::InsufficientUserAuthentication, claims(json!({ "tenant": "weak" }))),
        (Reason::InvalidClaim, claims(json!({ "sub": "eve" }))),
        (Reason::MalformedRequest, two),
        (Reason::MalformedToken, with("not-a-token")),
        (Reason::Missing, bare()),
        (Reason::MissingClaim, claims(json!({ "tenant": null }))),
        (Reason::NotConfigured, claims(json!({ "tenant": "none" }))),
        (Reason::NotYetValid, claims(json!({ "nbf": now + 1000 }))),
        (Reason::RevocationUnavailable, claims(json!({ "tenant": "dark" }))),
        (Reason::Revoked, claims(json!({ "tenant": "gone" }))),
        (Reason::TokenTooLong, with(&"a".repeat(20_000))),
        (Reason::UnknownIssuer, claims(json!({ "iss": "https://evil.example.com" }))),
        (Reason::UnknownKey, sign(json!({ "kid": "made-up-kid" }), json!({}))),
        (Reason::WrongAudience, claims(json!({ "aud": "other" }))),
        (Reason::WrongType, sign(json!({ "typ": "logout+jwt" }), json!({}))),
    ];
    let mut seen = Vec::new();
    for (reason, request) in cases {
        let response = send(&layer, request).await;
        let decision = told.one();
        assert_eq!((decision.outcome(), decision.reason()), (Outcome::Refused, Some(reason)), "{decision:?}");
        assert_eq!(response.status(), reason.status());
        let record = format!("{decision:?}");
        for secret in ["secret-tenant", "made-up-kid", "evil.example", "not-a-token", "eyJ"] {
            assert!(!record.contains(secret), "{record}");
        }
        seen.push(reason);
    }
    // The two that need another set-up.
    let provider = TestProvider::in_memory(ISSUER);
    provider.fails_with(ProviderFault::Status(500));
    let dark = build(Authority::oidc(provider.oidc_keys()).audience("api"));
    let claims = json!({ "aud": "api", "exp": now + 60, "sub": "bob" });
    send(&dark, with(&provider.sign(claims))).await;
    assert_eq!(told.one().reason(), Some(Reason::KeysUnavailable));
    let cookie = TokenSource::cookie("session", tower_jwt_auth::Csrf::same_origin()).unwrap();
    let cookies = build(issuer.authority()).token_from(cookie);
    let crossed = Request::get("/")
        .header("cookie", format!("session={}", issuer.sign(json!({}))))
        .header("sec-fetch-site", "cross-site")
        .method("POST")
        .body(Body::empty());
    send(&cookies, crossed.unwrap()).await;
    assert_eq!(told.one().reason(), Some(Reason::CrossSite));
    assert_eq!(seen.len() + 2, 22, "a reason is new: add its row");
}

/// An error of a user's check, which a `Debug` would show.
#[tokio::test]
async fn a_record_does_not_show_the_errors_of_a_check() {
    let (issuer, told) = (issuer(), Told::default());
    let authority = issuer.authority().check(|_: &Principal| {
        Err(AuthError::new(Reason::Revoked).with_source("asked https://deny.example.com/?token=secret"))
    });
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap()));
    send(&layer, with(&issuer.sign(json!({})))).await;
    let decision = told.one();
    assert_eq!(decision.reason(), Some(Reason::Revoked));
    assert!(!format!("{decision:?}").contains("secret"), "{decision:?}");
}

#[tokio::test]
async fn a_kid_that_no_key_has_is_not_noted() {
    let (issuer, told) = (issuer(), Told::default());
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap()));
    send(&layer, with(&issuer.sign_with(json!({ "kid": "made up" }), json!({})))).await;
    assert_eq!(told.one().key_hash(), None);
    send(&layer, with(&issuer.sign(json!({ "aud": "other" })))).await;
    assert_eq!(told.one().key_hash().map(str::len), Some(16));
    // A secret has no kid, so any will do, and says nothing.
    let bytes = [*b"0f8Zq-7bM2xW~s4K", *b"u9!Tc3Vd+e6Jg1Rp"].concat();
    let authority = Authority::hs256(Secret::from_bytes(bytes.clone()).unwrap()).issuer("i").audience("a");
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap()));
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("made up".to_owned());
    let claims = json!({ "iss": "i", "aud": "a", "exp": 4_000_000_000_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(&bytes);
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    for _ in 0..2 {
        assert_eq!(send(&layer, with(&token)).await.status(), 200);
        assert_eq!(told.one().key_hash(), None);
    }
}

#[tokio::test]
async fn the_event_of_a_refusal_names_who_judged() {
    let (issuer, stranger) = (issuer(), TestIssuer::new("https://evil.example.com").audience("api"));
    let layer = JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap());
    let log = logged(LevelFilter::DEBUG, async {
        send(&layer, with(&issuer.sign_with(json!({ "kid": issuer.kid() }), json!({ "aud": "other" }))))
            .await;
        send(&layer, with(&stranger.sign(json!({})))).await;
        send(&layer, bare()).await;
    })
    .await;
    let refused: Vec<&str> = log.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(refused.len(), 3, "{log}");
    let judged = format!("authority=\"{ISSUER}\" algorithm=\"ES256\"");
    assert!(refused[0].contains("reason=wrong_audience") && refused[0].contains(&judged), "{log}");
    assert!(refused[2].contains("reason=missing") && !refused[2].contains("authority="), "{log}");
    assert!(!log.contains(issuer.kid()) && !log.contains("evil.example"), "{log}");
}

/// The name in the header counts, whether the header is read or recalled.
#[tokio::test]
async fn the_algorithm_stays_the_same_when_a_header_is_recalled() {
    let issuer = TestIssuer::with_algorithm(ISSUER, Algorithm::EdDSA).audience("api");
    let told = Told::default();
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap()));
    for alg in [Algorithm::EdDSA, Algorithm::Ed25519] {
        let token = issuer.sign_with(json!({ "alg": alg.as_str() }), json!({ "sub": "bob" }));
        for _ in 0..2 {
            assert_eq!(send(&layer, with(&token)).await.status(), 200);
            assert_eq!(told.one().algorithm(), Some(alg));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_away_while_it_waits_is_told_as_abandoned() {
    let (provider, told) = (TestProvider::in_memory(ISSUER), Told::default());
    provider.fails_with(ProviderFault::Stall);
    let authority = Authority::oidc(provider.oidc_keys()).audience("api");
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap()));
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64 }));
    let patience = Duration::from_millis(100);
    tokio::time::timeout(patience, send(&layer, with(&token))).await.unwrap_err();
    let decision = told.one();
    assert_eq!((decision.outcome(), decision.reason()), (Outcome::Abandoned, None));
    assert_eq!(decision.authority(), Some(ISSUER));
    assert!(decision.duration() >= patience);
}

#[tokio::test]
async fn a_check_of_the_request_refuses_and_lets_nobody_in() {
    let (issuer, told) = (issuer(), Told::default());
    let layer = JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap());
    let layer = told.by(layer).check_request(|request: &tower_jwt_auth::RequestHead<'_>| {
        match request.headers().contains_key("x-blocked") {
            true => Err(AuthError::new(Reason::Forbidden)),
            false => Ok(()),
        }
    });
    let token = issuer.sign(json!({ "sub": "bob" }));
    assert_eq!(send(&layer, with(&token)).await.status(), 200);
    assert_eq!(told.one().outcome(), Outcome::Accepted);
    let mut blocked = with(&token);
    blocked.headers_mut().insert("x-blocked", "1".parse().unwrap());
    assert_eq!(send(&layer, blocked).await.status(), 403);
    assert_eq!(told.one().reason(), Some(Reason::Forbidden));
    // What it lets go on is judged like any other.
    assert_eq!(send(&layer, bare()).await.status(), 401);
    assert_eq!(told.one().reason(), Some(Reason::Missing));
}

#[tokio::test]
async fn a_layer_that_only_reports_refuses_nothing_and_believes_nothing() {
    let (issuer, told) = (issuer(), Told::default());
    let verifier = Verifier::<Claims>::new(issuer.authority()).unwrap();
    let layer = told.by(JwtAuthLayer::new(verifier)).insecure_report_only();
    let stranger = TestIssuer::with_algorithm(ISSUER, Algorithm::ES256).audience("api");
    for (token, reason) in [
        (Some(stranger.sign(json!({ "sub": "mallory" }))), Reason::BadSignature),
        (Some("garbage".to_owned()), Reason::MalformedToken),
        (None, Reason::Missing),
    ] {
        let request = token.as_deref().map_or_else(bare, with);
        let response = send(&layer, request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(text(response).await, "nobody");
        let decision = told.one();
        let unknown_key = decision.reason() == Some(Reason::UnknownKey); // the stranger's kid
        assert!(decision.reason() == Some(reason) || unknown_key, "{decision:?}");
        assert_eq!(decision.outcome(), Outcome::Reported);
    }
    let response = send(&layer, with(&issuer.sign(json!({ "sub": "bob" })))).await;
    assert_eq!(text(response).await, "bob");
    assert_eq!(told.one().outcome(), Outcome::Accepted);
}

/// What the layer does to a request besides judging it stays: no forged header goes in with a request that is let off.
#[tokio::test]
async fn a_layer_that_only_reports_removes_forged_headers_and_the_credential() {
    let issuer = issuer();
    let verifier = Verifier::<Claims>::new(issuer.authority()).unwrap();
    let layer = JwtAuthLayer::new(verifier).claim_header("x-user", "sub").unwrap();
    let layer = layer.remove_credential().insecure_report_only();
    let seen = |headers: http::HeaderMap| async move {
        format!("{:?} {:?}", headers.get("x-user"), headers.get("authorization"))
    };
    let app = Router::new().route("/", get(seen)).layer(layer);
    let mut forged = with("garbage");
    forged.headers_mut().insert("x-user", "admin".parse().unwrap());
    assert_eq!(text(app.oneshot(forged).await.unwrap()).await, "None None");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_only_reports_lets_off_what_waited_for_keys() {
    let (provider, told) = (TestProvider::in_memory(ISSUER), Told::default());
    provider.fails_with(ProviderFault::Stall);
    let authority = Authority::oidc(provider.oidc_keys()).audience("api");
    let layer =
        told.by(JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap())).insecure_report_only();
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64, "sub": "bob" }));
    assert_eq!(text(send(&layer, with(&token)).await).await, "nobody");
    let decision = told.one();
    assert_eq!((decision.outcome(), decision.reason()), (Outcome::Reported, Some(Reason::KeysUnavailable)));
}

#[tokio::test]
async fn a_policy_inside_only_reports_as_well() {
    let issuer = issuer();
    let verifier = Verifier::<Claims>::new(issuer.authority()).unwrap();
    let app = |layer: JwtAuthLayer| {
        Router::new().route("/", get(|| async {})).layer(Require::scope("admin")).layer(layer)
    };
    let strict = JwtAuthLayer::new(verifier);
    let reporting = strict.clone().insecure_report_only();
    let token = issuer.sign(json!({ "sub": "bob" }));
    for (layer, anonymous, without_scope) in [(strict, 401, 403), (reporting, 200, 200)] {
        assert_eq!(app(layer.clone()).oneshot(bare()).await.unwrap().status(), anonymous);
        assert_eq!(app(layer).oneshot(with(&token)).await.unwrap().status(), without_scope);
    }
}

/// Who reads the warnings looks for the client by the route and the policy.
#[tokio::test]
async fn what_only_reports_names_the_request_and_the_policy() {
    let issuer = issuer();
    let layer =
        JwtAuthLayer::new(Verifier::<Claims>::new(issuer.authority()).unwrap()).insecure_report_only();
    let app = Router::new().route("/", get(|| async {})).layer(Require::scope("admin")).layer(layer);
    let log = async |request| {
        logged(LevelFilter::WARN, async { drop(app.clone().oneshot(request).await.unwrap()) }).await
    };
    let refused = log(bare()).await;
    assert!(refused.contains("this request would have been refused reason=\"missing\""), "{refused}");
    let without_scope = log(with(&issuer.sign(json!({ "sub": "bob" })))).await;
    assert!(without_scope.contains("reason=insufficient_scope"), "{without_scope}");
    assert!(without_scope.contains(&format!("policy={}", Require::scope("admin"))), "{without_scope}");
    for log in [refused, without_scope] {
        assert!(log.lines().all(|line| line.contains("method") && line.contains("path=\"/\"")), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_waits_for_keys_is_told_once_with_its_time() {
    let (provider, told) = (TestProvider::in_memory(ISSUER), Told::default());
    provider.latency(Duration::from_millis(300));
    let authority = Authority::oidc(provider.oidc_keys()).audience("api");
    let layer = told.by(JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap()));
    let token = provider.sign(json!({ "aud": "api", "exp": 4_000_000_000_u64, "sub": "bob" }));
    assert_eq!(send(&layer, with(&token)).await.status(), 200);
    let decision = told.one();
    assert_eq!(decision.outcome(), Outcome::Accepted);
    assert!(decision.duration() >= Duration::from_millis(300), "{decision:?}");
}

#[test]
fn debug_of_a_layer_counts_them() {
    let authority = Authority::hs256(Secret::generate().unwrap()).issuer("i").audience("a");
    let layer = JwtAuthLayer::new(Verifier::<Claims>::new(authority).unwrap());
    let layer = Told::default().by(layer).check_request(|_: &tower_jwt_auth::RequestHead<'_>| Ok(()));
    let debug = format!("{layer:?}");
    assert!(debug.contains("1 watchers") && debug.contains("1 checks"), "{debug}");
}
