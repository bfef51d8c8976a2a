//! What an issuer publishes: its JWK set, and the documents that say where it is.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::{Map, Value, json};
use tower_service::Service;

use crate::crypto::sha256;
use crate::error::ConfigError;
use crate::issuer::{Issuer, PUBLISHED_MAX_AGE};
use crate::jose::encode;
use crate::keys::{Generation, KeySource};
use crate::served::DocumentBody;

/// A public JSON document of an issuer, as a tower service that never fails (feature `issuer`).
///
/// It answers GET and HEAD with `Cache-Control`, `ETag` (304 for `If-None-Match`) and CORS for every origin, preflights
/// included; other methods with 405. Made by [`Issuer::jwks_service`] and [`MetadataBuilder::build`].
///
/// ```
/// # fn main() -> Result<(), tower_jwt_auth::ConfigError> {
/// use axum::Router;
/// use tower_jwt_auth::{Algorithm, Issuer, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let issuer = Issuer::builder("https://id.example.com", key).audience("api").build()?;
/// let metadata = issuer.metadata().build()?;
/// let mut app: Router = Router::new().route_service("/.well-known/jwks.json", issuer.jwks_service());
/// for path in metadata.paths() {
///     app = app.route_service(&path, metadata.clone());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DocumentService {
    document: Arc<Document>,
    paths: Vec<String>,
}

enum Document {
    /// Rendered again when the generation moves.
    Keys {
        issuer: Issuer,
        rendered: ArcSwap<(Generation, Rendered)>,
    },
    Fixed(Rendered),
}

#[derive(Clone)]
struct Rendered {
    media_type: &'static str,
    json: Bytes,
    etag: HeaderValue,
}

impl Issuer {
    /// The JWK set of this issuer as a service: mount it at `/.well-known/jwks.json`.
    ///
    /// It follows rotations. Secrets (HMAC) are never in it. While a key ring could not be read for so long that a key may
    /// be missing, it answers 503, and others keep the set that they have.
    #[must_use]
    pub fn jwks_service(&self) -> DocumentService {
        let rendered = ArcSwap::from_pointee(self.render_keys());
        let document = Arc::new(Document::Keys { issuer: self.clone(), rendered });
        DocumentService { document, paths: vec!["/.well-known/jwks.json".to_owned()] }
    }

    /// The discovery document of this issuer (RFC 8414, and OpenID Connect Discovery), by which others find the keys.
    pub fn metadata(&self) -> MetadataBuilder {
        MetadataBuilder { issuer: self.clone(), members: Map::new() }
    }

    fn render_keys(&self) -> (Generation, Rendered) {
        let (generation, keys) = self.published().current();
        (generation, Rendered::new("application/jwk-set+json", keys.to_public_jwks()))
    }
}

/// The members of a discovery document.
#[derive(Debug)]
#[must_use = "call build"]
pub struct MetadataBuilder {
    issuer: Issuer,
    members: Map<String, Value>,
}

impl MetadataBuilder {
    /// Adds a member, such as `token_endpoint`, or replaces one.
    ///
    /// `issuer` cannot be replaced. `jwks_uri` is `/.well-known/jwks.json` below the issuer by default.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// Names the endpoint that is a [`RevocationEndpoint`](crate::RevocationEndpoint), by its URL, or by its path below the
    /// issuer, such as `/oauth/revoke` (RFC 8414 section 2).
    ///
    /// Its authentication methods are those that the endpoint takes: `client_secret_basic`, `client_secret_post` and `none`. To say
    /// less, replace the [`member`](Self::member) `revocation_endpoint_auth_methods_supported`.
    pub fn revocation_endpoint(self, url: impl Into<String>) -> Self {
        let methods = json!(["client_secret_basic", "client_secret_post", "none"]);
        self.endpoint("revocation_endpoint", url.into())
            .member("revocation_endpoint_auth_methods_supported", methods)
    }

