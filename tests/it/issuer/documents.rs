//! What an issuer publishes, over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, Authority, Claims, DocumentService, Issuer, KeyRing, KeySet, MemoryKeyStore, Secret,
    SigningKey, TestClock, Verifier,
};

use super::{ISS, START};
use crate::support::{algorithms, verify};

fn issuer_named(name: &str) -> Issuer {
    Issuer::builder(name, SigningKey::generate(Algorithm::ES256).unwrap()).audience("api").build().unwrap()
}

fn issuer() -> Issuer {
    issuer_named(ISS)
}

async fn call(
    service: &DocumentService,
    method: Method,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = Request::builder().method(method).uri("/x");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    assert_eq!(head.headers["access-control-allow-origin"], "*", "on each answer");
    (head.status, head.headers, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_set_is_served_with_its_type_for_five_minutes() {
    let issuer = issuer();
    let service = issuer.jwks_service();
    assert_eq!(service.paths(), ["/.well-known/jwks.json"]);
    let (status, headers, body) = call(&service, Method::GET, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/jwk-set+json");
    assert_eq!(headers["cache-control"], "public, max-age=300");
    assert_eq!(headers["content-length"], body.len().to_string().as_str());
    let etag = headers["etag"].to_str().unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 45, "{etag}");

    let (status, head, nothing) = call(&service, Method::HEAD, &[]).await;
    assert_eq!((status, &head, nothing.len()), (StatusCode::OK, &headers, 0), "HEAD is GET without the body");

    for (tag, known) in [
        (etag.clone(), true),
        (format!("W/{etag}"), true),
        (format!("\"other\", {etag}"), true),
        (format!("\"other\",W/{etag} ,\"third\""), true),
        ("*".into(), true),
        ("\"other\"".into(), false),
        (etag.trim_matches('"').to_owned(), false),
        (String::new(), false),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let (status, headers, body) = call(&service, method, &[("if-none-match", &tag)]).await;
            assert_eq!(status, if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK }, "{tag}");
            assert_eq!(headers["etag"], etag.as_str());
            assert_eq!(headers["cache-control"], "public, max-age=300");
            assert!(!known || body.is_empty());
        }
    }
    let two = [("if-none-match", "\"a\""), ("if-none-match", etag.as_str())];
    assert_eq!(call(&service, Method::GET, &two).await.0, StatusCode::NOT_MODIFIED, "in a second line");
}

