//! Where the keys are: at the URL of a JWK set, or behind a discovery document.

/// How the URL of an authority leads to its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEndpoint {
    /// It is that of the JWK set.
    JwkSet,
    /// It is the issuer, whose discovery document names that of the JWK set.
    Discovery,
    /// Followed by a `kid`, it is that of a public key in PEM, for ES256.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code))]
    PemOfKid,
}

/// What follows the issuer in the URL of its discovery document (OpenID Connect Discovery section 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// Where the keys are fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyLocation {
    JwkSet {
        url: String,
    },
    Discovery {
        issuer: String,
        /// The URL of the discovery document.
        document: String,
        /// The issuer that would have its document at this URL, if the user has set the URL: a provider that is reached by
        /// another name may call itself by that.
        other_name: Option<String>,
    },
    /// One public key in PEM, for ES256.
    Pem {
        url: String,
        kid: String,
    },
}

/// A URL as people may see it: a query may be secret.
pub(crate) fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(place, _)| place)
}

impl KeyLocation {
    /// The discovery document of this issuer, where the standard says that it is.
    pub(super) fn of_issuer(issuer: &str) -> Self {
        // OpenID Connect Discovery section 4.1: a slash at the end is removed first.
        let document = format!("{}{DISCOVERY_PATH}", issuer.trim_end_matches('/'));
        Self::Discovery { issuer: issuer.to_owned(), document, other_name: None }
    }

    /// The discovery document of this issuer, at another address.
    pub(super) fn of_issuer_at(issuer: &str, document: &str) -> Self {
        let other_name = document.strip_suffix(DISCOVERY_PATH).map(str::to_owned);
        Self::Discovery { issuer: issuer.to_owned(), document: document.to_owned(), other_name }
    }

    /// What names this source: the issuer, or the URL of the JWK set.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::JwkSet { url } | Self::Pem { url, .. } => url,
            Self::Discovery { issuer, .. } => issuer,
        }
    }

    /// The same for people, without a query, which may be secret.
    pub(super) fn shown(&self) -> &str {
        without_query(self.name())
    }

    /// What is fetched first.
    pub(super) fn url(&self) -> &str {
        match self {
            Self::JwkSet { url } | Self::Pem { url, .. } => url,
            Self::Discovery { document, .. } => document,
        }
    }

    pub(super) const fn kind(&self) -> KeyEndpoint {
        match self {
            Self::JwkSet { .. } => KeyEndpoint::JwkSet,
            Self::Discovery { .. } => KeyEndpoint::Discovery,
            Self::Pem { .. } => KeyEndpoint::PemOfKid,
        }
    }
}
