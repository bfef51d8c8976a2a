//! What the layer leaves for the handler, and what it does not believe.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_jwt_auth::{AuthError, Claims, Jwt, JwtAuthLayer, Principal, Reason, TestIssuer, Verifier};

use crate::services::{Gate, quick_world, reason_of, request_of, request_with, verifier};
use crate::support::{User, World};

/// Other claims than [`User`].
#[derive(Debug, Deserialize)]
struct Machine {
    #[allow(dead_code)]
    serial: u64,
}

fn of<C: serde::de::DeserializeOwned + Send + Sync + 'static>(world: &World) -> JwtAuthLayer<C> {
    let builder = Verifier::<C>::builder().authority(world.issuer.authority()).clock(world.clock.clone());
    JwtAuthLayer::new(builder.build().unwrap())
}

/// Routes for each extractor.
fn routes() -> Router {
    let text = |text: Option<&str>| text.unwrap_or("anonymous").to_owned();
    Router::new()
        .route("/jwt", get(|user: Jwt<User>| async move { user.sub.clone() }))
        .route(
            "/maybe-jwt",
            get(move |user: Option<Jwt<User>>| async move { text(user.as_ref().map(|user| &*user.sub)) }),
        )
        .route("/principal", get(move |who: Principal| async move { text(who.subject()) }))
        .route(
            "/maybe-principal",
            get(
                move |who: Option<Principal>| async move { text(who.as_ref().and_then(|who| who.subject())) },
            ),
        )
}

const PATHS: [&str; 4] = ["/jwt", "/maybe-jwt", "/principal", "/maybe-principal"];

/// Status, body, and the response itself, of a request to this path by this token.
async fn call(app: &Router, path: &str, issuer: Option<&TestIssuer>) -> (u16, String, Response<()>) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    if let Some(issuer) = issuer {
        request.headers_mut().insert(AUTHORIZATION, issuer.bearer(json!({ "sub": "bob", "serial": 7 })));
    }
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (parts.status.as_u16(), text, Response::from_parts(parts, ()))
}

#[tokio::test]
async fn extractors_give_what_was_verified() {
    let world = quick_world();
    for layer in [of::<User>(&world), of::<User>(&world).optional()] {
        let app = routes().layer(layer);
        for path in PATHS {
            let (status, body, _) = call(&app, path, Some(&world.issuer)).await;
            assert_eq!((status, &*body), (200, "bob"), "{path}");
        }
    }
}

#[tokio::test]
async fn extractors_tell_the_anonymous_from_the_refused() {
    let world = quick_world();
    let app = routes().layer(of::<User>(&world).optional().realm("orders").unwrap());
    for path in ["/maybe-jwt", "/maybe-principal"] {
        let (status, body, _) = call(&app, path, None).await;
        assert_eq!((status, &*body), (200, "anonymous"), "{path}");
    }
    for path in ["/jwt", "/principal"] {
        let (status, body, response) = call(&app, path, None).await;
        assert_eq!((status, &*body), (401, ""), "{path}");
        assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="orders""#);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(reason_of(&response), Some(Reason::Missing));
    }
    let stranger = TestIssuer::new("https://id.example.com");
    for path in PATHS {
        assert_eq!(call(&app, path, Some(&stranger)).await.0, 401, "{path}");
    }
}

