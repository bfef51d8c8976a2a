//! How this resource server proves to the endpoint who it is (RFC 7662 section 2.1, RFC 6749 section 2.3, RFC 7523 section 2.2).

use std::fmt;

use base64::Engine;
use form_urlencoded::byte_serialize;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

use crate::error::ConfigError;
#[cfg(feature = "issuer")]
use crate::issuer::Issuer;
use crate::opaque::AskError;

/// Names and values of a form.
pub(super) type FormFields = Vec<(&'static str, Zeroizing<String>)>;

/// How a client authenticates.
pub(super) enum ClientAuth {
    /// `client_secret_basic`
    Basic(HeaderValue),
    /// `client_secret_post`
    Post { client_id: String, secret: Zeroizing<String> },
    /// `private_key_jwt`: an issuer of assertions, whose `iss` is the client.
    #[cfg(feature = "issuer")]
    Assertion(Issuer),
    /// By something else, such as mutual TLS.
    None,
}

impl ClientAuth {
    /// # Errors
    /// If the client has no name, or there is no secret.
    pub(super) fn basic(client_id: &str, secret: &str) -> Result<Self, ConfigError> {
        check(client_id, secret)?;
        // RFC 6749 section 2.3.1: both are form-encoded first, so that a colon in one of them is none.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Zeroizing::new(format!("{}:{}", encoded(client_id), &*Zeroizing::new(encoded(secret))));
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()));
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            ConfigError::new("client_secret_basic", "it cannot stand in a header", "use visible ASCII")
        })?;
        value.set_sensitive(true);
        Ok(Self::Basic(value))
    }

    /// # Errors
    /// If the client has no name, or there is no secret.
    pub(super) fn post(client_id: String, secret: Zeroizing<String>) -> Result<Self, ConfigError> {
        check(&client_id, &secret)?;
        Ok(Self::Post { client_id, secret })
    }

    /// What proves the client, in the headers and in the form.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub(super) async fn authenticate(&self, headers: &mut HeaderMap) -> Result<FormFields, AskError> {
        let mut fields = FormFields::new();
        match self {
            Self::None => {}
            Self::Basic(value) => drop(headers.insert(AUTHORIZATION, value.clone())),
            Self::Post { client_id, secret } => {
                fields.push(("client_id", Zeroizing::new(client_id.clone())));
                fields.push(("client_secret", secret.clone()));
            }
            #[cfg(feature = "issuer")]
            Self::Assertion(client) => {
                let subject = Subject { sub: client.issuer() };
                let assertion = client.sign_async(&subject).await.map_err(AskError::down)?;
                fields.push(("client_assertion_type", Zeroizing::new(ASSERTION_TYPE.to_owned())));
                fields.push(("client_assertion", Zeroizing::new(assertion)));
            }
        }
        Ok(fields)
    }
}

#[cfg(feature = "issuer")]
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The other claims are those of the issuer of assertions.
#[cfg(feature = "issuer")]
#[derive(serde::Serialize)]
struct Subject<'c> {
    sub: &'c str,
}

fn check(client_id: &str, secret: &str) -> Result<(), ConfigError> {
    match (client_id.is_empty(), secret.is_empty()) {
        (false, false) => Ok(()),
        (true, _) => {
            let remedy = "name the client that was registered for this service";
            Err(ConfigError::new("client_id", "it is empty", remedy))
        }
        (false, true) => {
            let remedy = "give the secret that the authorization server made for this client";
            Err(ConfigError::new("client_secret", "it is empty", remedy))
        }
    }
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic(_) => "client_secret_basic",
            Self::Post { .. } => "client_secret_post",
            #[cfg(feature = "issuer")]
            Self::Assertion(_) => "private_key_jwt",
            Self::None => "none",
        })
    }
}