#[tokio::test]
async fn other_methods_are_refused_and_preflights_answered() {
    let issuer = issuer();
    for service in [issuer.jwks_service(), issuer.metadata().build().unwrap()] {
        for method in
            [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE, Method::CONNECT]
        {
            let (status, headers, body) = call(&service, method, &[]).await;
            assert_eq!((status, body.len()), (StatusCode::METHOD_NOT_ALLOWED, 0));
            assert_eq!(headers["allow"], "GET, HEAD, OPTIONS");
        }
        let preflight = [
            ("origin", "https://app"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "x-own"),
        ];
        let (status, headers, body) = call(&service, Method::OPTIONS, &preflight).await;
        assert_eq!((status, body.len()), (StatusCode::NO_CONTENT, 0));
        assert_eq!(headers["access-control-allow-methods"], "GET, HEAD");
        assert_eq!(headers["access-control-allow-headers"], "*");
        assert_eq!(headers["access-control-max-age"], "86400");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn the_published_set_verifies_and_has_no_private_member() {
    for algorithm in algorithms() {
        let key = SigningKey::generate(algorithm).unwrap();
        let issuer = Issuer::builder(ISS, key).audience("api").build().unwrap();
        let (_, _, body) = call(&issuer.jwks_service(), Method::GET, &[]).await;
        let set: Value = serde_json::from_slice(&body).unwrap();
        if algorithm.as_str().starts_with("HS") {
            assert_eq!(set, json!({ "keys": [] }), "a secret is never published");
            continue;
        }
        let jwk = set["keys"][0].as_object().unwrap();
        for name in jwk.keys() {
            let public = ["kty", "crv", "n", "e", "x", "y", "use", "alg", "kid"];
            assert!(public.contains(&name.as_str()), "{algorithm}: {name}");
        }
        assert_eq!((&jwk["use"], &jwk["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
        let keys = KeySet::from_jwks(std::str::from_utf8(&body).unwrap()).unwrap();
        let verifier =
            Verifier::<Claims>::new(Authority::keys(keys).issuer(ISS).audience("api").typ("at+jwt")).unwrap();
        assert!(verify(&verifier, &issuer.sign(&json!({})).unwrap()).is_ok(), "{algorithm}");
    }
    let secret = SigningKey::from_secret(Algorithm::HS256, Secret::generate().unwrap()).unwrap();
    let issuer = Issuer::builder(ISS, secret).audience("api").build().unwrap();
    assert_eq!(call(&issuer.jwks_service(), Method::GET, &[]).await.2, r#"{"keys":[]}"#);
}

#[tokio::test]
async fn the_set_follows_the_ring() {
    let clock = TestClock::at(START);
    let ring =
        KeyRing::builder(Arc::new(MemoryKeyStore::new())).algorithm(Algorithm::Ed25519).clock(clock.clone());
    let ring = ring.rotate_by_hand().open().await.unwrap();
    let issuer = Issuer::builder(ISS, ring.clone()).audience("api").clock(clock.clone()).build().unwrap();
    let service = issuer.jwks_service();
    let (_, before, one) = call(&service, Method::GET, &[]).await;
    ring.refresh().await.unwrap();
    let known = [("if-none-match", before["etag"].to_str().unwrap())];
    assert_eq!(call(&service, Method::GET, &known).await.0, StatusCode::NOT_MODIFIED);
    let kid = ring.rotate().await.unwrap();
    let (status, after, two) = call(&service, Method::GET, &known).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(before["etag"], after["etag"]);
    assert!(!String::from_utf8_lossy(&one).contains(&kid) && String::from_utf8_lossy(&two).contains(&kid));
    ring.revoke_all().await.unwrap();
    let (_, _, three) = call(&service, Method::GET, &[]).await;
    assert!(!String::from_utf8_lossy(&three).contains(&kid), "gone at once");
    assert_eq!(service.clone().paths(), service.paths());
}

#[tokio::test]
async fn metadata_is_where_both_standards_look() {
    for (name, paths, jwks) in [
        (
            ISS,
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            "https://id.example.com/.well-known/jwks.json",
        ),
        (
            "https://id.example.com/",
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            "https://id.example.com/.well-known/jwks.json",
        ),
        (
            "https://id.example.com:8443/a/b",
            ["/.well-known/oauth-authorization-server/a/b", "/a/b/.well-known/openid-configuration"],
            "https://id.example.com:8443/a/b/.well-known/jwks.json",
        ),
        (
            "https://id.example.com/a/",
            ["/.well-known/oauth-authorization-server/a", "/a/.well-known/openid-configuration"],
            "https://id.example.com/a/.well-known/jwks.json",
        ),
        (
            "http://localhost:3000",
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            "http://localhost:3000/.well-known/jwks.json",
        ),
        (
            "http://127.0.0.1/a",
            ["/.well-known/oauth-authorization-server/a", "/a/.well-known/openid-configuration"],
            "http://127.0.0.1/a/.well-known/jwks.json",
        ),
        (
            "http://[::1]:1",
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            "http://[::1]:1/.well-known/jwks.json",
        ),
    ] {
        let service = issuer_named(name).metadata().build().unwrap();
        assert_eq!(service.paths(), paths, "{name}");
        let (status, headers, body) = call(&service, Method::GET, &[]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (StatusCode::OK, &"application/json".parse().unwrap())
        );
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&document["issuer"], &document["jwks_uri"]),
            (&json!(name), &json!(jwks)),
            "issuer to the letter"
        );
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
        assert!(
            document["response_types_supported"].is_array() && document["subject_types_supported"].is_array()
        );
    }
}

#[tokio::test]
async fn members_are_added_and_replaced_but_never_the_issuer() {
    let metadata = issuer().metadata().member("token_endpoint", "https://id.example.com/token");
    let metadata =
        metadata.member("jwks_uri", "https://cdn.example.com/keys").member("scopes_supported", json!(["a"]));
    let (_, _, body) = call(&metadata.build().unwrap(), Method::GET, &[]).await;
    let document: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["token_endpoint"], "https://id.example.com/token");
    assert_eq!(document["jwks_uri"], "https://cdn.example.com/keys");
    assert_eq!(document["scopes_supported"], json!(["a"]));
    let error = issuer().metadata().member("issuer", "https://evil").build().unwrap_err().to_string();
    assert!(error.contains("cannot be replaced"), "{error}");
}

#[test]
fn who_is_no_url_cannot_be_discovered() {
    for name in [
        "shop",
        "id.example.com",
        "http://id.example.com",
        "http://localhost.example.com",
        "ftp://id.example.com",
        "https://",
        "https://id.example.com?x=1",
        "https://id.example.com/?",
        "https://id.example.com/#part",
        "https://user:password@id.example.com",
        "https://id.example.com/a b",
        "//id.example.com",
        "urn:example:id",
    ] {
        let error = issuer_named(name).metadata().build();
        let Err(error) = error else { panic!("{name} was taken") };
        let error = error.to_string();
        assert!(error.contains("issuer") && error.contains("use a URL such as"), "{name}: {error}");
    }
}

/// The same over a wire, mounted as the documentation says.
#[tokio::test]
async fn axum_and_hyper_serve_it() {
    let issuer = issuer_named("https://id.example.com/a");
    let metadata = issuer.metadata().build().unwrap();
    let mut app = Router::new().route_service("/.well-known/jwks.json", issuer.jwks_service());
    for path in metadata.paths() {
        app = app.route_service(&path, metadata.clone());
    }
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server/a",
        "/a/.well-known/openid-configuration",
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST] {
            let request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).unwrap();
            let response = app.clone().oneshot(request).await.unwrap();
            let expected = match method {
                Method::GET | Method::HEAD => StatusCode::OK,
                Method::OPTIONS => StatusCode::NO_CONTENT,
                _ => StatusCode::METHOD_NOT_ALLOWED,
            };
            assert_eq!(response.status(), expected, "{method} {path}");
            let length = response.headers().get("content-length").cloned();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.is_empty(), method != Method::GET, "{method} {path}");
            if method == Method::HEAD {
                assert!(length.unwrap().to_str().unwrap().parse::<usize>().unwrap() > 50);
            }
        }
    }
    // HTTP/1.1 by hyper, without any framework.
    let over_the_wire = async |method: Method| -> Response<Bytes> {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(issuer.jwks_service());
        let server = async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(server), service).await;
        };
        tokio::spawn(server);
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::builder().method(method).uri("/").header("host", "x").body(Empty::<Bytes>::new());
        let response = send.send_request(request.unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    };
    let get = over_the_wire(Method::GET).await;
    let head = over_the_wire(Method::HEAD).await;
    assert_eq!((get.status(), head.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(get.headers()["content-length"], head.headers()["content-length"]);
    assert_eq!((get.headers()["etag"].clone(), head.body().len()), (head.headers()["etag"].clone(), 0));
    assert!(KeySet::from_jwks(std::str::from_utf8(get.body()).unwrap()).is_ok());
    assert_eq!(over_the_wire(Method::OPTIONS).await.status(), StatusCode::NO_CONTENT);
}
