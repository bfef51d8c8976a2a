//! Each crate around the same handler, which reads the subject and answers 200. All of them check the signature, `exp`, `nbf`,
//! `iss` and `aud`, and read the same claims.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::tokens::{AUDIENCE, Algorithm, Claims, ISSUER, KID, Keys};

type Body = axum::body::Body;

/// A service, whatever its types.
pub trait Contender: Send {
    /// Sends a request with each of these headers in turn, `calls` in all. Tells how long the calls took, requests being made
    /// before, and the last status.
    fn send(&mut self, runtime: &Runtime, headers: &[HeaderMap], calls: u64) -> (Duration, StatusCode);

    fn another(&self) -> Box<dyn Contender>;
}

#[derive(Clone)]
struct Of<S, B> {
    service: S,
    body: fn() -> B,
}

/// Requests that are made before the clock starts.
const BATCH: u64 = 64;

impl<S, B, R> Contender for Of<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: std::fmt::Debug,
    B: 'static,
    R: 'static,
{
    fn send(&mut self, runtime: &Runtime, headers: &[HeaderMap], calls: u64) -> (Duration, StatusCode) {
        let (mut taken, mut status, mut sent) = (Duration::ZERO, StatusCode::IM_A_TEAPOT, 0);
        while sent < calls {
            let batch = BATCH.min(calls - sent);
            let requests: Vec<Request<B>> = (sent..sent + batch)
                .map(|number| {
                    let mut request = Request::new((self.body)());
                    *request.uri_mut() = http::Uri::from_static("/orders/7?verbose=1");
                    *request.headers_mut() = headers[number as usize % headers.len()].clone();
                    request
                })
                .collect();
            sent += batch;
            let service = &mut self.service;
            let start = Instant::now();
            runtime.block_on(async {
                for request in requests {
                    let response = service.ready().await.unwrap().call(request).await.unwrap();
                    status = black_box(response).status();
                }
            });
            taken += start.elapsed();
        }
        (taken, status)
    }

    fn another(&self) -> Box<dyn Contender> {
        Box::new(Self { service: self.service.clone(), body: self.body })
    }
}

fn boxed<S, R>(service: S) -> Box<dyn Contender>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: std::fmt::Debug,
    R: 'static,
{
    Box::new(Of { service, body: Body::empty as fn() -> Body })
}

/// Eight headers, as a client's request has.
pub fn headers(token: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "api.example.com"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("accept-language", "en"),
        ("x-request-id", "6f0c7c0e-5d5f-4f0c-9d63-0a9d8b4d8b3f"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    // So that each copy counts references, as it does behind a server.
    drop(headers.clone());
    headers
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A handler that finds a `T` in the extensions.
macro_rules! handler {
    ($type:ty, $subject:expr) => {
        service_fn(|request: Request<Body>| async move {
            if let Some(found) = request.extensions().get::<$type>() {
                let subject: fn(&$type) -> &str = $subject;
                black_box(subject(found).len());
            }
            Ok::<_, Infallible>(Response::new(Body::empty()))
        })
    };
}

pub fn bare() -> Box<dyn Contender> {
    boxed(handler!(Claims, |claims| &claims.sub))
}

/// How ours is set up.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    /// From a URL, which is fetched before.
    pub url: bool,
    /// Entries of the cache, if there is one.
    pub cache: Option<usize>,
    /// Authorities beside that of the token.
    pub others: usize,
    pub optional: bool,
}

pub fn ours(runtime: &Runtime, keys: &Keys, count: usize, setup: Setup) -> Box<dyn Contender> {
    use tower_jwt_auth::{Authority, Jwt, JwtAuthLayer, KeySet, RemoteKeys, TokenCache, Verifier};
    let jwks = keys.jwks(count);
    let authority = |issuer: String| {
        let authority = if setup.url {
            Authority::jwks(RemoteKeys::new(serve(jwks.clone())).insecure_http_on_loopback())
        } else {
            Authority::keys(KeySet::from_jwks_with_secrets(&jwks).unwrap())
        };
        authority.issuer(issuer).audience(AUDIENCE)
    };
    let others = (0..setup.others).map(|number| authority(format!("https://other-{number}.example.com")));
    let mut verifier = Verifier::<Claims>::builder().authorities(others).authority(authority(ISSUER.into()));
    if let Some(entries) = setup.cache {
        verifier = verifier.cache(TokenCache::new().entries(entries).bytes(entries.max(1000) * 4096));
    }
    let verifier = verifier.build().unwrap();
    runtime.block_on(verifier.warm()).unwrap();
    let mut layer = JwtAuthLayer::new(verifier);
    if setup.optional {
        layer = layer.optional();
    }
    boxed(layer.layer(service_fn(|request: Request<Body>| async move {
        if let Ok(user) = Jwt::<Claims>::of(request.extensions()) {
            black_box(user.sub.len());
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    })))
}

/// Serves a JWK set on loopback for as long as the process lives.
pub fn serve(jwks: String) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let answer = axum::routing::get(move || {
                let jwks = jwks.clone();
                async move { ([(http::header::CONTENT_TYPE, "application/json")], jwks) }
            });
            axum::serve(listener, axum::Router::new().route("/jwks.json", answer)).await.unwrap();
        });
    });
    format!("http://{}/jwks.json", receiver.recv().unwrap())
}