    /// Names the endpoint that is an [`IntrospectionEndpoint`](crate::IntrospectionEndpoint), by its URL, or by its path below the
    /// issuer, such as `/oauth/introspect`: with its authentication methods (RFC 8414 section 2), and the algorithm of its signed
    /// answers (RFC 9701 section 7).
    pub fn introspection_endpoint(self, url: impl Into<String>) -> Self {
        let algorithm = self.issuer.algorithm().as_str();
        self.endpoint("introspection_endpoint", url.into())
            .member(
                "introspection_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post"]),
            )
            .member("introspection_signing_alg_values_supported", json!([algorithm]))
    }

    fn endpoint(self, name: &'static str, url: String) -> Self {
        let base = self.issuer.issuer().trim_end_matches('/');
        let url = if url.starts_with('/') { format!("{base}{url}") } else { url };
        self.member(name, url)
    }

    /// The document as a service; mount it at each of [`DocumentService::paths`].
    ///
    /// # Errors
    /// If the issuer is not an https URL without user, query and fragment (http only for a loopback host), or a member
    /// replaces `issuer`; or an endpoint is no such URL.
    pub fn build(self) -> Result<DocumentService, ConfigError> {
        let issuer = self.issuer.issuer();
        let path = path_of("issuer", issuer)?;
        if self.members.contains_key("issuer") {
            let remedy = "name it in Issuer::builder: it must be the `iss` of the tokens";
            return Err(ConfigError::new("metadata", "`issuer` cannot be replaced", remedy));
        }
        for name in ["revocation_endpoint", "introspection_endpoint"] {
            if let Some(Value::String(url)) = self.members.get(name) {
                path_of(name, url)?;
            }
        }
        let base = issuer.trim_end_matches('/');
        let mut members = json!({
            "issuer": issuer,
            "jwks_uri": format!("{base}/.well-known/jwks.json"),
            // What both standards demand, of an issuer without an authorization endpoint.
            "response_types_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.issuer.algorithm().as_str()],
        });
        if let Value::Object(members) = &mut members {
            members.extend(self.members);
        }
        let rendered = Rendered::new("application/json", members.to_string());
        let paths = vec![
            // RFC 8414 section 3.1 inserts, OpenID Connect Discovery section 4.1 appends.
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("{path}/.well-known/openid-configuration"),
        ];
        Ok(DocumentService { document: Arc::new(Document::Fixed(rendered)), paths })
    }
}

/// The path of a URL that others are to use, without a slash at its end.
fn path_of(setting: &'static str, url: &str) -> Result<String, ConfigError> {
    let refused = |problem: &str| {
        ConfigError::new(
            setting,
            format!("{url:?} {problem}, so nobody can discover it"),
            "use a URL such as https://id.example.com",
        )
    };
    let uri: Uri = url.parse().map_err(|_| refused("is not a URL"))?;
    let host = uri.host().ok_or_else(|| refused("is not a URL"))?;
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        _ => return Err(refused("does not begin with https://")),
    }
    if url.contains(['?', '#']) {
        return Err(refused("has a query or a fragment"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refused("names a user"));
    }
    Ok(uri.path().trim_end_matches('/').to_owned())
}

impl DocumentService {
    /// The paths where others look for this document, each with a slash in front.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.paths.clone()
    }

    fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<DocumentBody> {
        let mut response = match *method {
            Method::GET | Method::HEAD => self.document(method, headers),
            Method::OPTIONS => {
                let mut response = empty(StatusCode::NO_CONTENT);
                let fields = response.headers_mut();
                fields.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
                fields.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
                fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
                fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
                response
            }
            _ => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
                response
            }
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }

    fn document(&self, method: &Method, headers: &HeaderMap) -> Response<DocumentBody> {
        let Some(rendered) = self.document.current() else {
            let mut response = empty(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return response;
        };
        let mut response = match has_current(headers, &rendered.etag) {
            true => empty(StatusCode::NOT_MODIFIED),
            false => {
                let length = rendered.json.len();
                let body = if *method == Method::HEAD { None } else { Some(rendered.json) };
                let mut response = Response::new(DocumentBody(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(rendered.media_type));
                response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
                response
            }
        };
        response.headers_mut().insert(ETAG, rendered.etag);
        if let Ok(value) = HeaderValue::try_from(format!("public, max-age={}", PUBLISHED_MAX_AGE.as_secs())) {
            response.headers_mut().insert(CACHE_CONTROL, value);
        }
        response
    }
}

impl Document {
    /// `None` if a key may be missing.
    fn current(&self) -> Option<Rendered> {
        match self {
            Self::Fixed(rendered) => Some(rendered.clone()),
            Self::Keys { issuer, rendered } => {
                if issuer.may_lack_a_key() {
                    return None;
                }
                if rendered.load().0 != issuer.published().generation() {
                    rendered.store(Arc::new(issuer.render_keys()));
                }
                Some(rendered.load().1.clone())
            }
        }
    }
}

impl Rendered {
    fn new(media_type: &'static str, json: String) -> Self {
        let hash = sha256(json.as_bytes()).map(encode).unwrap_or_default();
        let etag = HeaderValue::try_from(format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { media_type, json: json.into(), etag }
    }
}

/// Whether the client has this very document (RFC 9110 section 13.1.2: the weak comparison).
fn has_current(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    tags.flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes())
}

fn empty(status: StatusCode) -> Response<DocumentBody> {
    let mut response = Response::new(DocumentBody(None));
    *response.status_mut() = status;
    response
}

impl<B> Service<Request<B>> for DocumentService {
    type Response = Response<DocumentBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.headers())))
    }
}

impl fmt::Debug for DocumentService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentService").field("paths", &self.paths).finish_non_exhaustive()
    }
}
