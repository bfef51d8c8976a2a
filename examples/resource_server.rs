//! Answers `GET` on any path with the verified claims as JSON, or with 401. Configured by the environment, made
//! to sit behind nginx `auth_request` or Traefik forward-auth.
//!
//! | variable | meaning |
//! |---|---|
//! | `JWT_ISSUER`, `JWT_AUDIENCE` | what `iss` must be and `aud` must name; both are needed (but see `JWT_OIDC_ISSUER`) |
//! | `JWT_SECRET` | the secret for HMAC as base64, `hex:` and then hexadecimal digits, or `raw:` and then the bytes themselves |
//! | `JWT_JWKS` | instead: a JWK set, as JSON or as the path of a file; secrets (`oct`) are allowed |
//! | `JWT_JWKS_URL` | instead: the URL of a JWK set, fetched when the first token comes, and kept up to date |
//! | `JWT_OIDC_ISSUER` | instead: an issuer whose discovery document says where its keys are; it is `JWT_ISSUER` as well |
//! | `JWT_DISCOVERY_URL` | the discovery document of `JWT_OIDC_ISSUER`, if the issuer has another address from here |
//! | `JWT_JWKS_URL` with `JWT_OIDC_ISSUER` | its JWK set, if the `jwks_uri` of its document cannot be reached from here |
//! | `JWT_INSECURE_HTTP_HOSTS` | hosts that may be asked over plain `http://`, as `host` or `host:port`, separated by commas |
//! | `JWT_CA_FILE` | a PEM file of certificate authorities to trust, beside the system's |
//! | `JWT_FETCH_TOKEN_FILE` | a file whose bearer token is sent to the host above; read for each fetch, so it may be rotated |
//! | `JWT_KEYS_FILE` | where the keys of these two are kept for the next start; in a directory that only this user can write |
//! | `JWT_ALLOW_HTTP` | `1` allows `http://` in these two for a host that is this very machine |
//! | `JWT_KEYS_MAX_AGE` | seconds for which keys from a URL are kept, whatever the provider's `max-age` says; 1 to 86400 |
//! | `JWT_ALGORITHMS` | the algorithms, separated by commas; else what each key says, and HS256 for `JWT_SECRET` |
//! | `JWT_LEEWAY` | seconds by which clocks may differ, 30 unless set |
//! | `JWT_SCOPES` | scopes that a token must have, separated by spaces; else the answer is 403 |
//! | `JWT_CLAIM_HEADERS` | claims to answer as headers, such as `x-user=sub,x-scope=scope`, for the proxy to hand on |
//! | `PORT` | 3000 unless set; 0 for any |

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::{Json, Router, routing::get};
use tower_jwt_auth::{
    Algorithm, Authority, Claims, FileKeyStore, HttpFetch, Jwt, JwtAuthLayer, KeySet, Refusal, RemoteKeys,
    Require, Secret, Verifier,
};