/// The rivals that know this algorithm.
pub fn rivals(runtime: &Runtime, keys: &Keys, count: usize) -> Vec<(&'static str, Box<dyn Contender>)> {
    let jwks = keys.jwks(count);
    let url = serve(jwks.clone());
    let mut all = vec![
        ("axum with jsonwebtoken", axum_with_jsonwebtoken(keys)),
        ("jwt-authorizer", jwt_authorizer(runtime, &jwks)),
        ("axum-jwt-auth", axum_jwt_auth(runtime, &url, keys.algorithm)),
        ("tower-oauth2-resource-server", tower_oauth2_resource_server(runtime, &jwks, keys.algorithm)),
    ];
    if matches!(keys.algorithm, Algorithm::HS256 | Algorithm::RS256) {
        all.push(("aliri_tower", aliri_tower(&jwks, keys.algorithm)));
    }
    if keys.algorithm != Algorithm::HS256 {
        all.push(("oauth-resource-server", oauth_resource_server(runtime, &url)));
        all.push(("huskarl-axum", huskarl_axum(runtime, &url)));
    }
    all
}

/// What `jsonwebtoken::decode` needs.
pub fn for_decode(keys: &Keys) -> (jsonwebtoken::DecodingKey, jsonwebtoken::Validation) {
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys.jwk(KID)).unwrap();
    let mut validation = jsonwebtoken::Validation::new(keys.algorithm.name().parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    (jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap(), validation)
}

/// The decoder of axum-jwt-auth, with its keys loaded.
pub async fn remote_decoder(url: &str, algorithm: Algorithm) -> axum_jwt_auth::Decoder<Claims> {
    let mut validation = jsonwebtoken10::Validation::new(algorithm.name().parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    let decoder = axum_jwt_auth::RemoteJwksDecoder::builder().jwks_url(url.to_owned()).validation(validation);
    let decoder = decoder.build().unwrap();
    decoder.initialize().await.unwrap();
    Arc::new(decoder)
}

/// As axum's own example does it: a typed header, and `decode`.
fn axum_with_jsonwebtoken(keys: &Keys) -> Box<dyn Contender> {
    use axum::RequestPartsExt;
    use axum_extra::TypedHeader;
    use axum_extra::headers::{Authorization, authorization::Bearer};
    let state = Arc::new(for_decode(keys));
    boxed(service_fn(move |request: Request<Body>| {
        let state = Arc::clone(&state);
        async move {
            let (mut parts, _body) = request.into_parts();
            let status = match parts.extract::<TypedHeader<Authorization<Bearer>>>().await {
                Err(_) => StatusCode::BAD_REQUEST,
                Ok(TypedHeader(Authorization(bearer))) => {
                    match jsonwebtoken::decode::<Claims>(bearer.token(), &state.0, &state.1) {
                        Ok(token) => {
                            black_box(token.claims.sub.len());
                            StatusCode::OK
                        }
                        Err(_) => StatusCode::UNAUTHORIZED,
                    }
                }
            };
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }
    }))
}

fn jwt_authorizer(runtime: &Runtime, jwks: &str) -> Box<dyn Contender> {
    use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation};
    type Old = axum07::body::Body;
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true);
    let authorizer = JwtAuthorizer::<Claims>::from_jwks_text(jwks).validation(validation);
    let layer = runtime.block_on(authorizer.build()).unwrap().into_layer();
    let inner = service_fn(|request: Request<Old>| async move {
        if let Some(token) = request.extensions().get::<jsonwebtoken9::TokenData<Claims>>() {
            black_box(token.claims.sub.len());
        }
        Ok::<_, Infallible>(Response::new(Old::empty()))
    });
    Box::new(Of { service: layer.layer(inner), body: Old::empty as fn() -> Old })
}

fn axum_jwt_auth(runtime: &Runtime, url: &str, algorithm: Algorithm) -> Box<dyn Contender> {
    use axum::extract::{FromRef, FromRequestParts};
    use axum::response::IntoResponse;
    use axum_jwt_auth::Decoder;

    #[derive(Clone)]
    struct State(Decoder<Claims>);

    impl FromRef<State> for Decoder<Claims> {
        fn from_ref(state: &State) -> Self {
            Arc::clone(&state.0)
        }
    }

    let state = State(runtime.block_on(remote_decoder(url, algorithm)));
    boxed(service_fn(move |request: Request<Body>| {
        let state = state.clone();
        async move {
            let (mut parts, _body) = request.into_parts();
            let claims = axum_jwt_auth::Claims::<Claims>::from_request_parts(&mut parts, &state).await;
            Ok::<_, Infallible>(match claims {
                Ok(claims) => {
                    black_box(claims.claims.sub.len());
                    Response::new(Body::empty())
                }
                Err(refused) => refused.into_response(),
            })
        }
    }))
}

