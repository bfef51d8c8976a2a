//! One contender behind a real server, for a load generator: `benches/http.py` runs it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::routing::get;
use axum_extra::TypedHeader;
use axum_extra::headers::{Authorization, authorization::Bearer};
use axum_jwt_auth::Decoder;
use tower_jwt_auth::{Authority, Jwt, JwtAuthLayer, KeySet, TokenCache, Verifier};

use crate::contenders::{for_decode, remote_decoder, runtime, serve};
use crate::tokens::{AUDIENCE, Claims, ISSUER, Keys};

pub const NAMES: [&str; 5] = ["none", "ours", "ours, cached", "axum with jsonwebtoken", "axum-jwt-auth"];

/// Serves on a port that it prints, with tokens to send (the first is that of every other measurement), until it is killed.
pub fn run(name: &str, keys: &Keys) {
    let runtime = runtime();
    let router = runtime.block_on(router(name, keys));
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let users: Vec<String> = (0..64).map(|number| keys.of_user(number)).collect();
        println!("{} {} {}", listener.local_addr().unwrap(), keys.good(), users.join(" "));
        axum::serve(listener, router).await.unwrap();
    });
}

async fn router(name: &str, keys: &Keys) -> Router {
    match name {
        "none" => Router::new().route("/", get(|| async { "hello" })),
        "ours" | "ours, cached" => {
            let set = KeySet::from_jwks_with_secrets(keys.jwks(1)).unwrap();
            let authority = Authority::keys(set).issuer(ISSUER).audience(AUDIENCE);
            let mut verifier = Verifier::<Claims>::builder().authority(authority);
            if name == "ours, cached" {
                verifier = verifier.cache(TokenCache::new());
            }
            let greet = |user: Jwt<Claims>| async move {
                std::hint::black_box(user.sub.len());
                "hello"
            };
            Router::new().route("/", get(greet)).layer(JwtAuthLayer::new(verifier.build().unwrap()))
        }
        "axum with jsonwebtoken" => {
            let state = Arc::new(for_decode(keys));
            let greet =
                |state: axum::extract::State<Arc<(jsonwebtoken::DecodingKey, jsonwebtoken::Validation)>>,
                 TypedHeader(Authorization(bearer)): TypedHeader<Authorization<Bearer>>| async move {
                    match jsonwebtoken::decode::<Claims>(bearer.token(), &state.0.0, &state.0.1) {
                        Ok(token) => {
                            std::hint::black_box(token.claims.sub.len());
                            Ok("hello")
                        }
                        Err(_) => Err(StatusCode::UNAUTHORIZED),
                    }
                };
            Router::new().route("/", get(greet)).with_state(state)
        }
        "axum-jwt-auth" => {
            let state = State(remote_decoder(&serve(keys.jwks(1)), keys.algorithm).await);
            let greet = |user: User| async move {
                std::hint::black_box(user.0.len());
                "hello"
            };
            Router::new().route("/", get(greet)).with_state(state)
        }
        other => panic!("{other} is none of {NAMES:?}"),
    }
}

#[derive(Clone)]
struct State(Decoder<Claims>);

impl FromRef<State> for Decoder<Claims> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.0)
    }
}

/// The subject, as axum-jwt-auth finds it.
struct User(String);

impl FromRequestParts<State> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &State,
    ) -> Result<Self, StatusCode> {
        let claims = axum_jwt_auth::Claims::<Claims>::from_request_parts(parts, state).await;
        claims.map(|claims| Self(claims.claims.sub)).map_err(|_| StatusCode::UNAUTHORIZED)
    }
}
