//! Answers every request with the verified claims as JSON, or with 401 or 403. Made to sit behind nginx `auth_request` or
//! Traefik forward-auth.
//!
//! Variables of the environment configure it, or the TOML file that `JWT_CONFIG` names: `docs/reference/configuration.md` lists
//! all of them. On Unix, `SIGHUP` reads the configuration again.
//!
//! | variable | meaning |
//! |---|---|
//! | `PORT` | 3000 unless set, 0 for any |
//! | `ORIGINAL_URI_HEADER`, `ORIGINAL_METHOD_HEADER` | the headers in which the proxy says what it was asked: `x-original-uri` and `x-original-method` of an nginx that sets them, `x-forwarded-uri` and `x-forwarded-method` of Traefik. The proxy must overwrite what clients send in them. Needed for `routes` and for tokens in cookies; `none` if requests come here directly |
//!
//! ```sh
//! JWT_OIDC_ISSUER=https://id.example.com JWT_AUDIENCE=orders cargo run --example resource_server --features config,tracing
//! ```

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::map_request;
use axum::{Extension, Json, Router};
use tower_jwt_auth::{Claims, Config, Jwt, Refusal, ReloadableLayer};

#[tokio::main]
async fn main() -> Result<(), Problem> {
    // Why keys cannot be fetched is said there.
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let original = Original::from_env()?;
    let config = original.checked(Config::from_env()?)?;
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
    let answer = |jwt: Option<Jwt>, Extension(config): Extension<Arc<Config>>, mut headers: HeaderMap| async move {
        let names = config.claim_headers().filter_map(|(header, _)| header.parse::<HeaderName>().ok());
        let claims = names.filter_map(|name| Some((name.clone(), headers.remove(name)?)));
        (claims.collect::<HeaderMap>(), Json(jwt.map(|jwt| Claims::clone(&jwt))))
    };
    let app = Router::new().fallback(answer).layer(auth.clone());
    let app = app.layer(map_request({
        let original = original.clone();
        move |request: Request| std::future::ready(original.of(request))
    }));
    let address = format!("127.0.0.1:{}", variable("PORT").unwrap_or_else(|| "3000".to_owned()));
    let listener =
        tokio::net::TcpListener::bind(&address).await.map_err(|e| format!("PORT: {address}: {e}"))?;
    #[cfg(unix)]
    let mut hang_up = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    #[cfg(unix)]
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            let reloaded =
                match Config::from_env().map_err(Problem::from).and_then(|config| original.checked(config)) {
                    Ok(config) => auth.reload(&config).await.map_err(Problem::from),
                    Err(error) => Err(error),
                };
            match reloaded {
                Ok(()) => eprintln!("reloaded"),
                Err(error) => eprintln!("not reloaded: {error:?}"),
            }
        }
    });
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Where the proxy says what it was asked.
#[derive(Clone)]
struct Original {
    uri: Option<HeaderName>,
    method: Option<HeaderName>,
    is_said: bool,
}

impl Original {
    fn from_env() -> Result<Self, Problem> {
        let header = |name: &str| match variable(name).filter(|header| header != "none") {
            None => Ok(None),
            Some(header) => header.parse().map(Some).map_err(|_| format!("{name}: {header:?} is no header")),
        };
        let (uri, method) = (header("ORIGINAL_URI_HEADER")?, header("ORIGINAL_METHOD_HEADER")?);
        if uri.is_some() != method.is_some() {
            return Err("ORIGINAL_URI_HEADER and ORIGINAL_METHOD_HEADER go together: set both".into());
        }
        Ok(Self { uri, method, is_said: variable("ORIGINAL_URI_HEADER").is_some() })
    }

    /// Routes, and the protection of cookies, are no use with the path and the method by which a proxy asks.
    fn checked(&self, config: Config) -> Result<Config, Problem> {
        if !self.is_said && config.judges_requests() {
            let remedy =
                "set it to the header in which the proxy says the URI, or to none if there is no proxy";
            return Err(format!(
                "ORIGINAL_URI_HEADER is not set, and the configuration has routes or cookies: {remedy}"
            )
            .into());
        }
        Ok(config)
    }

    /// The request as the proxy was asked. Without the headers nobody knows, and nobody passes.
    fn of(&self, mut request: Request) -> Result<Request, StatusCode> {
        if let (Some(uri), Some(method)) = (&self.uri, &self.method) {
            let said = |name: &HeaderName| {
                let mut values = request.headers().get_all(name).iter();
                match (values.next(), values.next()) {
                    (Some(one), None) => one.to_str().ok(),
                    _ => None,
                }
            };
            let uri = said(uri)
                .filter(|uri| uri.starts_with('/') && !uri.contains('#'))
                .and_then(|uri| uri.parse().ok());
            let method = said(method).and_then(|method| method.parse().ok());
            let (Some(uri), Some(method)) = (uri, method) else { return Err(StatusCode::FORBIDDEN) };
            (*request.uri_mut(), *request.method_mut()) = (uri, method);
        }
        Ok(request)
    }
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