#[tokio::test]
async fn a_forgotten_layer_is_our_fault_whatever_the_extractor() {
    let world = quick_world();
    for path in PATHS {
        let (status, body, response) = call(&routes(), path, Some(&world.issuer)).await;
        assert_eq!((status, &*body), (500, ""), "{path}");
        assert_eq!(reason_of(&response), Some(Reason::NotConfigured));
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn another_claims_type_is_our_fault_and_the_principal_is_there_all_the_same() {
    let world = quick_world();
    for layer in [of::<Machine>(&world), of::<Machine>(&world).optional()] {
        let app = routes().layer(layer);
        for (path, expected) in PATHS.into_iter().zip([500, 500, 200, 200]) {
            assert_eq!(call(&app, path, Some(&world.issuer)).await.0, expected, "{path}");
        }
    }
    // Nothing is wrong with the type while there is no token of it.
    let app = routes().layer(of::<Machine>(&world).optional());
    assert_eq!(call(&app, "/maybe-jwt", None).await.0, 200);
}

/// What a service behind this layer finds; the error if it is refused.
async fn found<L>(layer: L, request: Request<()>) -> Result<Extensions, Reason>
where
    L: Layer<Keep>,
    L::Service: Service<Request<()>, Response = Response<Extensions>, Error = Infallible>,
{
    let keep: Keep = service_fn(|request: Request<()>| {
        std::future::ready(Ok(Response::new(request.into_parts().0.extensions)))
    });
    let response = layer.layer(keep).oneshot(request).await.unwrap();
    reason_of(&response).map_or_else(|| Ok(response.into_body()), Err)
}

type Keep =
    tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Response<Extensions>, Infallible>>>;

fn reason<T>(result: Result<T, AuthError>) -> Option<Reason> {
    result.err().map(|error| error.reason())
}

#[tokio::test]
async fn the_extensions_can_be_asked_without_a_framework() {
    let world = quick_world();
    let extensions = found(of::<User>(&world), request_of(&world.issuer, "bob")).await.unwrap();
    assert_eq!(Jwt::<User>::of(&extensions).unwrap().sub, "bob");
    assert_eq!(Jwt::<User>::optional(&extensions).unwrap().unwrap().sub, "bob");
    assert_eq!(Principal::of(&extensions).unwrap().subject(), Some("bob"));
    assert_eq!(Principal::optional(&extensions).unwrap().unwrap().subject(), Some("bob"));
    assert_eq!(reason(Jwt::<Claims>::of(&extensions)), Some(Reason::NotConfigured));
    assert_eq!(reason(Jwt::<Claims>::optional(&extensions)), Some(Reason::NotConfigured));

    let anonymous = found(of::<User>(&world).optional(), request_with(None)).await.unwrap();
    assert_eq!(reason(Jwt::<User>::of(&anonymous)), Some(Reason::Missing));
    assert!(Jwt::<User>::optional(&anonymous).unwrap().is_none());
    assert_eq!(reason(Principal::of(&anonymous)), Some(Reason::Missing));
    assert!(Principal::optional(&anonymous).unwrap().is_none());

    let nothing = Extensions::new();
    assert_eq!(reason(Jwt::<User>::of(&nothing)), Some(Reason::NotConfigured));
    assert_eq!(reason(Jwt::<User>::optional(&nothing)), Some(Reason::NotConfigured));
    assert_eq!(reason(Principal::of(&nothing)), Some(Reason::NotConfigured));
    assert_eq!(reason(Principal::optional(&nothing)), Some(Reason::NotConfigured));
}

#[tokio::test]
async fn all_handles_of_a_request_are_one_memory() {
    // `User` is not `Clone`, so nothing could have copied it.
    let world = quick_world();
    let extensions = found(of::<User>(&world), request_of(&world.issuer, "bob")).await.unwrap();
    let jwt = Jwt::<User>::of(&extensions).unwrap();
    let copy = jwt.clone();
    let again = Jwt::<User>::of(&extensions.clone()).unwrap();
    assert!(std::ptr::eq(&*jwt, &*copy) && std::ptr::eq(&*jwt, &*again));
    // The text of a principal is that of the payload behind the token.
    let from_jwt = Jwt::principal(&jwt);
    let from_extensions = Principal::of(&extensions).unwrap();
    assert!(std::ptr::eq(from_jwt.subject().unwrap(), from_extensions.subject().unwrap()));
    drop((jwt, copy, again, extensions, from_extensions));
    assert_eq!(from_jwt.subject(), Some("bob"));
}

/// Another issuer with the same `iss`, `aud` and time, whose tokens only its own world trusts.
fn two_worlds() -> (World, World) {
    (quick_world(), quick_world())
}

/// Replaces the credential on the way from an outer layer to an inner one.
fn with_credential(
    authorization: Option<http::HeaderValue>,
) -> MapRequestLayer<impl Fn(Request<()>) -> Request<()> + Clone> {
    MapRequestLayer::new(move |mut request: Request<()>| {
        request.headers_mut().remove(AUTHORIZATION);
        if let Some(value) = authorization.clone() {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request
    })
}

#[tokio::test]
async fn the_inner_of_two_layers_wins_whole() {
    let (outer, inner) = two_worlds();
    let to_amy = with_credential(Some(inner.issuer.bearer(json!({ "sub": "amy" }))));
    let layers =
        ServiceBuilder::new().layer(of::<User>(&outer)).layer(to_amy).layer(of::<User>(&inner)).into_inner();
    let extensions = found(layers, request_of(&outer.issuer, "bob")).await.unwrap();
    assert_eq!(Jwt::<User>::of(&extensions).unwrap().sub, "amy");
    assert_eq!(Principal::of(&extensions).unwrap().subject(), Some("amy"));
}

#[tokio::test]
async fn the_inner_of_two_layers_wins_whole_with_another_claims_type() {
    let (outer, inner) = two_worlds();
    let to_amy = with_credential(Some(inner.issuer.bearer(json!({ "sub": "amy", "serial": 7 }))));
    let layers = ServiceBuilder::new()
        .layer(of::<User>(&outer))
        .layer(to_amy)
        .layer(of::<Machine>(&inner))
        .into_inner();
    let extensions = found(layers, request_of(&outer.issuer, "bob")).await.unwrap();
    assert_eq!(Jwt::<Machine>::of(&extensions).unwrap().serial, 7);
    assert_eq!(Principal::of(&extensions).unwrap().subject(), Some("amy"));
    // Not bob: his token was verified by a layer that has no say here.
    assert_eq!(reason(Jwt::<User>::of(&extensions)), Some(Reason::NotConfigured));
    assert_eq!(reason(Jwt::<User>::optional(&extensions)), Some(Reason::NotConfigured));
}

#[tokio::test]
async fn an_inner_optional_layer_that_finds_nothing_removes_what_an_outer_one_put() {
    let (outer, inner) = two_worlds();
    let layers = |inner| {
        ServiceBuilder::new().layer(of::<User>(&outer)).layer(with_credential(None)).layer(inner).into_inner()
    };
    let extensions =
        found(layers(of::<User>(&inner).optional()), request_of(&outer.issuer, "bob")).await.unwrap();
    assert!(Jwt::<User>::optional(&extensions).unwrap().is_none());
    assert_eq!(reason(Principal::of(&extensions)), Some(Reason::Missing));
    let refused = found(layers(of::<User>(&inner)), request_of(&outer.issuer, "bob")).await;
    assert_eq!(refused.err(), Some(Reason::Missing));
}

#[tokio::test]
async fn one_credential_must_satisfy_both_of_two_layers() {
    let (outer, inner) = two_worlds();
    for issuer in [&outer.issuer, &inner.issuer] {
        let layers = ServiceBuilder::new().layer(of::<User>(&outer)).layer(of::<User>(&inner)).into_inner();
        assert_eq!(found(layers, request_of(issuer, "bob")).await.err(), Some(Reason::UnknownKey));
    }
}

#[tokio::test]
async fn what_stands_in_the_extensions_before_the_layer_is_not_believed() {
    let (theirs, ours) = two_worlds();
    let stale = found(of::<User>(&theirs), request_of(&theirs.issuer, "root")).await.unwrap();
    let forged = |mut request: Request<()>| {
        request.extensions_mut().extend(stale.clone());
        // Handles that somebody puts in by their own types are nothing that is looked at.
        request.extensions_mut().insert(Jwt::<User>::of(&stale).unwrap());
        request.extensions_mut().insert(Principal::of(&stale).unwrap());
        request
    };
    assert_eq!(Principal::of(forged(request_with(None)).extensions()).unwrap().subject(), Some("root"));

    let gate = Gate::closed();
    gate.open(9);
    for verifier in [verifier(&ours), gate.verifier(&ours)] {
        let optional = JwtAuthLayer::new(verifier).optional();
        for request in [request_with(None), request_with(Some("Basic eA=="))] {
            let extensions = found(optional.clone(), forged(request)).await.unwrap();
            assert!(Jwt::<User>::optional(&extensions).unwrap().is_none());
            assert!(Principal::optional(&extensions).unwrap().is_none());
        }
        let extensions = found(optional.clone(), forged(request_of(&ours.issuer, "slow"))).await.unwrap();
        assert_eq!(Jwt::<User>::of(&extensions).unwrap().sub, "slow");
        assert_eq!(Principal::of(&extensions).unwrap().subject(), Some("slow"));
    }
    let mut put_in = Extensions::new();
    put_in.insert(Jwt::<User>::of(&stale).unwrap());
    put_in.insert(Principal::of(&stale).unwrap());
    assert_eq!(reason(Jwt::<User>::of(&put_in)), Some(Reason::NotConfigured));
    assert_eq!(reason(Principal::of(&put_in)), Some(Reason::NotConfigured));
}

#[tokio::test]
async fn what_others_put_into_the_extensions_stays() {
    let world = quick_world();
    let mut request = request_of(&world.issuer, "bob");
    request.extensions_mut().insert("an address");
    let extensions = found(of::<User>(&world), request).await.unwrap();
    assert_eq!(extensions.get::<&str>(), Some(&"an address"));
}

#[tokio::test]
async fn a_handler_that_returns_the_error_answers_like_the_layer() {
    let world = quick_world();
    let app = Router::new()
        .route(
            "/",
            get(|request: Request<Body>| async move {
                Principal::of(request.extensions()).map(|who| who.subject().unwrap_or_default().to_owned())
            }),
        )
        .layer(of::<User>(&world).optional().realm("orders").unwrap());
    let (status, _, response) = call(&app, "/", None).await;
    assert_eq!(status, 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Bearer realm="orders""#);
    assert_eq!(call(&app, "/", Some(&world.issuer)).await.1, "bob");
    let own = axum::response::IntoResponse::into_response(AuthError::new(Reason::KeysUnavailable));
    assert_eq!(own.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(own.headers()["retry-after"], "5");
}
