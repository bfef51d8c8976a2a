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
use axum::routing::get;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde::Serialize;
use serde_json::json;
use tower_jwt_auth::Require;
use tower_jwt_auth::{Algorithm, Issuer, SigningKey};
use tower_jwt_auth::{Jwt, JwtAuthLayer, Verifier};
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
}

async fn login(
    State(shop): State<Shop>,
    Json(given): Json<Credentials>,
) -> Result<impl IntoResponse, StatusCode> {
    let user = shop.users.check(given).await.ok_or(StatusCode::UNAUTHORIZED)?;
    let answer = json!({
        "access_token": access_token(&shop, &user)?,
        "token_type": "Bearer",
        "expires_in": shop.issuer.lifetime().as_secs(),
    });
    // No cache on the way may keep a token.
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)))
}

async fn open() -> Result<Shop, Box<dyn Error>> {
    // For now a key that ends with the process: after a restart everybody has to log in again.
    let key = SigningKey::generate(Algorithm::ES256)?;
    let issuer = Issuer::builder("http://localhost:3000", key)
        .audience("shop")
        .lifetime(Duration::from_secs(300))
        .build()?;
    Ok(Shop { users: Arc::new(Users::new()?), issuer })
}

fn app(shop: Shop) -> Result<Router, Box<dyn Error>> {
    // `"/roles"` means the claim `roles`: write a slash, then the name of the claim.
    let verifier = Verifier::<Access>::new(shop.issuer.authority().roles_at("/roles"))?;
    let open = Router::new().route("/login", post(login));
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

/// What our tokens say about a user, beside what the issuer adds.
#[derive(Deserialize, Serialize)]
struct Access {
    /// The subject: whom the token is about.
    sub: String,
    roles: Vec<String>,
}

fn access_token(shop: &Shop, user: &User) -> Result<String, StatusCode> {
    let claims = Access { sub: user.name.clone(), roles: user.roles.clone() };
    shop.issuer.sign(&claims).map_err(our_fault)
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
