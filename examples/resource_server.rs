//! Answers `GET` on any path with the verified claims as JSON, or with 401 or 403. Made to sit behind nginx `auth_request` or
//! Traefik forward-auth.
//!
//! Variables of the environment configure it, or the TOML file that `JWT_CONFIG` names: `docs/reference/configuration.md` lists
//! all of them. `PORT` is 3000 unless set, 0 for any. On Unix, `SIGHUP` reads the configuration again.
//!
//! ```sh
//! JWT_OIDC_ISSUER=https://id.example.com JWT_AUDIENCE=orders cargo run --example resource_server --features config,tracing
//! ```

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::{Json, Router, routing::get};
use tower_jwt_auth::{Claims, Config, Jwt, Refusal, ReloadableLayer};

#[tokio::main]
async fn main() -> Result<(), Problem> {
    // Why keys cannot be fetched is said there.
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let config = Config::from_env()?;
    // A refusal in gRPC is HTTP 200, which the proxy would take for a yes, hence `http_only`. And nginx turns
    // whatever is not 2xx, 401 or 403 into a 500, hence no 400.
    let auth = ReloadableLayer::<Claims, _>::new(&config, |config, builder| {
        let auth = config.layer(builder.build()?)?.http_only();
        Ok(auth.reject_with(|refusal: &Refusal<'_>| {
            let mut response = refusal.response(Body::empty());
            if response.status() == StatusCode::BAD_REQUEST {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            response
        }))
    })?;
    // What the layer hands to the handler as headers, the handler answers: the proxy copies them to its own request.
    let handed_on = Arc::new(RwLock::new(claim_headers(&config)));
    let names = Arc::clone(&handed_on);
    let answer = |jwt: Option<Jwt>, mut headers: HeaderMap| async move {
        let names = names.read().unwrap_or_else(PoisonError::into_inner);
        let claims = names.iter().filter_map(|name| Some((name.clone(), headers.remove(name)?)));
        (HeaderMap::from_iter(claims), Json(jwt.map(|jwt| Claims::clone(&jwt))))
    };
    let app = Router::new().fallback(get(answer)).layer(auth.clone());
    let address = format!("127.0.0.1:{}", variable("PORT").unwrap_or_else(|| "3000".to_owned()));
    let listener =
        tokio::net::TcpListener::bind(&address).await.map_err(|e| format!("PORT: {address}: {e}"))?;
    #[cfg(unix)]
    let mut hang_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    #[cfg(unix)]
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            match Config::from_env().and_then(|config| auth.reload(&config).map(|()| config)) {
                Ok(config) => {
                    *handed_on.write().unwrap_or_else(PoisonError::into_inner) = claim_headers(&config);
                    eprintln!("reloaded");
                }
                Err(error) => eprintln!("not reloaded: {error}"),
            }
        }
    });
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

fn claim_headers(config: &Config) -> Vec<HeaderName> {
    config.claim_headers().filter_map(|(header, _)| header.parse().ok()).collect()
}

/// Set to nothing counts as not set, as in a compose file.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An error that `main` shows as plain text.
struct Problem(String);

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: fmt::Display> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
