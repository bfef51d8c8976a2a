//! Sends the same tokens to the programs before and after, and holds each page against their answers and their text.

mod kit;

use axum::body::Body;
use kit::{Signer, check_page, status, tokens};
use migrations::jsonwebtoken_before;
use tower_jwt_auth::{RemoteKeys, TestIssuer};

#[tokio::test]
async fn from_jsonwebtoken() {
    let url = "https://id.example.com";
    let issuer = TestIssuer::new(url);
    let jwks = issuer.jwks();
    let v9 = jsonwebtoken_before::v9::app(&serde_json::from_str(&jwks).unwrap(), url).unwrap();
    let v10 = jsonwebtoken_before::v10::app(&serde_json::from_str(&jwks).unwrap(), url).unwrap();
    let v11 = jsonwebtoken_before::v11::app(&serde_json::from_str(&jwks).unwrap(), url).unwrap();
    let after = migrations::jsonwebtoken_after::app(&jwks, url).unwrap();
    let sign = |header, claims| issuer.sign_with(header, claims);
    let mut rows = Vec::new();
    for case in tokens(&Signer { issuer: url, kid: issuer.kid(), sign: &sign }) {
        let before = status(&v11, Body::empty(), &case).await;
        assert_eq!(status(&v9, Body::empty(), &case).await, before, "version 9: {}", case.name);
        assert_eq!(status(&v10, Body::empty(), &case).await, before, "version 10: {}", case.name);
        rows.push((case.name, before, status(&after, Body::empty(), &case).await));
    }
    check_page("from-jsonwebtoken.md", "jsonwebtoken", &rows);
}

#[tokio::test]
async fn from_jwt_authorizer() {
    let url = "https://id.example.com";
    let issuer = TestIssuer::new(url);
    let jwks_url = kit::serve(issuer.jwks()).await;
    let before = migrations::jwt_authorizer_before::app(&jwks_url, url).await.unwrap();
    let keys = RemoteKeys::new(jwks_url).insecure_http_on_loopback();
    let after = migrations::jwt_authorizer_after::app(keys, url).unwrap();
    let sign = |header, claims| issuer.sign_with(header, claims);
    let mut rows = Vec::new();
    for case in tokens(&Signer { issuer: url, kid: issuer.kid(), sign: &sign }) {
        let before = status(&before, axum07::body::Body::empty(), &case).await;
        rows.push((case.name, before, status(&after, Body::empty(), &case).await));
    }
    check_page("from-jwt-authorizer.md", "jwt_authorizer", &rows);
}

/// Each page is listed in the index, and what the index lists is there.
#[test]
fn the_index_lists_the_pages() {
    let index = kit::read("README.md");
    for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("from-") {
            assert!(index.contains(&format!("({name})")), "README.md does not list {name}");
        }
    }
    for link in index.split("(from-").skip(1) {
        kit::read(&format!("from-{}", link.split_once(')').unwrap().0));
    }
}
