//! Answers of the user's own.

use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde_json::json;
use tower_jwt_auth::{AuthError, Reason, Refusal, Reject};

use crate::services::{answer, bearer, quick_world, request_with, with_reasons};

/// A problem document, as a type of the user's.
#[derive(Clone)]
struct Problem {
    about: &'static str,
}

impl Reject<String> for Problem {
    fn reject(&self, refusal: &Refusal<'_>) -> Response<String> {
        let mut response = refusal.response(seen(refusal));
        response.headers_mut().insert("x-about", HeaderValue::from_static(self.about));
        response
    }
}

fn seen(refusal: &Refusal<'_>) -> String {
    let agent = refusal.headers().get("user-agent").map_or("", |value| value.to_str().unwrap());
    format!(
        "{} {} {agent} {} {}",
        refusal.method(),
        refusal.uri(),
        refusal.error().reason(),
        refusal.error().claim().unwrap_or("-")
    )
}

#[tokio::test]
async fn an_answer_of_ones_own_sees_the_request_and_keeps_the_head() {
    let world = quick_world();
    let request = |token: &str| {
        Request::delete("https://shop.example/orders/7?now=1")
            .header("user-agent", "curl")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(())
            .unwrap()
    };
    let bad = world.issuer.sign(json!({ "aud": "other" }));
    let expected = "DELETE https://shop.example/orders/7?now=1 curl wrong_audience aud";
    let by_type = with_reasons(&world).reject_with(Problem { about: "orders" });
    let by_closure =
        with_reasons(&world).reject_with(|refusal: &Refusal<'_>| refusal.response(seen(refusal)));
    let typed = answer(&by_type, request(&bad)).await;
    assert_eq!(typed.headers()["x-about"], "orders");
    for response in [typed, answer(&by_closure, request(&bad)).await] {
        assert_eq!(response.body(), expected);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    }
    let good = world.issuer.sign(json!({}));
    assert_eq!(answer(&by_type, request(&good)).await.body(), "yes");
}

#[tokio::test]
async fn a_refusal_is_never_a_success_and_a_401_has_its_challenge() {
    let world = quick_world();
    let forgetful = with_reasons(&world).reject_with(|_: &Refusal<'_>| Response::new("no".to_owned()));
    let response = answer(&forgetful, bearer(&world.issuer.sign(json!({ "exp": 1 })))).await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::UNAUTHORIZED, "no"));
    assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");

    let call = |token: &str| {
        Request::post("/shop.Orders/List")
            .version(http::Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(())
            .unwrap()
    };
    let response = answer(&forgetful, call(&world.issuer.sign(json!({ "exp": 1 })))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "16");
    assert_eq!(response.headers()["content-type"], "application/grpc");

    let bare = with_reasons(&world).reject_with(|_: &Refusal<'_>| {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    });
    let response = answer(&bare, bearer("a.b")).await;
    assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    assert!(!response.headers().contains_key(CACHE_CONTROL));
}

#[tokio::test]
async fn the_error_stays_in_the_extensions_whatever_the_answer_is() {
    let world = quick_world();
    let layer = with_reasons(&world).reject_with(|_: &Refusal<'_>| {
        let mut response = Response::new("moved".to_owned());
        *response.status_mut() = StatusCode::SEE_OTHER;
        // Would hide the cause from whoever logs it.
        response.extensions_mut().insert(AuthError::new(Reason::Forbidden));
        response
    });
    let response = answer(&layer, bearer(&world.issuer.sign(json!({ "exp": 1 })))).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(*response.headers(), HeaderMap::new());
    let error = response.extensions().get::<AuthError>().unwrap();
    assert_eq!(
        (error.reason(), error.claim(), error.signature_verified()),
        (Reason::Expired, Some("exp"), true)
    );
}

#[tokio::test]
async fn a_refusal_that_is_printed_shows_no_credential() {
    let world = quick_world();
    let printed = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let layer = with_reasons(&world).reject_with({
        let printed = std::sync::Arc::clone(&printed);
        move |refusal: &Refusal<'_>| {
            *printed.lock().unwrap() = format!("{refusal:?}");
            refusal.response(String::new())
        }
    });
    let mut request = request_with(Some("Bearer abc.def.ghi"));
    *request.uri_mut() = "/orders?access_token=jkl".parse().unwrap();
    request.headers_mut().insert("cookie", HeaderValue::from_static("session=mno"));
    answer(&layer, request).await;
    let printed = printed.lock().unwrap();
    assert!(printed.contains("GET") && printed.contains("/orders") && printed.contains("MalformedToken"));
    assert!(!["abc", "ghi", "jkl", "mno"].iter().any(|secret| printed.contains(secret)), "{printed}");
}