#[tokio::main]
async fn main() -> Result<(), Problem> {
    // Why keys cannot be fetched is said there.
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let verifier = Verifier::<Claims>::new(authority()?)?;
    // A refusal in gRPC is HTTP 200, which the proxy would take for a yes, hence `http_only`. And nginx turns
    // whatever is not 2xx, 401 or 403 into a 500, hence no 400.
    let mut auth = JwtAuthLayer::new(verifier).http_only().reject_with(|refusal: &Refusal<'_>| {
        let mut response = refusal.response(Body::empty());
        if response.status() == StatusCode::BAD_REQUEST {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        response
    });
    // What the layer hands to the handler as headers, the handler answers: the proxy copies them to its own request.
    let mut names = Vec::new();
    for pair in variable("JWT_CLAIM_HEADERS").iter().flat_map(|list| list.split(',')) {
        let problem = || format!("JWT_CLAIM_HEADERS: {pair:?} is not HEADER=CLAIM, such as x-user=sub");
        let (header, claim) = pair.trim().split_once('=').ok_or_else(problem)?;
        auth = auth.claim_header(header, claim)?;
        names.push(header.parse::<HeaderName>().map_err(|_| problem())?);
    }
    let answer = |jwt: Jwt, mut headers: HeaderMap| async move {
        let claims = names.iter().filter_map(|name| Some((name.clone(), headers.remove(name)?)));
        (HeaderMap::from_iter(claims), Json(Claims::clone(&jwt)))
    };
    let policy = match variable("JWT_SCOPES") {
        Some(scopes) => Require::scope(scopes),
        None => Require::authenticated(),
    };
    let app = Router::new().fallback(get(answer)).layer(policy).layer(auth);
    let address = format!("127.0.0.1:{}", variable("PORT").unwrap_or_else(|| "3000".to_owned()));
    let listener =
        tokio::net::TcpListener::bind(&address).await.map_err(|e| format!("PORT: {address}: {e}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

fn authority() -> Result<Authority, Problem> {
    let discovered = variable("JWT_OIDC_ISSUER");
    let issuer = match (variable("JWT_ISSUER"), &discovered) {
        (None, Some(discovered)) => discovered.clone(),
        (Some(issuer), Some(discovered)) if issuer != *discovered => {
            return Err("JWT_ISSUER and JWT_OIDC_ISSUER differ: leave out JWT_ISSUER".into());
        }
        (issuer, _) => issuer.ok_or("JWT_ISSUER is not set: name the `iss` of your tokens")?,
    };
    let audience =
        variable("JWT_AUDIENCE").ok_or("JWT_AUDIENCE is not set: name this service as `aud` does")?;
    let names = variable("JWT_ALGORITHMS");
    let names = names.iter().flat_map(|list| list.split(',')).map(str::trim);
    let algorithms = names.map(str::parse).collect::<Result<Vec<Algorithm>, _>>();
    let algorithms = algorithms.map_err(|error| format!("JWT_ALGORITHMS: {error}"))?;
    let sources = [
        ("JWT_SECRET", variable("JWT_SECRET")),
        ("JWT_JWKS", variable("JWT_JWKS")),
        ("JWT_JWKS_URL", variable("JWT_JWKS_URL")),
        ("JWT_OIDC_ISSUER", discovered),
    ];
    let mut given = sources.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let (name, value) = given.next().ok_or(
        "neither JWT_SECRET nor JWT_JWKS is set, nor JWT_JWKS_URL or JWT_OIDC_ISSUER: give one of them",
    )?;
    // The two together: the issuer's keys, at another address.
    let both = (name, given.next());
    let jwks_url = match both {
        (_, None) => None,
        ("JWT_JWKS_URL", Some(("JWT_OIDC_ISSUER", _))) => Some(value.clone()),
        (_, Some((other, _))) => {
            return Err(format!("both {name} and {other} are set: keep one of them").into());
        }
    };
    if !["JWT_JWKS_URL", "JWT_OIDC_ISSUER"].contains(&name) {
        for of_fetches in ["JWT_KEYS_FILE", "JWT_CA_FILE", "JWT_FETCH_TOKEN_FILE", "JWT_INSECURE_HTTP_HOSTS"]
        {
            if variable(of_fetches).is_some() {
                let problem = format!("{of_fetches} is for keys that are fetched, and {name} is set");
                return Err(format!("{problem}: leave it out").into());
            }
        }
    }
    if variable("JWT_DISCOVERY_URL").is_some() && (name != "JWT_OIDC_ISSUER" || jwks_url.is_some()) {
        return Err(format!("JWT_DISCOVERY_URL leads to keys, and {name} is set: keep one of them").into());
    }
    let mut authority = match (name, value) {
        ("JWT_SECRET", secret) => Authority::keys(
            secret_keys(&secret, &algorithms).map_err(|error| format!("JWT_SECRET: {error}"))?,
        ),
        ("JWT_JWKS_URL", url) if jwks_url.is_some() => {
            Authority::oidc(remote(issuer.clone(), &url)?.jwks_url(&url))
        }
        ("JWT_JWKS_URL", url) => Authority::jwks(remote(url.clone(), &url)?),
        ("JWT_OIDC_ISSUER", issuer) => Authority::oidc(match variable("JWT_DISCOVERY_URL") {
            Some(document) => remote(issuer, &document)?.discovery_url(&document),
            None => remote(issuer.clone(), &issuer)?,
        }),
        (_, jwks) => {
            let inline = jwks.trim_start().starts_with('{');
            let json = if inline { Ok(jwks.clone()) } else { std::fs::read_to_string(&jwks) };
            let json = json.map_err(|error| format!("JWT_JWKS: {jwks}: {error}"))?;
            let keys = KeySet::from_jwks_with_secrets(json).map_err(|error| format!("JWT_JWKS: {error}"))?;
            keys.skipped().iter().for_each(|key| eprintln!("JWT_JWKS: not used: {key}"));
            Authority::keys(keys)
        }
    };
    if !algorithms.is_empty() {
        authority = authority.algorithms(algorithms);
    }
    if let Some(leeway) = variable("JWT_LEEWAY") {
        let seconds = leeway.parse().map_err(|_| format!("JWT_LEEWAY: {leeway} is no number of seconds"))?;
        authority = authority.leeway(Duration::from_secs(seconds));
    }
    Ok(authority.issuer(issuer).audience(audience))
}

/// Keys of this URL or issuer, of which `address` is what is fetched.
fn remote(url: String, address: &str) -> Result<RemoteKeys, Problem> {
    let mut keys = RemoteKeys::new(url).fetch(fetch(address)?);
    if let Some(hosts) = variable("JWT_INSECURE_HTTP_HOSTS") {
        keys = keys.insecure_http_hosts(hosts.split(',').map(str::trim));
    }
    if let Some(path) = variable("JWT_KEYS_FILE") {
        keys = keys.keep_in(FileKeyStore::new(path));
    }
    if variable("JWT_ALLOW_HTTP").as_deref() == Some("1") {
        keys = keys.insecure_http_on_loopback();
    }
    if let Some(max_age) = variable("JWT_KEYS_MAX_AGE") {
        let seconds =
            max_age.parse().map_err(|_| format!("JWT_KEYS_MAX_AGE: {max_age} is no number of seconds"))?;
        keys = keys.max_age(Duration::from_secs(seconds)..=Duration::from_secs(seconds));
    }
    Ok(keys)
}

/// What fetches, with the authorities and the token of a private network.
fn fetch(address: &str) -> Result<HttpFetch, Problem> {
    let mut fetch = HttpFetch::builder();
    if let Some(path) = variable("JWT_CA_FILE") {
        fetch =
            fetch.root_certificates(std::fs::read(&path).map_err(|e| format!("JWT_CA_FILE: {path}: {e}"))?);
    }
    if let Some(path) = variable("JWT_FETCH_TOKEN_FILE") {
        let address: Uri = address.parse().map_err(|_| format!("{address} is not a URL"))?;
        let (scheme, host) = (address.scheme_str().unwrap_or_default(), address.authority());
        fetch =
            fetch.bearer_token_file(&format!("{scheme}://{}", host.map_or("", |host| host.as_str())), path);
    }
    Ok(fetch.build()?)
}

fn secret_keys(text: &str, algorithms: &[Algorithm]) -> Result<KeySet, tower_jwt_auth::ConfigError> {
    let secret = match text.split_once(':') {
        Some(("raw", bytes)) => Secret::from_bytes(bytes)?,
        Some(("hex", digits)) => Secret::from_hex(digits)?,
        _ => Secret::from_base64(text)?,
    };
    let algorithms = if algorithms.is_empty() { &[Algorithm::HS256] } else { algorithms };
    let mut sets = algorithms.iter().map(|algorithm| KeySet::from_secret(*algorithm, secret.clone()));
    sets.try_fold(KeySet::default(), |all, set| Ok(all.merge(&set?)))
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
