//! Sends the same tokens to the programs before and after, and holds each page against their answers and their text.

mod kit;

use axum::body::Body;
use kit::{Both, Grants, Signer, check_page, check_table, optional, plain_http, status, tokens};
use migrations::{
    axum_jwt_auth_after, axum_jwt_auth_before, extension_bridge::claims_as_extension, jsonwebtoken_before,
    oauth_resource_server_after, oauth_resource_server_before, tower_oauth2_resource_server_after,
    tower_oauth2_resource_server_before, where_present::compared_where_present,
};
use serde_json::json;
use tower::ServiceExt;
use tower_jwt_auth::{
    Authority, Claims, Issuer, JwtAuthLayer, ProviderFault, Reason, RemoteKeys, Secret, SigningKey,
    TestIssuer, TestProvider, Verifier,
};

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
    let cases = tokens(&Signer { issuer: url, kid: issuer.kid(), sign: &sign }, Grants::Roles);
    let both = Both { before: &v11, after: &after };
    let rows = both.statuses(&cases).await;
    for (case, (name, before, _)) in cases.iter().zip(&rows) {
        assert_eq!(status(&v9, Body::empty(), case).await, *before, "version 9: {name}");
        assert_eq!(status(&v10, Body::empty(), case).await, *before, "version 10: {name}");
    }
    check_page("from-jsonwebtoken.md", "jsonwebtoken", &rows);
    let verifier = Verifier::new(issuer.authority().audience("api")).unwrap();
    both.check_side_by_side(verifier, &cases).await;
}

/// The page says that neither side has to move first.
#[test]
fn tokens_of_encode_and_of_an_issuer_are_taken_by_both() {
    use jsonwebtoken11::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
    let secret = "B1Hnoh2ntpJ3rczU8wUCAstxSyUcn3Lj2dq8cNg_j4b4S0YrcJfJ"; // base64url by chance
    let bytes = Secret::from_bytes(secret).unwrap();
    let key = SigningKey::from_secret(tower_jwt_auth::Algorithm::HS256, bytes.clone()).unwrap();
    let issuer = Issuer::builder("shop", key).audience("api").build().unwrap();
    let verifier = |secret| {
        let authority = Authority::hs256(secret).issuer("shop").audience("api");
        Verifier::<Claims>::new(authority).unwrap()
    };
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["shop"]);
    validation.set_audience(&["api"]);

    let claims = kit::claims(json!({ "iss": "shop" }));
    let old = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
    let new = issuer.sign(&json!({ "sub": "bob" })).unwrap();
    let other = verifier(Secret::from_base64(secret).unwrap());
    for token in [&old, &new] {
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        decode::<serde_json::Value>(token, &decoding, &validation).unwrap();
        verifier(bytes.clone()).verify(token).now().unwrap().unwrap();
        let refused = other.verify(token).now().unwrap().unwrap_err();
        assert_eq!(refused.reason(), Reason::BadSignature);
    }
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
    for case in tokens(&Signer { issuer: url, kid: issuer.kid(), sign: &sign }, Grants::Roles) {
        let before = status(&before, axum07::body::Body::empty(), &case).await;
        rows.push((case.name, before, status(&after, Body::empty(), &case).await));
    }
    check_page("from-jwt-authorizer.md", "jwt_authorizer", &rows);
}

#[tokio::test]
async fn from_axum_jwt_auth() {
    let page = "from-axum-jwt-auth.md";
    let provider = TestProvider::on_loopback().await;
    let (url, issuer) = (provider.jwks_url(), provider.issuer());
    let after = || axum_jwt_auth_after::app(plain_http(&url), issuer).unwrap();
    let before = axum_jwt_auth_before::app(&url, issuer).await.unwrap();
    let rotation = Both { before: &before, after: &after() }.rotation(&provider).await;

    let before = axum_jwt_auth_before::app(&url, issuer).await.unwrap();
    let both = Both { before: &before, after: &after() };
    let sign = |header, claims| provider.sign_with(header, claims);
    let signer = Signer { issuer, kid: &provider.kid(), sign: &sign };
    let mut cases = tokens(&signer, Grants::Roles);
    let verifier = Verifier::new(Authority::jwks(plain_http(&url)).issuer(issuer).audience("api")).unwrap();
    both.check_side_by_side(verifier, &cases).await;
    cases.extend(optional(&signer));
    check_page(page, "axum_jwt_auth", &both.statuses(&cases).await);
    check_table(page, "request", &both.challenges(&cases).await);

    provider.fails_with(ProviderFault::Status(500));
    assert!(axum_jwt_auth_before::app(&url, issuer).await.is_err());
    let down = status(&after(), Body::empty(), &cases[0]).await;
    check_table(page, "keys", &[rotation, outage("`initialize` fails", down)]);
}

