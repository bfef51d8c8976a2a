//! Policies: what each means on each token, as a layer, as a guard and in a map of methods.

mod apart;
mod guarded;
mod methods;
mod rows;
mod rules;
mod table;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, Version};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;
use tower_jwt_auth::{
    Algorithm, AuthError, JwtAuthLayer, Principal, Reason, Require, TestClock, TestIssuer, UnixTime,
    Verifier, VerifierBuilder,
};

use crate::support::verify;

/// When everything here happens.
const NOW: u64 = 1_800_000_000;

const PATH: &str = "/shop.Orders/List";

/// The claims type of the layer.
#[derive(Deserialize)]
struct Staff {
    #[serde(default)]
    team: String,
}

/// Several issuers with different grants, and a verifier that trusts them all.
struct Desk {
    issuers: Vec<(&'static str, TestIssuer)>,
    verifier: Verifier<Staff>,
}

impl Desk {
    fn new() -> Self {
        let clock = TestClock::at(UnixTime::from_secs(NOW));
        let issuers: Vec<_> = ["id", "partner", "bare", "a", "b"]
            .into_iter()
            .map(|name| {
                let issuer = TestIssuer::with_algorithm(format!("https://{name}.example"), Algorithm::HS256)
                    .audience("api")
                    .clock(clock.clone());
                (name, issuer)
            })
            .collect();
        let authorities = issuers.iter().map(|(name, issuer)| match *name {
            "id" => issuer.authority().roles_at("/roles"),
            "partner" => issuer
                .authority()
                .roles_at("/realm_access/roles")
                .only_scopes(["read"])
                .only_roles(["viewer"]),
            "a" => issuer.authority().roles_at("/resource_access/a/roles"),
            "b" => issuer.authority().roles_at("/resource_access/b/roles"),
            _ => issuer.authority(),
        });
        let builder = authorities.fold(Verifier::builder().clock(clock), VerifierBuilder::authority);
        let verifier = builder.build().unwrap();
        Self { issuers, verifier }
    }

    fn token(&self, issuer: &str, claims: Value) -> String {
        let (_, issuer) = self.issuers.iter().find(|(name, _)| *name == issuer).unwrap();
        issuer.sign(claims)
    }

    fn layer(&self) -> JwtAuthLayer<Staff> {
        JwtAuthLayer::new(self.verifier.clone())
    }

    fn principal(&self, issuer: &str, claims: Value) -> Principal {
        let token = self.token(issuer, claims);
        tower_jwt_auth::Jwt::principal(&verify(&self.verifier, &token).unwrap())
    }

    /// Why the policy refuses this token of the issuer `id`, if it does.
    async fn judge(&self, policy: &Require, claims: Value) -> Result<(), AuthError> {
        policy.decide(&self.principal("id", claims)).await
    }

    async fn reason(&self, policy: &Require, claims: Value) -> Option<&'static str> {
        self.judge(policy, claims).await.err().map(|error| error.reason().as_str())
    }

    /// The challenge that a request with this token is answered with.
    async fn challenge(&self, policy: &Require, claims: Value) -> Option<String> {
        let app = routes().route_layer(policy.clone()).layer(self.layer());
        challenge_of(&send(app, http(PATH, Some(&self.token("id", claims)))).await)
    }
}

/// A service that says `yes` at the path of a gRPC method.
fn routes() -> Router {
    Router::new().route(PATH, any(async || "yes"))
}

fn http(path: &str, token: Option<&str>) -> Request<Body> {
    let request = Request::builder().uri(path);
    let request = match token {
        Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
        None => request,
    };
    request.body(Body::empty()).unwrap()
}

fn grpc(path: &str, token: Option<&str>) -> Request<Body> {
    let mut request = http(path, token);
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

async fn send(app: Router, request: Request<Body>) -> Response<Body> {
    app.oneshot(request).await.unwrap()
}

fn challenge_of<B>(response: &Response<B>) -> Option<String> {
    response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned())
}

/// Another system that answers at once.
fn answering(name: &str, answer: Result<bool, Reason>) -> Require {
    Require::ask(name, move |_| async move { answer.map_err(AuthError::new) })
}

/// Another system that never answers.
fn silent() -> Require {
    Require::ask("silent", |_| std::future::pending())
}
