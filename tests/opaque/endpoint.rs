//! An introspection endpoint that answers, fails, and lies.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_jwt_auth::{
    Authority, Claims, ConfigProblemKind, HttpFetch, Introspection, Jwt, OpaqueTokens, Reason, Verifier,
};

use crate::server::{ISSUER, Says, Server, authority};
use crate::table::{NOW, clock, reason, verdict, verifier};

fn good() -> Value {
    json!({ "active": true, "sub": "bob", "aud": "api", "exp": NOW + 600, "scope": "orders:read", "token_type": "Bearer" })
}

/// What becomes of a token that this is answered about.
async fn of(answer: Value) -> Option<Reason> {
    let server = Server::json(answer).await;
    reason(&verifier(server.authority(), &clock()), "one").await
}

async fn of_body(status: u16, body: impl Into<String>) -> Option<Reason> {
    let server = Server::start(Says::Body(status, "application/json", body.into())).await;
    reason(&verifier(server.authority(), &clock()), "one").await
}

#[tokio::test]
async fn a_token_is_introspected() {
    let server = Server::json(good()).await;
    let endpoint = server.endpoint().token_type_hint("access_token");
    let verifier = verifier(authority(endpoint), &clock());
    let jwt = verdict(&verifier, "a+b/c~d==").await.unwrap();
    let user = Jwt::principal(&jwt);
    assert_eq!((user.issuer(), user.subject()), (Some(ISSUER), Some("bob")));
    assert_eq!(user.scopes().collect::<Vec<_>>(), ["orders:read"]);
    let [question] = &*server.questions() else { panic!() };
    assert_eq!(question.field("token").as_deref(), Some("a+b/c~d=="));
    assert_eq!(question.field("token_type_hint").as_deref(), Some("access_token"));
    use axum::http::header::{ACCEPT, CONTENT_TYPE};
    assert_eq!(question.header(ACCEPT), Some("application/json"));
    assert_eq!(question.header(CONTENT_TYPE), Some("application/x-www-form-urlencoded"));
    // It is kept.
    assert!(verifier.verify("a+b/c~d==").now().unwrap().is_ok());
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn ten_thousand_requests_with_one_token_make_one_call() {
    let server = Server::json(good()).await;
    let verifier = verifier(server.authority(), &clock());
    let mut requests = JoinSet::new();
    for _ in 0..10_000 {
        let verifier = verifier.clone();
        requests.spawn(async move { reason(&verifier, "one").await });
    }
    let all = requests.join_all().await;
    assert!(all.iter().all(Option::is_none) && all.len() == 10_000);
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn inactive_is_401() {
    assert_eq!(of(json!({ "active": false })).await, Some(Reason::Inactive));
    assert_eq!(of(json!({ "active": false, "sub": "bob", "aud": "api" })).await, Some(Reason::Inactive));
    assert_eq!(Reason::Inactive.status(), 401);
    assert_eq!(Reason::Inactive.public_code(), "invalid_token");
}

#[tokio::test]
async fn attack_an_answer_about_a_token_of_another_issuer() {
    let mut answer = good();
    answer["iss"] = json!("https://evil.example.com");
    assert_eq!(of(answer).await, Some(Reason::UnknownIssuer));
}

#[tokio::test]
async fn attack_a_token_for_another_audience() {
    let mut answer = good();
    answer["aud"] = json!("billing");
    assert_eq!(of(answer).await, Some(Reason::WrongAudience));
    assert_eq!(of(json!({ "active": true, "sub": "bob" })).await, Some(Reason::MissingClaim));
}

#[tokio::test]
async fn attack_an_expired_token_that_is_said_to_be_active() {
    let mut answer = good();
    answer["exp"] = json!(NOW - 31);
    assert_eq!(of(answer).await, Some(Reason::Expired));
}

#[tokio::test]
async fn attack_a_bound_token_without_its_proof() {
    let mut answer = good();
    answer["cnf"] = json!({ "x5t#S256": "x" });
    assert_eq!(of(answer).await, Some(Reason::InvalidClaim));
    let mut answer = good();
    answer["token_type"] = json!("DPoP");
    assert_eq!(of(answer).await, Some(Reason::WrongType));
}

#[tokio::test]
async fn attack_active_that_is_no_boolean() {
    for active in [json!("true"), json!(1), json!(null), json!([true]), json!({})] {
        let mut answer = good();
        answer["active"] = active.clone();
        assert_eq!(of(answer).await, Some(Reason::RevocationUnavailable), "{active}");
    }
    assert_eq!(of(json!({ "aud": "api", "sub": "bob" })).await, Some(Reason::RevocationUnavailable));
}

#[tokio::test]
async fn attack_an_answer_with_a_name_twice() {
    for body in [
        r#"{"active":false,"active":true,"aud":"api"}"#,
        r#"{"active":true,"aud":"api","\u0061ctive":false}"#,
        r#"{"active":true,"aud":"billing","aud":"api"}"#,
        r#"{"active":true,"aud":"api","exp":1,"exp":4000000000}"#,
    ] {
        assert_eq!(of_body(200, body).await, Some(Reason::RevocationUnavailable), "{body}");
    }
}

#[tokio::test]
async fn what_is_not_a_json_object_is_503() {
    let nested = format!(r#"{{"active":true,"aud":"api","a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    for body in ["", "true", "null", "[]", "<html>", "{", "{} {}", r#"{"active":true,"aud":"api"}x"#, &nested]
    {
        assert_eq!(of_body(200, body).await, Some(Reason::RevocationUnavailable), "{body}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_503() {
    let of_length = |length: usize| {
        let answer = json!({ "active": true, "aud": "api", "a": "" }).to_string();
        answer.replace("\"a\":\"\"", &format!("\"a\":\"{}\"", "a".repeat(length - answer.len())))
    };
    assert_eq!(of_body(200, of_length(65_536)).await, None);
    assert_eq!(of_body(200, of_length(65_537)).await, Some(Reason::RevocationUnavailable));
    assert_eq!(of_body(200, of_length(10_000_000)).await, Some(Reason::RevocationUnavailable));
}

#[tokio::test]
async fn another_status_is_503_and_never_401() {
    for status in [201, 204, 400, 401, 403, 404, 418, 429, 500, 503] {
        let body = if status == 204 { String::new() } else { good().to_string() };
        assert_eq!(of_body(status, body).await, Some(Reason::RevocationUnavailable), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::json(good()).await;
    let server = Server::start(Says::Redirect(other.url())).await;
    let verifier = verifier(server.authority(), &clock());
    assert_eq!(reason(&verifier, "one").await, Some(Reason::RevocationUnavailable));
    assert_eq!((server.calls(), other.calls()), (1, 0));
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_503() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let endpoint = Introspection::new(url).insecure_http_on_loopback().client_secret_basic("a", "b");
    let verifier = verifier(authority(endpoint), &clock());
    let refused = verifier.verify("a-very-secret-token").await.unwrap_err();
    assert_eq!(refused.reason(), Reason::RevocationUnavailable);
    let text = format!("{refused:?}");
    assert!(text.contains("refused") && !text.contains("a-very-secret-token"), "{text}");
}

#[tokio::test]
async fn an_endpoint_that_is_slow_is_503() {
    let server = Server::start(Says::Nothing).await;
    let tokens = OpaqueTokens::not_jwts().answer_time(Duration::from_millis(20));
    let authority = Authority::introspection(tokens, server.endpoint()).issuer(ISSUER).audience("api");
    let verifier = verifier(authority, &clock());
    assert_eq!(reason(&verifier, "one").await, Some(Reason::RevocationUnavailable));
}

#[tokio::test]
async fn strange_tokens_do_not_turn_the_endpoint_off_for_others() {
    let server = Server::start(Says::Body(400, "application/json", "{}".to_owned())).await;
    let verifier = verifier(server.authority(), &clock());
    for number in 0..20 {
        let strange = reason(&verifier, &format!("strange{number}")).await;
        assert_eq!(strange, Some(Reason::RevocationUnavailable));
    }
    assert_eq!(server.calls(), 20);
    server.says(Says::Body(200, "application/json", good().to_string()));
    assert_eq!(reason(&verifier, "one").await, None);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone() {
    let server = Server::start(Says::Body(500, "application/json", "{}".to_owned())).await;
    let verifier = verifier(server.authority(), &clock());
    for number in 0..50 {
        assert_eq!(reason(&verifier, &format!("t{number}")).await, Some(Reason::RevocationUnavailable));
    }
    assert_eq!(server.calls(), 3);
}

#[tokio::test]
async fn settings_are_checked_and_named() {
    let of = |endpoint: Introspection| {
        let error = Verifier::<Claims>::new(authority(endpoint)).unwrap_err();
        (error.setting().to_owned(), error.problems()[0].kind())
    };
    let new = || Introspection::new("https://id.example.com/introspect");
    let (missing, conflict, invalid) =
        (ConfigProblemKind::Missing, ConfigProblemKind::Conflict, ConfigProblemKind::Invalid);
    assert_eq!(of(new()), ("client authentication".to_owned(), missing));
    let twice = new().client_secret_basic("a", "b").no_client_authentication();
    assert_eq!(of(twice), ("client authentication".to_owned(), conflict));
    assert_eq!(of(new().client_secret_basic("", "b")), ("client_id".to_owned(), invalid));
    assert_eq!(of(new().client_secret_post("a", "")), ("client_secret".to_owned(), invalid));
    assert_eq!(
        of(new().client_secret_basic("a", "b").assertion_audience("x")),
        ("assertion_audience".to_owned(), invalid)
    );
    for url in ["http://id.example.com/", "ftp://id.example.com/", "x", "https://a:b@id.example.com/"] {
        let refused = of(Introspection::new(url).no_client_authentication());
        assert_eq!(refused, ("introspection".to_owned(), invalid), "{url}");
    }
    let error = Verifier::<Claims>::new(authority(Introspection::new("http://127.0.0.1:1/x"))).unwrap_err();
    assert_eq!(error.problems().len(), 2, "all at once: {error}");
    assert!(!format!("{:?}", new().client_secret_basic("a", "hunter2")).contains("hunter2"));
}

#[tokio::test]
async fn a_client_of_ones_own_asks() {
    let server = Server::json(good()).await;
    let origin = server.url().replace("/introspect", "");
    let http = HttpFetch::builder().no_proxy().header(&origin, "x-gateway-key", "k").build().unwrap();
    let verifier = verifier(authority(server.bare().no_client_authentication().http(http)), &clock());
    assert_eq!(reason(&verifier, "one").await, None);
    let [question] = &*server.questions() else { panic!() };
    assert_eq!(question.headers.get("x-gateway-key").unwrap(), "k");
    assert!(question.headers.get("authorization").is_none());
}