fn tower_oauth2_resource_server(runtime: &Runtime, jwks: &str, algorithm: Algorithm) -> Box<dyn Contender> {
    let layer = runtime.block_on(resource_server(jwks, algorithm)).into_layer::<Body>();
    boxed(layer.layer(handler!(Claims, |claims| &claims.sub)))
}

/// What tower-oauth2-resource-server makes its layers of.
pub async fn resource_server(
    jwks: &str,
    algorithm: Algorithm,
) -> tower_oauth2_resource_server::server::OAuth2ResourceServer<Claims> {
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;
    use tower_oauth2_resource_server::validation::ClaimsValidationSpec;
    let rules = ClaimsValidationSpec::new().iss(ISSUER).aud(&vec![AUDIENCE.to_owned()]).exp(true).nbf(true);
    let tenant = TenantConfiguration::static_builder(jwks)
        .claims_validation(rules)
        .allowed_algorithms(&[algorithm.name().parse().unwrap()])
        .build()
        .unwrap();
    OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build().await.unwrap()
}

/// It wants claims of its own types.
#[derive(Clone, Debug, serde::Deserialize)]
#[allow(dead_code)]
struct AliriClaims {
    iss: aliri::jwt::Issuer,
    sub: aliri::jwt::Subject,
    aud: aliri::jwt::Audiences,
    exp: aliri_clock::UnixTime,
    nbf: aliri_clock::UnixTime,
    iat: u64,
    jti: String,
    azp: String,
    scope: aliri_oauth2::Scope,
    email: String,
    name: String,
    roles: Vec<String>,
}

impl aliri::jwt::CoreClaims for AliriClaims {
    fn nbf(&self) -> Option<aliri_clock::UnixTime> {
        Some(self.nbf)
    }

    fn exp(&self) -> Option<aliri_clock::UnixTime> {
        Some(self.exp)
    }

    fn aud(&self) -> &aliri::jwt::Audiences {
        &self.aud
    }

    fn iss(&self) -> Option<&aliri::jwt::IssuerRef> {
        Some(&self.iss)
    }

    fn sub(&self) -> Option<&aliri::jwt::SubjectRef> {
        Some(&self.sub)
    }
}

impl aliri_oauth2::HasScope for AliriClaims {
    fn scope(&self) -> &aliri_oauth2::Scope {
        &self.scope
    }
}

fn aliri_tower(jwks: &str, algorithm: Algorithm) -> Box<dyn Contender> {
    use aliri::{jwa, jwt};
    let algorithm: jwa::Algorithm = match algorithm {
        Algorithm::HS256 => jwa::hmac::SigningAlgorithm::HS256.into(),
        _ => jwa::rsa::SigningAlgorithm::RS256.into(),
    };
    let validator = jwt::CoreValidator::default()
        .check_expiration()
        .check_not_before()
        .with_leeway_secs(60)
        .add_approved_algorithm(algorithm)
        .add_allowed_audience(jwt::Audience::from_static(AUDIENCE))
        .require_issuer(jwt::Issuer::from_static(ISSUER));
    let authority = aliri_oauth2::Authority::new(serde_json::from_str(jwks).unwrap(), validator);
    let layer = aliri_tower::Oauth2Authorizer::new()
        .with_claims::<AliriClaims>()
        .with_terse_error_handler::<Body>()
        .jwt_layer::<Body>(authority);
    boxed(layer.layer(handler!(AliriClaims, |claims| claims.sub.as_str())))
}

fn oauth_resource_server(runtime: &Runtime, url: &str) -> Box<dyn Contender> {
    use oauth_resource_server::http_layer::HttpAuthLayer;
    use oauth_resource_server::{AuthorizedToken, KeyNaming, OAuthConfig, OAuthValidator};
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.into(),
        jwks_uri: Some(url.into()),
        audience: AUDIENCE.into(),
        resource: "https://api.example.com/".into(),
        allow_unscoped_tokens: true,
        ..OAuthConfig::default()
    };
    let resolved = config.resolve(KeyNaming::Dotted("oauth")).unwrap().unwrap();
    let validator = Arc::new(OAuthValidator::new(&resolved).unwrap());
    runtime.block_on(validator.refresh_now()).unwrap();
    let layer = HttpAuthLayer::builder().oauth(validator).build().unwrap();
    boxed(layer.layer(handler!(AuthorizedToken, |token| token.subject.as_deref().unwrap_or_default())))
}

fn huskarl_axum(runtime: &Runtime, url: &str) -> Box<dyn Contender> {
    use huskarl_axum::layers::ValidatorLayer;
    use huskarl_resource_server::validator::custom::CustomValidator;
    let validator = runtime.block_on(async {
        let http = huskarl_reqwest::ReqwestClient::builder().build().await.unwrap();
        CustomValidator::builder()
            .with_claims::<Claims>()
            .iss(ISSUER)
            .aud(AUDIENCE)
            .jwks_uri(url.parse().unwrap())
            .jwks_source(http)
            .build()
            .await
            .unwrap()
    });
    let layer = ValidatorLayer::builder().base_url("https://api.example.com").unwrap();
    let layer = layer.validator(validator).build().authenticated();
    boxed(layer.layer(handler!(Claims, |claims| &claims.sub)))
}
