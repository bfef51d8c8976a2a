use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;
use tower_jwt_auth::TestIssuer;

#[allow(dead_code)]
#[path = "../examples/cookie.rs"]
mod example;

#[tokio::test]
async fn the_cookie_counts_for_the_own_site_only() {
    let issuer = Arc::new(TestIssuer::new("https://id.example.com").audience("bank"));
    let app = example::app(issuer, true).unwrap();
    let login = app.clone().oneshot(Request::post("/login").body(Body::empty()).unwrap()).await.unwrap();
    let set = login.headers()["set-cookie"].to_str().unwrap();
    assert!(set.ends_with("; HttpOnly; SameSite=None; Secure; Path=/; Max-Age=600"), "{set}");
    let cookie = set.split(';').next().unwrap();

    let transfer = async |headers: &[(&str, &str)]| {
        let start = Request::post("/transfer").header("host", "bank.example");
        let request = headers.iter().fold(start, |request, (name, value)| request.header(*name, *value));
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(transfer(&[("cookie", cookie), ("sec-fetch-site", "same-origin")]).await, 200);
    assert_eq!(transfer(&[("cookie", cookie), ("origin", "https://bank.example")]).await, 200);
    assert_eq!(transfer(&[("sec-fetch-site", "same-origin")]).await, 401);
    assert_eq!(transfer(&[("cookie", cookie), ("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(transfer(&[("cookie", cookie), ("origin", "https://evil.example")]).await, 403);
    assert_eq!(transfer(&[("cookie", cookie)]).await, 403);
}
