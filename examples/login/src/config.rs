//! The settings, read from the environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;

use crate::passwords::Password;

/// What can be set. The names of the variables stand behind.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where users, sessions and keys are kept: `LOGIN_DIR`.
    pub dir: PathBuf,
    /// PostgreSQL for all of it instead, which several processes may share: `DATABASE_URL`.
    pub database_url: Option<ServerUrl>,
    /// Redis for the revocations, which it tells all processes at once: `REDIS_URL`. Without it they are in the database.
    pub redis_url: Option<ServerUrl>,
    /// The port on the loopback interface, 0 for any: `PORT`.
    pub port: u16,
    /// How the browser reaches the application, if not by `http://localhost` and the port: `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// The header in which the proxy in front writes the client's address, such as `x-forwarded-for`: `CLIENT_IP_HEADER`.
    /// Without a proxy that sets it, everybody could write there what they like.
    pub client_header: Option<HeaderName>,
    /// How long an access token lives: `ACCESS_SECONDS`.
    pub access_lifetime: Duration,
    /// The password of the user `admin`, who is created at the first start; made up if it is not set: `ADMIN_PASSWORD`.
    pub admin_password: Option<Password>,
}

/// Where a server is. It may have a password in it, so it is not shown.
#[derive(Clone)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The text, to connect with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerUrl(..)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("login-data"),
            database_url: None,
            redis_url: None,
            port: 3000,
            public_url: None,
            client_header: None,
            access_lifetime: Duration::from_secs(600),
            admin_password: None,
        }
    }
}

impl Config {
    /// Reads the settings with `variable`, such as [`environment`].
    ///
    /// # Errors
    /// Names the variable, its value and what it should be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut config = Self::default();
        if let Some(dir) = variable("LOGIN_DIR") {
            config.dir = dir.into();
        }
        if let Some(url) = variable("DATABASE_URL") {
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err("DATABASE_URL: should be like postgres://user:password@host/database".to_owned());
            }
            config.database_url = Some(ServerUrl(url));
        }
        if let Some(url) = variable("REDIS_URL") {
            if !url.starts_with("redis://") {
                return Err("REDIS_URL: should be like redis://:password@host:6379/0".to_owned());
            }
            config.redis_url = Some(ServerUrl(url));
        }
        if let Some(port) = variable("PORT") {
            config.port = port.parse().map_err(|_| format!("PORT: {port:?} is no port: give 0 to 65535"))?;
        }
        if let Some(url) = variable("PUBLIC_URL") {
            // Browsers take the cookies, which are `Secure`, over https only; http counts for localhost.
            if !url.starts_with("https://") || url.ends_with('/') {
                return Err(format!(
                    "PUBLIC_URL: {url:?} should be like https://login.example.com, without slash"
                ));
            }
            config.public_url = Some(url);
        }
        if let Some(name) = variable("CLIENT_IP_HEADER") {
            let header = name
                .parse()
                .map_err(|_| format!("CLIENT_IP_HEADER: {name:?} is not the name of a header"))?;
            config.client_header = Some(header);
        }
        if let Some(text) = variable("ACCESS_SECONDS") {
            let seconds = text.parse().ok().filter(|seconds| (5..=86_400).contains(seconds));
            let seconds =
                seconds.ok_or(format!("ACCESS_SECONDS: {text:?} should be a number from 5 to 86400"))?;
            config.access_lifetime = Duration::from_secs(seconds);
        }
        if let Some(password) = variable("ADMIN_PASSWORD").map(Password::from) {
            password.check("admin").map_err(|error| format!("ADMIN_PASSWORD: {error}"))?;
            config.admin_password = Some(password);
        }
        Ok(config)
    }
}

/// A variable of the environment; set to nothing counts as not set.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Config, String> {
        Config::read(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (name, value) in [
            ("DATABASE_URL", "mysql://root@localhost/login"),
            ("REDIS_URL", "http://localhost:6379"),
            ("PORT", "65536"),
            ("PORT", "http"),
            ("ACCESS_SECONDS", "4"),
            ("ACCESS_SECONDS", "10m"),
            ("PUBLIC_URL", "http://login.example.com"),
            ("PUBLIC_URL", "https://login.example.com/"),
            ("CLIENT_IP_HEADER", "x forwarded for"),
            ("ADMIN_PASSWORD", "secret"),
        ] {
            let error = read(name, value).unwrap_err();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            let is_secret = matches!(name, "ADMIN_PASSWORD" | "DATABASE_URL" | "REDIS_URL");
            assert_eq!(error.contains(value), !is_secret, "{error}");
        }
    }

    #[test]
    fn settings() {
        assert_eq!(read("PORT", "0").unwrap().port, 0);
        assert_eq!(read("ACCESS_SECONDS", "5").unwrap().access_lifetime, Duration::from_secs(5));
        assert_eq!(read("LOGIN_DIR", "elsewhere").unwrap().dir, PathBuf::from("elsewhere"));
        let url = read("PUBLIC_URL", "https://login.example.com").unwrap().public_url;
        assert_eq!(url.as_deref(), Some("https://login.example.com"));
        assert_eq!(read("CLIENT_IP_HEADER", "X-Real-IP").unwrap().client_header.unwrap(), "x-real-ip");
        assert!(read("ADMIN_PASSWORD", "a long enough password").unwrap().admin_password.is_some());
        let config = read("DATABASE_URL", "postgres://login:secret@localhost/login").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert_eq!(config.database_url.unwrap().expose(), "postgres://login:secret@localhost/login");
        let config = read("REDIS_URL", "redis://:secret@localhost:6379/0").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert_eq!(config.redis_url.unwrap().expose(), "redis://:secret@localhost:6379/0");
        assert_eq!(read("", "").unwrap().port, 3000);
    }
}