#[tokio::test]
async fn from_oauth_resource_server() {
    let page = "from-oauth-resource-server.md";
    let provider = TestProvider::on_loopback().await;
    let issuer = provider.issuer();
    let before = || oauth_resource_server_before::app(issuer).unwrap();
    let after = || oauth_resource_server_after::app(plain_http(issuer), issuer).unwrap();
    let rotation = Both { before: &before(), after: &after() }.rotation(&provider).await;

    let both = Both { before: &before(), after: &after() };
    let sign = |header, claims| provider.sign_with(header, claims);
    let signer = Signer { issuer, kid: &provider.kid(), sign: &sign };
    let mut cases = tokens(&signer, Grants::Scopes);
    let verifier = Verifier::new(Authority::oidc(plain_http(issuer)).audience("api")).unwrap();
    both.check_side_by_side(verifier, &cases).await;
    cases.extend(optional(&signer));
    check_page(page, "oauth_resource_server", &both.statuses(&cases).await);
    check_table(page, "request", &both.challenges(&cases).await);
    let metadata = "/.well-known/oauth-protected-resource";
    assert_eq!(kit::json(both.before, metadata).await, kit::json(both.after, metadata).await);

    provider.fails_with(ProviderFault::Status(500));
    let down = status(&before(), Body::empty(), &cases[0]).await.to_string();
    let down = outage(&down, status(&after(), Body::empty(), &cases[0]).await);
    check_table(page, "keys", &[rotation, down]);
}

#[tokio::test]
async fn from_tower_oauth2_resource_server() {
    let page = "from-tower-oauth2-resource-server.md";
    let provider = TestProvider::on_loopback().await;
    let issuer = provider.issuer();
    let after = || tower_oauth2_resource_server_after::app(plain_http(issuer)).unwrap();
    let sign = |header, claims| provider.sign_with(header, claims);
    let before = async || {
        let app = tower_oauth2_resource_server_before::app(issuer).await.unwrap();
        let good = tokens(&Signer { issuer, kid: &provider.kid(), sign: &sign }, Grants::Roles).remove(0);
        // It fetches its keys in a task of its own, and refuses until they are there.
        for _ in 0..100_000 {
            if status(&app, Body::empty(), &good).await == 200 {
                return app;
            }
            tokio::task::yield_now().await;
        }
        panic!("no keys were fetched");
    };
    let rotation = Both { before: &before().await, after: &after() }.rotation(&provider).await;

    let both = Both { before: &before().await, after: &after() };
    let cases = tokens(&Signer { issuer, kid: &provider.kid(), sign: &sign }, Grants::Roles);
    let verifier = Verifier::new(Authority::oidc(plain_http(issuer)).audience("api")).unwrap();
    both.check_side_by_side(verifier, &cases).await;
    check_page(page, "tower_oauth2_resource_server", &both.statuses(&cases).await);
    check_table(page, "request", &both.challenges(&cases).await);

    provider.fails_with(ProviderFault::Status(500));
    assert!(tower_oauth2_resource_server_before::app(issuer).await.is_err());
    let down = status(&after(), Body::empty(), &cases[0]).await;
    check_table(page, "keys", &[rotation, outage("`build` fails", down)]);
}

/// The row of a service that starts while the provider is down.
fn outage(before: &str, after: u16) -> [String; 3] {
    ["the provider is down when the service starts".to_owned(), before.to_owned(), after.to_string()]
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

#[test]
fn the_index_shows_how_both_run_side_by_side() {
    let programs = ["side_by_side", "extension_bridge", "where_present"];
    let programs = programs.map(|program| kit::read(&format!("src/{program}.rs")));
    assert_eq!(kit::rust_blocks(&kit::read("README.md")), programs);
}

#[tokio::test]
async fn handlers_that_take_an_extension_stay_as_they_are() {
    #[derive(Clone, serde::Deserialize)]
    struct User {
        sub: String,
    }
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let verifier = Verifier::<User>::new(issuer.authority()).unwrap();
    let me = async |axum::Extension(user): axum::Extension<User>| user.sub;
    let app = axum::Router::new()
        .route("/me", axum::routing::get(me))
        .layer(axum::middleware::from_fn(claims_as_extension::<User>))
        .layer(JwtAuthLayer::new(verifier));
    let ask = async |request| app.clone().oneshot(request).await.unwrap();
    let good = issuer.request(json!({ "sub": "bob" })).uri("/me").body(Body::empty()).unwrap();
    let answer = ask(good).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(axum::body::to_bytes(answer.into_body(), 100).await.unwrap(), "bob");
    assert_eq!(ask(http::Request::get("/me").body(Body::empty()).unwrap()).await.status(), 401);
}

#[test]
fn claims_are_compared_only_where_they_are() {
    let url = "https://id.example.com";
    let issuer = TestIssuer::new(url).audience("api");
    let authority = Authority::keys(tower_jwt_auth::KeySet::from_jwks(issuer.jwks()).unwrap());
    let verifier = Verifier::<Claims>::new(compared_where_present(authority, url, "api")).unwrap();
    for (claims, refused) in [
        (json!({}), None),
        (json!({ "aud": null }), None),
        (json!({ "iss": null }), None),
        (json!({ "aud": ["x", "api"] }), None),
        (json!({ "aud": "x" }), Some(Reason::WrongAudience)),
        (json!({ "aud": [] }), Some(Reason::WrongAudience)),
        (json!({ "iss": "https://other.example.com" }), Some(Reason::UnknownIssuer)),
    ] {
        let verified = verifier.verify(&issuer.sign(claims.clone())).now().unwrap();
        assert_eq!(verified.err().map(|error| error.reason()), refused, "{claims}");
    }
}
