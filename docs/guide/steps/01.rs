use std::error::Error;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{self, PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
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

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
struct Shop {
    users: Arc<Users>,
}

async fn login(State(shop): State<Shop>, Json(given): Json<Credentials>) -> Result<String, StatusCode> {
    let user = shop.users.check(given).await.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("welcome, {}\n", user.name))
}

async fn open() -> Result<Shop, Box<dyn Error>> {
    Ok(Shop { users: Arc::new(Users::new()?) })
}

fn app(shop: Shop) -> Result<Router, Box<dyn Error>> {
    Ok(Router::new().route("/login", post(login)).with_state(shop))
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
