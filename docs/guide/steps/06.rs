use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use tower_jwt_auth::Require;
use tower_jwt_auth::{Algorithm, Issuer, SigningKey};
use tower_jwt_auth::{Jwt, JwtAuthLayer, Verifier};
use tower_jwt_auth::{RefreshError, RefreshToken, RefreshTokens, Session};
use tower_jwt_auth_sql::SqliteStores;
use tracing_subscriber::filter::LevelFilter;

#[derive(Clone)]
struct User {
    name: String,
    roles: Vec<String>,
    password_hash: String,
}

/// The users. In memory, to keep this short; yours are a table of your database.
struct Users {
    list: Vec<User>,
    nobodys_hash: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

impl Users {
    fn new() -> Result<Self, password_hash::Error> {
        let user = |name: &str, password, roles: &[&str]| -> Result<User, password_hash::Error> {
            let roles = roles.iter().copied().map(str::to_owned).collect();
            Ok(User { name: name.to_owned(), roles, password_hash: hash(password)? })
        };
        let list = vec![user("bob", "open sesame", &[])?, user("alice", "wonderland", &["admin"])?];
        Ok(Self { list, nobodys_hash: hash("the password of nobody")? })
    }

    fn find(&self, name: &str) -> Option<User> {
        self.list.iter().find(|user| user.name == name).cloned()
    }

    /// The user, if there is one of this name and the password is right.
    async fn check(&self, given: Credentials) -> Option<User> {
        let user = self.find(&given.username);
        // Without such a user a hash is checked all the same: how long the answer takes tells no names.
        let hash = user.as_ref().map_or(&self.nobodys_hash, |user| &user.password_hash).clone();
        // On a thread where slow work holds up nobody else.
        let check = tokio::task::spawn_blocking(move || is_right(&given.password, &hash));
        if check.await.unwrap_or(false) { user } else { None }
    }
}

fn hash(password: &str) -> Result<String, password_hash::Error> {
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

fn is_right(password: &str, hash: &str) -> bool {
    let hash = PasswordHash::new(hash);
    hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[derive(Clone)]
struct Shop {
    users: Arc<Users>,
    issuer: Issuer,
    refresh: RefreshTokens,
}

async fn login(State(shop): State<Shop>, Json(given): Json<Credentials>) -> Result<Response, StatusCode> {
    Ok(in_json(&shop, &begin(&shop, given).await?))
}

async fn open() -> Result<Shop, Box<dyn Error>> {
    // For now a key that ends with the process.
    let key = SigningKey::generate(Algorithm::ES256)?;
    let issuer = Issuer::builder("http://localhost:3000", key)
        .audience("shop")
        .lifetime(Duration::from_secs(300))
        .build()?;
    let stores = SqliteStores::open("data/sessions.db").await?;
    let refresh = RefreshTokens::builder(stores.refresh()).idle(SESSION).build()?;
    Ok(Shop { users: Arc::new(Users::new()?), issuer, refresh })
}

fn app(shop: Shop) -> Result<Router, Box<dyn Error>> {
    // `"/roles"` means the claim `roles`: write a slash, then the name of the claim.
    let verifier = Verifier::<Access>::new(shop.issuer.authority().roles_at("/roles"))?;
    let open = Router::new().route("/login", post(login)).route("/refresh", post(refresh));
    let members = Router::new()
        .route("/me", get(me))
        .route("/users", get(list_users).route_layer(Require::role("admin")))
        .route_layer(JwtAuthLayer::new(verifier));
    Ok(open.merge(members).with_state(shop))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Why a request was refused will be told here, in the log, and never to the client.
    tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG).init();

    let app = app(open().await?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://localhost:3000");
    axum::serve(listener, app).await?;
    Ok(())
}

#[derive(Deserialize, Serialize)]
struct Access {
    /// The subject: whom the token is about.
    sub: String,
    roles: Vec<String>,
    /// The session that the token came from.
    sid: String,
}

fn access_token(shop: &Shop, user: &User, session: &Session) -> Result<String, StatusCode> {
    let (sub, sid) = (user.name.clone(), session.sid().to_owned());
    shop.issuer.sign(&Access { sub, sid, roles: user.roles.clone() }).map_err(our_fault)
}

/// 500 for the client, the reason for the log.
fn our_fault(error: impl Display) -> StatusCode {
    eprintln!("error: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Reached only with a good token: without one there is no `Jwt`.
async fn me(user: Jwt<Access>) -> String {
    format!("you are {}\n", user.sub)
}

/// Reached only by admins.
async fn list_users(State(shop): State<Shop>) -> Json<Vec<String>> {
    Json(shop.users.list.iter().map(|user| user.name.clone()).collect())
}

/// How long somebody may stay away without having to log in again: two weeks.
const SESSION: Duration = Duration::from_secs(14 * 24 * 3600);

/// What a login or a refresh yields.
struct Tokens {
    access: String,
    refresh: RefreshToken,
}

/// Login: checks the password and begins a session.
async fn begin(shop: &Shop, given: Credentials) -> Result<Tokens, StatusCode> {
    let user = shop.users.check(given).await.ok_or(StatusCode::UNAUTHORIZED)?;
    let grant = shop.refresh.begin(&user.name).await.map_err(our_fault)?;
    Ok(Tokens { access: access_token(shop, &user, &grant.session)?, refresh: grant.token })
}

/// Refresh: exchanges the refresh token, and looks the user up again.
async fn renew(shop: &Shop, token: &RefreshToken) -> Result<Tokens, StatusCode> {
    // `None` would say that there is no such user any more, and end the session.
    // This list has no errors, hence `Infallible`; a database has.
    let find = |session: Session| async move { Ok::<_, Infallible>(shop.users.find(session.subject())) };
    let rotated = shop.refresh.rotate(token, find).await.map_err(not_renewed)?;
    Ok(Tokens { access: access_token(shop, &rotated.user, &rotated.session)?, refresh: rotated.token })
}

fn not_renewed(error: RefreshError) -> StatusCode {
    if error.is_transient() { our_fault(error) } else { StatusCode::UNAUTHORIZED }
}

fn in_json(shop: &Shop, tokens: &Tokens) -> Response {
    let answer = json!({
        "access_token": tokens.access,
        "token_type": "Bearer",
        "expires_in": shop.issuer.lifetime().as_secs(),
        "refresh_token": tokens.refresh.as_str(),
    });
    // No cache on the way may keep a token.
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

#[derive(Deserialize)]
struct Presented {
    refresh_token: RefreshToken,
}

async fn refresh(State(shop): State<Shop>, Json(given): Json<Presented>) -> Result<Response, StatusCode> {
    Ok(in_json(&shop, &renew(&shop, &given.refresh_token).await?))
}
