//! `cargo run -p login`, then open the address that it prints. The settings are in `config.rs`.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use login::App;
use login::config::{Config, environment};
use login::passwords::Password;
use tokio::net::TcpListener;
use tower_jwt_auth::SystemClock;

#[tokio::main]
async fn main() -> Result<(), Problem> {
    let config = Config::read(environment)?;
    // The port first: whoever finds it taken has not been told a password that then gets lost.
    let listener = TcpListener::bind(("127.0.0.1", config.port)).await;
    let listener = listener.map_err(|error| {
        format!("port {} of 127.0.0.1: {error}; set PORT to another one, or to 0 for any", config.port)
    })?;
    let local = format!("http://localhost:{}", listener.local_addr()?.port());
    let url = config.public_url.clone().unwrap_or_else(|| local.clone());
    let app = App::open(&config, &url, SystemClock).await?;

    match &config.database_url {
        Some(_) => println!("users, sessions and keys are in PostgreSQL (DATABASE_URL)"),
        None => println!("users, sessions and keys are in {} (LOGIN_DIR)", config.dir.display()),
    }
    if config.redis_url.is_some() {
        println!("revocations are in Redis (REDIS_URL)");
    }
    let made_up = config.admin_password.is_none();
    let password = config.admin_password.map_or_else(Password::generate, Ok)?;
    if app.create_admin(password.clone()).await? {
        let shown = if made_up { password.expose() } else { "that is in ADMIN_PASSWORD" };
        println!("first start: created the user admin with the password {shown}");
    }
    println!("listening on {local}");
    if url != local {
        println!("to be reached at {url}");
        if config.client_header.is_none() {
            eprintln!(
                "warning: behind a proxy all clients look like one, and share one limit; set CLIENT_IP_HEADER to the \
                 header in which the proxy names the client"
            );
        }
    }
    tokio::spawn(clean_up(app.clone()));
    let service = app.router()?.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).with_graceful_shutdown(stopped()).await?)
}

/// Forgets expired sessions, each hour.
async fn clean_up(app: App) {
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hours.tick().await;
        if let Err(error) = app.tokens.refresh.remove_expired().await {
            eprintln!("warning: expired sessions are still there: {error}");
        }
    }
}

async fn stopped() {
    // Without a handler for Ctrl-C the system ends the process, which is safe at any time.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An error that `main` shows as plain text.
struct Problem(String);

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Into<Box<dyn Error>>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}
