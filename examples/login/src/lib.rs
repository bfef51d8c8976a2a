//! A login with real parts: users in SQLite or PostgreSQL, Argon2id, short access tokens, refresh tokens that rotate, roles.
//!
//! | job | a program, tokens in the body | a browser, tokens in cookies |
//! |---|---|---|
//! | sign up | `POST /api/signup` | the same |
//! | log in | `POST /api/login` | `POST /session/login` |
//! | refresh | `POST /api/refresh` | `POST /session/refresh` |
//! | log out | `POST /api/logout` | `POST /session/logout` |
//! | log out everywhere | `POST /api/logout-everywhere` | the same |
//! | what the token says | `GET /api/session` | the same |
//! | notes: readers, writers, admins | `GET`, `POST /api/notes`, `DELETE /api/notes/{id}` | the same |
//! | rotate the signing key: admins | `POST /api/keys/rotate` | the same |
//! | users: admins | `GET /api/users`, `PUT /api/users/{username}/roles` | the same |

pub mod accounts;
pub mod client;
pub mod config;
pub mod db;
pub mod error;
mod guard;
pub mod limits;
pub mod notes;
mod page;
pub mod passwords;
pub mod roles;
pub mod sessions;
pub mod tokens;
pub mod users;

use std::error::Error;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{from_fn, map_response};
use axum::routing::{delete, get, post, put};
use tower_http::csrf::CsrfLayer;
use tower_jwt_auth::Clock;

use crate::config::Config;
use crate::db::Db;
use crate::error::AppError;
use crate::limits::Limits;
use crate::notes::Notes;
use crate::passwords::{Password, Passwords};
use crate::tokens::Tokens;
use crate::users::{Role, Username, Users};

/// More than any body of ours has, in bytes.
const MAX_BODY: usize = 8 * 1024;

const WRONG_METHOD: AppError = AppError::Invalid(
    StatusCode::METHOD_NOT_ALLOWED,
    "This route takes other methods: see the header allow.",
);

/// The application: its parts, shared by all requests.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of the application.
#[derive(Debug)]
pub struct Parts {
    /// The users.
    pub users: Users,
    /// The notes.
    pub notes: Notes,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Counts attempts.
    pub limits: Limits,
    /// Signs and checks tokens.
    pub tokens: Tokens,
    client_header: Option<HeaderName>,
    url: String,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Opens the data in the directory or the database of `config`, or makes them. `url` is where browsers reach the application.
    ///
    /// # Errors
    /// If the directory, a file in it or the database cannot be used.
    pub async fn open(config: &Config, url: &str, clock: impl Clock + Clone) -> Result<Self, Box<dyn Error>> {
        if config.database_url.is_none() {
            make_private_dir(&config.dir)
                .map_err(|error| format!("LOGIN_DIR: {}: {error}", config.dir.display()))?;
        }
        let (db, stores) = Db::open(config).await?;
        Ok(Self(Arc::new(Parts {
            users: Users(db.clone()),
            notes: Notes(db),
            passwords: Passwords::new()?,
            limits: Limits::new(clock.clone()),
            tokens: Tokens::open(stores, url, config.access_lifetime, clock).await?,
            client_header: config.client_header.clone(),
            url: url.to_owned(),
        })))
    }

    /// Creates the user `admin` if there is no user at all, and says whether it did. An administrator that is there
    /// before the first stranger comes cannot be anybody else.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn create_admin(&self, password: Password) -> Result<bool, AppError> {
        let Some(name) = Username::parse("admin") else { return Ok(false) };
        if !self.users.list().await?.is_empty() {
            return Ok(false);
        }
        let hash = self.passwords.hash(password).await?;
        Ok(self.users.add(&name, hash, &[Role::Reader, Role::Writer, Role::Admin]).await?.is_some())
    }

    /// All routes. Serve them with `into_make_service_with_connect_info::<SocketAddr>()`: limits count by address.
    ///
    /// # Errors
    /// If the address of the application is no origin.
    pub fn router(self) -> Result<Router, Box<dyn Error>> {
        let open = Router::new()
            .route("/api/signup", post(accounts::sign_up))
            .route("/api/login", post(sessions::api_login))
            .route("/api/refresh", post(sessions::api_refresh))
            .route("/api/logout", post(sessions::api_logout))
            .route("/session/login", post(sessions::browser_login))
            .route("/session/refresh", post(sessions::browser_refresh))
            .route("/session/logout", post(sessions::browser_logout));
        let layer = self.tokens.layer();
        let anybody = Router::new()
            .route("/api/session", get(sessions::show))
            .route_layer(layer.clone().optional().keep_raw_token());
        let protected = Router::new()
            .route("/api/logout-everywhere", post(sessions::logout_everywhere))
            .route("/api/notes", get(notes::list).post(notes::create))
            .route("/api/notes/{id}", delete(notes::delete))
            .route("/api/keys/rotate", post(accounts::rotate_keys))
            .route("/api/users", get(accounts::list))
            .route("/api/users/{username}/roles", put(accounts::set_roles))
            .route_layer(layer);
        let csrf = CsrfLayer::new().add_trusted_origin(&self.url)?.with_rejection_response(guard::cross_site);
        let is_https = self.url.starts_with("https://");
        let documents =
            self.tokens.discovery.paths().into_iter().fold(Router::new(), |router, path| {
                router.route_service(&path, self.tokens.discovery.clone())
            });
        let all = open
            .merge(anybody)
            .merge(protected)
            .layer(map_response(error::explain_refusal))
            .layer(map_response(guard::no_store))
            .layer(from_fn(guard::json_only))
            // For the routes that no token protects: nobody is to be logged in or out by another site.
            .layer(csrf)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .merge(page::routes())
            .merge(documents)
            .route_service("/.well-known/jwks.json", self.tokens.issuer.jwks_service())
            .fallback(async || AppError::NotFound)
            .method_not_allowed_fallback(async || WRONG_METHOD)
            .layer(map_response(guard::security_headers));
        let all = if is_https { all.layer(map_response(guard::https_only)) } else { all };
        Ok(all.with_state(self))
    }
}

/// A directory that only its owner can read, for the keys and the hashes. One that is there already must not let others put
/// files into it: whoever brings the database brings the administrator.
fn make_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&path.metadata()?.permissions()) & 0o022 != 0 {
        return Err(std::io::Error::other(
            "others can put files into this directory; give one that is yours alone",
        ));
    }
    Ok(())
}
