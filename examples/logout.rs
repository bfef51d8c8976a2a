//! A service that obeys when users log out at the identity provider, and when the provider tells that an account was closed.
//!
//! `ISSUER=https://id.example.com CLIENT_ID=shop cargo run --example logout --features feeds,oidc`, with access tokens for the
//! audience `api`. Register `/backchannel-logout` of this service at the provider, as the `backchannel_logout_uri` of the client.
//!
//! | variable | meaning |
//! |---|---|
//! | `ISSUER` | the `iss` of the tokens |
//! | `CLIENT_ID` | the client that the users log in with: logout tokens are addressed to it |
//! | `BY_SUBJECT=1` | the access tokens of the provider have no `sid`, so a logout ends all sessions of the user |
//! | `EVENTS_AUTHORIZATION` | takes security events at `/security-events`, with this `Authorization` header and the audience `api-events` |
//! | `PORT` | 3000 unless set, 0 for any |
//! | `INSECURE_HTTP_ON_LOOPBACK=1` | allows a provider at `http://localhost`, to try it out |

use std::env;
use std::error::Error;

use axum::{Router, routing::get};
use tower_jwt_auth::{
    Authority, BackChannelLogout, Claims, Jwt, JwtAuthLayer, RemoteKeys, Revocations, SecurityEvents,
    Verifier,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let issuer = env::var("ISSUER").map_err(|_| "ISSUER is not set: name the `iss` of your tokens")?;
    let client_id =
        env::var("CLIENT_ID").map_err(|_| "CLIENT_ID is not set: name the client of the login")?;
    let is_on = |name| env::var(name).is_ok_and(|value| value == "1");
    // The same keys sign all of its tokens; what tells them apart is for whom they are.
    let provider = |audience: &str| {
        let authority = Authority::oidc(issuer.as_str()).audience(audience);
        match is_on("INSECURE_HTTP_ON_LOOPBACK") {
            true => authority.remote_keys(RemoteKeys::insecure_http_on_loopback),
            false => authority,
        }
    };

    // Of this process. Several share a store: `Revocations::builder().store(store)`.
    let revocations = Revocations::in_memory();
    let verifier =
        Verifier::<Claims>::builder().authority(provider("api")).revocations(revocations.clone()).build()?;

    let mut logout = BackChannelLogout::builder(provider(&client_id), revocations.clone());
    if is_on("BY_SUBJECT") {
        logout = logout.by_subject();
    }
    // Outside of the layer: the provider has no access token, and what it sends is signed.
    let mut app = Router::new()
        .route("/", get(hello))
        .layer(JwtAuthLayer::new(verifier))
        .route_service("/backchannel-logout", logout.build()?);
    if let Ok(authorization) = env::var("EVENTS_AUTHORIZATION") {
        let events = SecurityEvents::builder(provider("api-events"), revocations);
        app = app.route_service("/security-events", events.authorization(authorization).build()?);
    }

    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn hello(user: Jwt) -> String {
    format!("Hello, {}!\n", user.sub.as_deref().unwrap_or("stranger"))
}
