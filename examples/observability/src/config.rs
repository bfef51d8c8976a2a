//! The settings, read from the environment.

use std::net::SocketAddr;
use std::time::Duration;

use tower_jwt_auth::{Authority, RemoteKeys};

/// What can be set. The names of the variables stand behind.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where callers come: `LISTEN`.
    pub listen: SocketAddr,
    /// Where operators and Prometheus come: `ADMIN_LISTEN`.
    pub admin: SocketAddr,
    /// The issuer of the tokens, an OpenID provider: `ISSUER`. Without it a provider for demonstration is started.
    pub issuer: Option<String>,
    /// The audience of the tokens: `AUDIENCE`.
    pub audience: String,
    /// How long keys are fresh at most: `KEYS_MAX_AGE`, in seconds.
    pub max_age: Option<Duration>,
    /// How long keys serve after that while the provider is down: `KEYS_STALE`, in seconds.
    pub stale: Option<Duration>,
}

impl Config {
    /// Reads the settings with `variable`.
    ///
    /// # Errors
    /// Names the variable, its value and what it should be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let address = |name: &str, usual| match variable(name) {
            None => Ok(SocketAddr::from(([127, 0, 0, 1], usual))),
            Some(text) => {
                text.parse().map_err(|_| format!("{name}: {text:?} should be like 127.0.0.1:{usual}"))
            }
        };
        let seconds = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
                Err(_) => Err(format!("{name}: {text:?} should be a number of seconds")),
            },
        };
        Ok(Self {
            listen: address("LISTEN", 3000)?,
            admin: address("ADMIN_LISTEN", 3001)?,
            issuer: variable("ISSUER"),
            audience: variable("AUDIENCE").unwrap_or_else(|| "orders-api".to_owned()),
            max_age: seconds("KEYS_MAX_AGE")?,
            stale: seconds("KEYS_STALE")?,
        })
    }

    /// The authority over these keys.
    pub fn authority(&self, keys: RemoteKeys) -> Authority {
        let keys = self
            .max_age
            .into_iter()
            .fold(keys, |keys, age| keys.max_age(age.min(Duration::from_secs(300))..=age));
        let keys = self.stale.into_iter().fold(keys, RemoteKeys::stale);
        Authority::oidc(keys).audience(&self.audience)
    }
}
