//! Providers within a private network: plain http by name, another address, a private authority, credentials for the fetch.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt, service_fn};
use tower_jwt_auth::{
    Authority, Claims, Fetch, FetchError, HttpFetch, HttpFetchBuilder, JwtAuthLayer, NowOrLater, Reason,
    RemoteKeys, TestIssuer, Verifier, provider,
};
use tracing_subscriber::filter::LevelFilter;

use super::{ISS, accepts, reason};
use crate::support::logged;
use crate::tls::{Documents, PrivateCa};

const INSIDE: &str = "http://keycloak:8080/realms/shop";
const DOCUMENT: &str = "http://keycloak:8080/realms/shop/.well-known/openid-configuration";

/// A network in which these URLs answer, and what was asked of it.
#[derive(Clone, Debug, Default)]
struct Network(Arc<HashMap<String, String>>, Arc<Mutex<Vec<String>>>);

impl Network {
    fn of<const N: usize>(documents: [(&str, String); N]) -> Self {
        let documents = documents.into_iter().map(|(url, body)| (url.to_owned(), body));
        Self(Arc::new(documents.collect()), Arc::default())
    }

    fn asked(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

impl Fetch for Network {
    fn fetch(&self, url: &str, _: usize) -> NowOrLater<Result<Response<Bytes>, FetchError>> {
        self.1.lock().unwrap().push(url.to_owned());
        NowOrLater::ready(match self.0.get(url) {
            Some(body) => Ok(Response::new(body.clone().into())),
            None => Err(FetchError::new("no route to host")),
        })
    }
}

/// One key for all tests: what differs is where it is fetched.
static ISSUER: LazyLock<TestIssuer> = LazyLock::new(|| TestIssuer::new(ISS).audience("api"));

fn document(issuer: &str, jwks_uri: &str) -> String {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}

fn build(authority: Authority) -> Result<Verifier<Claims>, String> {
    Verifier::new(authority.audience("api")).map_err(|error| error.to_string())
}

fn oidc(change: impl FnOnce(RemoteKeys) -> RemoteKeys) -> Result<Verifier<Claims>, String> {
    build(Authority::oidc(change(RemoteKeys::new(ISS))))
}

// === plain http ===

#[test]
fn plain_http_is_for_hosts_that_are_named() {
    let of = |url: &str, hosts: &[&str]| {
        let keys = RemoteKeys::new(url).insecure_http_hosts(hosts.iter().copied());
        build(Authority::jwks(keys).issuer(ISS)).map(drop)
    };
    for (url, host) in [
        ("http://keycloak:8080/certs", "keycloak:8080"),
        ("http://keycloak/certs", "keycloak"),
        ("http://KEYCLOAK:8080/certs", "keycloak:8080"),
        ("http://10.0.0.7:8080/certs", "10.0.0.7:8080"),
        ("http://[fd00::7]:8080/certs", "[fd00::7]:8080"),
        ("https://id.example.com/certs", "keycloak:8080"),
    ] {
        assert_eq!(of(url, &["other", host]), Ok(()), "{url}");
    }
    for (url, host) in [
        ("http://keycloak:8080/certs", "keycloak"),
        ("http://keycloak/certs", "keycloak:8080"),
        ("http://keycloak:8081/certs", "keycloak:8080"),
        ("http://keycloak.evil.example:8080/certs", "keycloak:8080"),
        ("http://id.keycloak:8080/certs", "keycloak:8080"),
        ("http://10.0.0.70:8080/certs", "10.0.0.7:8080"),
        ("ftp://keycloak:8080/certs", "keycloak:8080"),
    ] {
        let error = of(url, &[host]).unwrap_err();
        assert!(error.contains("is not https"), "{url}: {error}");
    }
    // The remedy can be pasted.
    let error = of("http://keycloak:8080/certs", &[]).unwrap_err();
    assert!(error.contains(r#"RemoteKeys::insecure_http_hosts(["keycloak:8080"])"#), "{error}");
    for no_host in [
        "",
        "http://keycloak:8080",
        "keycloak/",
        "*",
        "*.internal",
        "user@keycloak",
        "key cloak",
        "keycloak:",
    ] {
        let error = of("https://id.example.com/certs", &[no_host]).unwrap_err();
        let shown = no_host.replace("user@", "..@");
        assert!(error.contains(&format!("{shown:?} is not a host")), "{no_host}: {error}");
    }
}

#[tokio::test]
async fn plain_http_is_warned_of() {
    let warned = |url: &'static str, hosts: &'static [&'static str]| {
        logged(LevelFilter::WARN, async move {
            let keys =
                RemoteKeys::new(url).insecure_http_hosts(hosts.iter().copied()).insecure_http_on_loopback();
            build(Authority::jwks(keys).issuer(ISS)).unwrap();
        })
    };
    let log = warned("http://keycloak:8080/certs", &["keycloak:8080"]).await;
    assert!(log.contains("plain http") && log.contains("keycloak:8080"), "{log}");
    assert_eq!(warned("https://id.example.com/certs", &["keycloak:8080"]).await, "");
    assert_eq!(warned("http://127.0.0.1:8080/certs", &[]).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_jwks_uri_over_plain_http_is_for_named_hosts_too() {
    for (uri, good) in [("http://keycloak:8080/certs", true), ("http://evil:8080/certs", false)] {
        let document = document(ISS, uri);
        let network = Network::of([(DOCUMENT, document), (uri, ISSUER.jwks())]);
        let verifier = oidc(|keys| {
            keys.discovery_url(DOCUMENT).insecure_http_hosts(["keycloak:8080"]).fetch(network.clone())
        });
        assert_eq!(verifier.unwrap().warm().await.is_ok(), good, "{uri}");
        assert_eq!(network.asked().len(), if good { 2 } else { 1 }, "{uri}");
    }
}

// === another address ===

/// The document may name the issuer, or the address that it came from; tokens name the issuer.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_reached_by_another_name() {
    for (said, good) in [
        (ISS, true),
        (INSIDE, true),
        ("http://keycloak:8080/realms/other", false),
        ("https://keycloak:8080/realms/shop", false),
        ("http://keycloak:8080/realms/shop/", false),
        ("https://id.example.com/", false),
        ("https://evil.example.com", false),
        ("", false),
    ] {
        let certs = "http://keycloak:8080/certs";
        let network = Network::of([(DOCUMENT, document(said, certs)), (certs, ISSUER.jwks())]);
        let verifier = oidc(|keys| {
            keys.discovery_url(DOCUMENT).insecure_http_hosts(["keycloak:8080"]).fetch(network.clone())
        });
        let verifier = verifier.unwrap();
        assert_eq!(accepts(&verifier, &ISSUER.sign(json!({}))).await, good, "{said}");
        // Whatever the document said, the tokens are those of the issuer.
        let of_inside = ISSUER.sign(json!({ "iss": INSIDE }));
        assert!(!accepts(&verifier, &of_inside).await, "{said}");
        assert_eq!(network.asked()[0], DOCUMENT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preset_that_is_reached_at_another_address() {
    let certs = "http://keycloak:8080/certs";
    let public = "https://id.example.com/realms/shop";
    let issuer = TestIssuer::new(public).audience("api");
    let network = Network::of([(DOCUMENT, document(public, certs)), (certs, issuer.jwks())]);
    let authority = provider::keycloak("https://id.example.com", "shop", provider::KeycloakRoles::Realm)
        .remote_keys(|keys| {
            keys.discovery_url(DOCUMENT).insecure_http_hosts(["keycloak:8080"]).fetch(network.clone())
        });
    let verifier = build(authority).unwrap();
    let token = |claims| issuer.sign(claims);
    assert!(accepts(&verifier, &token(json!({ "typ": "Bearer", "azp": "shop" }))).await);
    // Its own rules are as before.
    assert_eq!(reason(&verifier, &token(json!({ "azp": "shop" }))).await, Reason::MissingClaim);
}

#[tokio::test(start_paused = true)]
async fn a_jwks_uri_that_cannot_be_reached() {
    let unreachable = "https://oidc.example.net/keys";
    let reachable = "https://10.100.0.1/openid/v1/jwks";
    let documents = || {
        let discovery = format!("{ISS}/.well-known/openid-configuration");
        Network::of([(&discovery, document(ISS, unreachable)), (reachable, ISSUER.jwks())])
    };
    let network = documents();
    let verifier = oidc(|keys| keys.fetch(network.clone())).unwrap();
    let error = verifier.warm().await.unwrap_err().to_string();
    assert!(error.contains(unreachable) && error.contains("no route to host"), "{error}");

    let network = documents();
    let verifier = oidc(|keys| keys.jwks_url(reachable).fetch(network.clone())).unwrap();
    assert!(accepts(&verifier, &ISSUER.sign(json!({}))).await);
    assert_eq!(network.asked(), [reachable], "no document is needed");
    let other = TestIssuer::new("https://other.example.com").audience("api").sign(json!({}));
    assert_eq!(reason(&verifier, &other).await, Reason::UnknownIssuer);

    // The same for an authority whose keys are at a URL.
    let network = documents();
    let keys = RemoteKeys::new(unreachable).jwks_url(reachable).fetch(network.clone());
    let verifier = build(Authority::jwks(keys).issuer(ISS)).unwrap();
    assert!(accepts(&verifier, &ISSUER.sign(json!({}))).await);
}

#[test]
fn addresses_that_cannot_be() {
    for (error, words) in [
        (
            oidc(|keys| keys.jwks_url("https://a.example/k").discovery_url(DOCUMENT)),
            &["both", "keep one"][..],
        ),
        (oidc(|keys| keys.discovery_url("https://keycloak/realms/shop")), &["discovery_url", "whole URL"]),
        (
            oidc(|keys| keys.discovery_url(DOCUMENT)),
            &["discovery_url", "insecure_http_hosts([\"keycloak:8080\"])"],
        ),
        (oidc(|keys| keys.jwks_url("http://keycloak:8080/certs")), &["jwks_url", "insecure_http_hosts"]),
        (oidc(|keys| keys.jwks_url("certs")), &["jwks_url", "is not https"]),
        (
            build(
                Authority::jwks(RemoteKeys::new("https://a.example/k").discovery_url(DOCUMENT)).issuer(ISS),
            ),
            &["discovery_url", "call jwks_url(..) instead"],
        ),
    ] {
        let error = error.unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    // An issuer that is not fetched from need not be https.
    let local = RemoteKeys::new("http://localhost:8080/realms/shop").jwks_url("https://keycloak/certs");
    build(Authority::oidc(local)).unwrap();
}

// === almost the same issuer ===

#[tokio::test(start_paused = true)]
async fn a_document_of_almost_the_same_issuer_says_how_they_differ() {
    for (said, how) in [
        ("https://id.example.com/", "issuers differ by the slash at the end alone"),
        ("http://id.example.com", "differ by https or http alone"),
        ("https://ID.example.com", "differ by capital letters alone"),
        ("https://id.example.org", "is configured; they must be identical"),
    ] {
        let discovery = format!("{ISS}/.well-known/openid-configuration");
        let network = Network::of([(&discovery, document(said, "https://id.example.com/certs"))]);
        let error = oidc(|keys| keys.fetch(network)).unwrap().warm().await.unwrap_err().to_string();
        assert!(error.contains(how) && error.contains(said), "{error}");
    }
}

/// The commonest mistake of all: the log and `explain` say what it is, the client hears nothing of it.
#[tokio::test]
async fn a_token_of_almost_the_configured_issuer_says_how_they_differ() {
    let other = TestIssuer::new("https://other.example.com").audience("api");
    for authorities in [vec![ISSUER.authority()], vec![other.authority(), ISSUER.authority()]] {
        let verifier = Verifier::<Claims>::new(authorities).unwrap();
        for (said, how) in [
            ("https://id.example.com/", Some("the slash at the end")),
            ("http://id.example.com", Some("https or http")),
            ("https://Id.example.com", Some("capital letters")),
            ("https://id.example.org", None),
        ] {
            let token = ISSUER.sign(json!({ "iss": said }));
            let how = how.map(|how| format!("the issuers differ by {how} alone"));
            let refused = verifier.verify(&token).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::UnknownIssuer);
            assert_eq!(refused.source().map(ToString::to_string), how, "{said}");
            let explained = verifier.explain(&token).to_string();
            assert_eq!(explained.contains("the issuers differ by"), how.is_some(), "{explained}");
            let layer = JwtAuthLayer::new(verifier.clone());
            let service = layer.layer(service_fn(async |_: Request<String>| {
                Ok::<_, Infallible>(Response::new(String::new()))
            }));
            let request = Request::get("/").header("authorization", format!("Bearer {token}"));
            let log = logged(LevelFilter::DEBUG, async move {
                let answer = service.oneshot(request.body(String::new()).unwrap()).await.unwrap();
                assert!(!format!("{answer:?}").contains("slash"), "{answer:?}");
            });
            let log = log.await;
            assert_eq!(log.contains("the issuers differ by"), how.is_some(), "{log}");
            assert!(how.is_none_or(|how| log.contains(&how)), "{log}");
            // What is configured is there, and nothing of the token.
            let log = log.replace(&format!("authority=\"{ISS}\""), "");
            assert!(!log.contains("id.example"), "{log}");
        }
    }
}

// === a client of its own ===

async fn secure(wants_client_certificate: bool) -> (PrivateCa, Documents) {
    let ca = PrivateCa::new();
    let server = ca.serve(wants_client_certificate).await;
    server.publish("/jwks.json", ISSUER.jwks());
    (ca, server)
}

/// Fetches the keys at a server, and tells whether that went well, or why not.
async fn fetched(server: &Documents, fetch: HttpFetchBuilder) -> Result<(), String> {
    let keys = RemoteKeys::new(format!("{}/jwks.json", server.url))
        .insecure_http_on_loopback()
        .fetch(fetch.build().map_err(|error| error.to_string())?);
    let verifier = build(Authority::jwks(keys).issuer(ISS)).unwrap();
    verifier.warm().await.map_err(|error| error.to_string())?;
    assert!(accepts(&verifier, &ISSUER.sign(json!({}))).await);
    Ok(())
}

#[tokio::test]
async fn a_private_authority() {
    let (ca, server) = secure(false).await;
    let error = fetched(&server, HttpFetch::builder()).await.unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    fetched(&server, HttpFetch::builder().root_certificates(ca.pem())).await.unwrap();
    fetched(&server, HttpFetch::builder().root_certificates(ca.pem()).only_root_certificates())
        .await
        .unwrap();
    // Of two authorities in one file either will do.
    let both = PrivateCa::new().pem() + &ca.pem();
    fetched(&server, HttpFetch::builder().root_certificates(both)).await.unwrap();
    let other = HttpFetch::builder().root_certificates(PrivateCa::new().pem());
    assert!(fetched(&server, other).await.unwrap_err().contains("certificate"));
}

#[tokio::test]
async fn a_client_certificate() {
    let (ca, server) = secure(true).await;
    let with_root = || HttpFetch::builder().root_certificates(ca.pem());
    fetched(&server, with_root()).await.unwrap_err();
    fetched(&server, with_root().client_certificate(PrivateCa::new().client())).await.unwrap_err();
    assert!(server.requests().is_empty());
    fetched(&server, with_root().client_certificate(ca.client())).await.unwrap();
}

/// Forwards connections (`CONNECT`), as proxies do for https, and counts them.
async fn proxy() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
                let mut server = tokio::net::TcpStream::connect(target).await?;
                client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (url, count)
}

#[tokio::test]
async fn a_proxy_or_none() {
    let (ca, server) = secure(false).await;
    let (proxy, forwarded) = proxy().await;
    let with_root = || HttpFetch::builder().root_certificates(ca.pem());
    fetched(&server, with_root().proxy(proxy)).await.unwrap();
    assert_eq!(forwarded.load(Ordering::SeqCst), 1);
    fetched(&server, with_root().no_proxy()).await.unwrap();
    assert_eq!(forwarded.load(Ordering::SeqCst), 1);
    // Nothing goes round a proxy that is down.
    fetched(&server, with_root().proxy("http://127.0.0.1:1")).await.unwrap_err();
}

/// A discovery document can name keys at any other host, which must not get to see what is meant for this one.
#[tokio::test]
async fn credentials_go_to_their_origin_alone() {
    let (discovery, keys) = (Documents::plain().await, Documents::plain().await);
    let jwks_uri = format!("{}/jwks.json", keys.url);
    keys.publish("/jwks.json", ISSUER.jwks());
    discovery.publish_for("inside", "/.well-known/openid-configuration", document(ISS, &jwks_uri));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "inside\n").unwrap();
    let fetch = HttpFetch::builder()
        .header(&discovery.url, "x-api-key", "k")
        .header(&discovery.url, "host", "id.example.com")
        .bearer_token_file(&discovery.url, &token);
    let document_url = format!("{}/.well-known/openid-configuration", discovery.url);
    let built = fetch.build().unwrap();
    assert!(!format!("{built:?}").contains("\"k\""), "{built:?}");
    let verifier =
        oidc(|keys| keys.discovery_url(document_url).insecure_http_on_loopback().fetch(built)).unwrap();
    verifier.warm().await.unwrap();

    let (_, sent) = &discovery.requests()[0];
    assert_eq!(
        (&sent["x-api-key"], &sent["authorization"]),
        (&"k".parse().unwrap(), &"Bearer inside".parse().unwrap())
    );
    assert_eq!(sent["host"], "id.example.com");
    let (_, sent) = &keys.requests()[0];
    assert!(!sent.contains_key("x-api-key") && !sent.contains_key("authorization"), "{sent:?}");
    assert_ne!(sent["host"], "id.example.com");
}

/// The token is read for each fetch; a file without one is an error that names the file and not what is in it.
#[tokio::test]
async fn a_token_that_rotates() {
    let server = Documents::plain().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let get = async || {
        let fetch = HttpFetch::builder().bearer_token_file(&server.url, &path).build().unwrap();
        let answer = fetch.fetch(&format!("{}/jwks.json", server.url), 1000).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    server.publish_for("first", "/jwks.json", "{}");
    let error = get().await.unwrap_err();
    assert!(error.contains("the token file") && error.contains("token:"), "{error}");
    for (text, status) in [("first", 200), ("second\n", 401)] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(get().await, Ok(status), "{text}");
    }
    server.publish_for("second", "/jwks.json", "{}");
    assert_eq!(get().await, Ok(200));
    for text in ["", " \n", "two words", "line\nbreak", "\u{7f}"] {
        std::fs::write(&path, text).unwrap();
        let error = get().await.unwrap_err();
        assert!(error.contains("holds no token") && !error.contains("words"), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let server = Documents::at_socket(&path);
    server.publish("/jwks.json", ISSUER.jwks());
    fetched(&server, HttpFetch::builder().unix_socket(&path)).await.unwrap();
    let elsewhere = HttpFetch::builder().unix_socket(folder.path().join("none"));
    fetched(&server, elsewhere).await.unwrap_err();
}

#[test]
fn a_client_that_cannot_be() {
    let ca = PrivateCa::new();
    let builder = HttpFetch::builder;
    for (fetch, words) in [
        (
            builder().root_certificates("no certificate"),
            &["root_certificates", "-----BEGIN CERTIFICATE-----"][..],
        ),
        (builder().root_certificates(""), &["root_certificates"]),
        (builder().only_root_certificates(), &["only_root_certificates", "root_certificates(..) as well"]),
        (builder().client_certificate(ca.pem()), &["client_certificate", "private key"]),
        (builder().proxy("http://user:hunter2@"), &["proxy", "http://proxy.internal:3128"]),
        (
            builder().header("id.internal", "x-api-key", "hunter2"),
            &["header", "\"id.internal\" is not an origin"],
        ),
        (builder().header("https://id.internal/a", "x", "hunter2"), &["header", "is not an origin"]),
        (builder().header("https://id.internal", "x y", "hunter2"), &["header", "\"x y\" is not the name"]),
        (builder().header("https://id.internal", "x", "hunter2\n"), &["header", "\"x\" cannot stand"]),
        (builder().bearer_token_file("ftp://id.internal", "/t"), &["bearer_token_file", "is not an origin"]),
    ] {
        let error = fetch.build().unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    // All of them at once.
    let error = builder().root_certificates("x").header("y", "z", "w").build().unwrap_err();
    assert_eq!(error.problems().len(), 2);
    #[cfg(unix)]
    {
        let error = builder().unix_socket("/s").proxy("http://p:1").build().unwrap_err().to_string();
        assert!(error.contains("unix_socket") && error.contains("keep one"), "{error}");
    }
}
