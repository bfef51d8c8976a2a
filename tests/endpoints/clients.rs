//! How clients authenticate: each way, two ways at once, and what is no way.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use http::header::AUTHORIZATION;

use crate::support::{Answer, World, call, post};

/// The answer to a client with these `Authorization` lines and this beginning of a form.
async fn answer(lines: &[&str], form: &str) -> Answer {
    let world = World::new();
    let mut request = post(format!("{form}&token=a.b.c"));
    for line in lines {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    call(&world.revocation_endpoint(), request).await
}

fn basic(credentials: impl AsRef<[u8]>) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credentials))
}

#[tokio::test]
async fn each_way_works() {
    let line = basic("web-app:sesame");
    for (lines, form) in [
        (vec![&*line], ""),
        (vec![&*line.replace("Basic", "bAsIc")], ""),
        (vec![&*line.replace("Basic ", "Basic   ")], ""),
        (vec![], "client_id=web-app&client_secret=sesame"),
        (vec![], "client_secret=%73esame&%63lient_id=web%2Dapp"),
        // Public: a name, and no secret or an empty one.
        (vec![], "client_id=spa"),
        (vec![], "client_id=spa&client_secret="),
        (vec![&*basic("spa:")], ""),
        // A parameter without a value is not there (RFC 6749 section 3.1).
        (vec![&*line], "client_id=&client_secret="),
        // Form-encoded, then joined (RFC 6749 section 2.3.1).
        (vec![&*basic("odd%3A+%25%2B:a+b%2Bc%25d%26e%3Df")], ""),
        (vec![&*basic("odd%3a%20%25%2b:a%20b%2bc%25d&e=f")], ""),
        (vec![], "client_id=odd%3A+%25%2B&client_secret=a+b%2Bc%25d%26e%3Df"),
        // The second colon is the secret's.
        (vec![&*basic("lax:p:")], ""),
    ] {
        let answer = answer(&lines, form).await;
        assert!(answer.is_empty_ok(), "{lines:?} {form}: {answer:?}");
    }
}

#[tokio::test]
async fn two_ways_are_one_too_many() {
    let line = basic("web-app:sesame");
    for (lines, form) in [
        (vec![&*line], "client_id=web-app"),
        (vec![&*line], "client_id=spa"),
        (vec![&*line], "client_secret=sesame"),
        (vec![&*line], "client_id=web-app&client_secret=sesame"),
        (vec![&*line, &*line], ""),
        (vec![&*line, "Bearer abc"], ""),
        (vec!["Bearer abc"], "client_id=web-app&client_secret=sesame"),
        (vec![&*line], "client_assertion=x"),
        (vec![], "client_id=spa&client_assertion=x"),
        (vec![], "client_id=spa&client_assertion_type=x"),
        (vec![], "client_id=web-app&client_id=web-app&client_secret=sesame"),
        (vec![], "client_id=web-app&client_secret=sesame&client_secret=x"),
        (vec![], "client_id=&client_id=spa"),
    ] {
        let answer = answer(&lines, form).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{lines:?} {form}");
    }
}

#[tokio::test]
async fn whoever_is_not_authenticated_gets_a_challenge() {
    let good = BASE64_STANDARD.encode("web-app:sesame");
    for (lines, form) in [
        (vec![], ""),
        (vec![&*basic("web-app:Sesame")], ""),
        (vec![&*basic("web-app:")], ""),
        (vec![&*basic("nobody:sesame")], ""),
        (vec![&*basic("spa:guess")], ""),
        (vec![], "client_id=web-app"),
        (vec![], "client_id=web-app&client_secret=open"),
        (vec![], "client_secret=sesame"),
        (vec![], "client_assertion=x&client_assertion_type=y"),
        (vec!["Bearer abc"], ""),
        (vec!["Basic"], ""),
        (vec!["Basic "], ""),
        (vec![&*format!("Basic{good}")], ""),
        (vec![&*format!("Basic {good} x")], ""),
        (vec![&*format!("Basic {}", &good[..good.len() - 1])], ""),
        (vec![&*basic("web-app")], ""),
        (vec![&*basic(":sesame")], ""),
        (vec![&*basic("lax:%")], ""),
        (vec![&*basic("lax:%0")], ""),
        (vec![&*basic("lax:%zz")], ""),
        (vec![&*basic("lax:%+1")], ""),
        (vec![&*basic("lax:%00")], ""),
        (vec![&*basic("lax:\n")], ""),
        (vec![&*basic("web-app%0d%0a:x")], ""),
        (vec![&*basic("lax:ä")], ""),
        (vec![&*basic("lax:%C3%A4")], ""),
        (vec![&*basic(b"lax:\xff")], ""),
        (vec![&*basic("lax:%ff")], ""),
        // Not encoded twice.
        (vec![&*basic("web%252Dapp:sesame")], ""),
        (vec!["Basic \u{e4}"], ""),
        (vec![], "client_id=lax&client_secret=%00"),
        (vec![], "client_id=lax&client_secret=%ff"),
    ] {
        let answer = answer(&lines, form).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()), "{lines:?} {form}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn clients_come_before_tokens() {
    let world = World::new();
    let unknown = call(&world.revocation_endpoint(), post("client_id=nobody&client_secret=x")).await;
    assert_eq!(unknown.error().0, 401, "also without a token");
    let away = call(&world.revocation_endpoint(), post("client_id=broken&token=x")).await;
    assert_eq!((away.status.as_u16(), away.header("retry-after")), (503, "5"));
}
