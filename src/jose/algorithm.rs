//! The closed list of signature algorithms.

use std::fmt;
use std::str::FromStr;

use crate::error::ConfigError;

/// A signature algorithm for tokens (RFC 7518 section 3, RFC 8037, RFC 9864).
///
/// There is no `none`, and no way to add one.
///
/// ```
/// use tower_jwt_auth::Algorithm;
///
/// assert_eq!("ES256".parse::<Algorithm>().unwrap(), Algorithm::ES256);
/// assert!("es256".parse::<Algorithm>().is_err()); // names are case-sensitive
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    PS256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
    PS384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Edwards-curve signatures by their first name (RFC 8037); here always on Ed25519.
    ///
    /// The same operation as [`Algorithm::Ed25519`]: a key, and an authority, that takes one takes both names.
    EdDSA,
    /// Edwards-curve signatures on Ed25519 by their fully-specified name (RFC 9864).
    Ed25519,
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Hmac,
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Family {
    /// What a key of this family is called in messages.
    pub(crate) const fn described(self) -> &'static str {
        match self {
            Self::Hmac => "a secret for HMAC",
            Self::Rsa => "an RSA key",
            Self::P256 => "an EC key on P-256",
            Self::P384 => "an EC key on P-384",
            Self::P521 => "an EC key on P-521",
            Self::Ed25519 => "an Ed25519 key",
        }
    }
}

impl Algorithm {
    /// Every algorithm there is.
    pub(crate) const ALL: [Self; 14] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// The name that stands in a token's `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Exact match only: `rs256` and `nOnE` are unknown (draft of RFC 8725bis, section 2.11).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => Family::Hmac,
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => Family::Rsa,
            Self::ES256 => Family::P256,
            Self::ES384 => Family::P384,
            Self::ES512 => Family::P521,
            Self::EdDSA | Self::Ed25519 => Family::Ed25519,
        }
    }

    /// Bytes of an HMAC secret at least (RFC 7518 section 3.2: the length of the hash).
    pub(crate) const fn hmac_bytes(self) -> usize {
        match self {
            Self::HS384 => 48,
            Self::HS512 => 64,
            _ => 32,
        }
    }

    /// One name for one operation: `EdDSA` and `Ed25519` are the same here.
    pub(crate) const fn canonical(self) -> Self {
        match self {
            Self::EdDSA => Self::Ed25519,
            other => other,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Self::from_name(name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
            ConfigError::new(
                "algorithms",
                format!("{name:?} is not a signature algorithm"),
                format!("use one of {}", known.join(", ")),
            )
        })
    }
}

/// A set of algorithms in which the two names of one operation are one member.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct AlgorithmSet(u16);

impl AlgorithmSet {
    pub(crate) const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & Self::bit(algorithm) != 0
    }

    pub(crate) const fn insert(&mut self, algorithm: Algorithm) {
        self.0 |= Self::bit(algorithm);
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, the Edwards curve under its fully-specified name.
    pub(crate) fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |a| a.canonical() == *a && self.contains(*a))
    }

    const fn bit(algorithm: Algorithm) -> u16 {
        1 << algorithm.canonical() as u16
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        let mut set = Self::default();
        algorithms.into_iter().for_each(|algorithm| set.insert(algorithm));
        set
    }
}

impl fmt::Debug for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().parse::<Algorithm>().unwrap(), algorithm);
            assert_eq!(Algorithm::from_name(&algorithm.as_str().to_lowercase()), None);
        }
        for unknown in ["none", "None", "nOnE", "", "HS256 ", "RS1", "ES256K", "Ed448", "RSA-OAEP"] {
            assert_eq!(Algorithm::from_name(unknown), None);
        }
    }

    #[test]
    fn a_set_knows_one_operation_by_both_names() {
        let set: AlgorithmSet = [Algorithm::EdDSA, Algorithm::RS256].into_iter().collect();
        assert!(set.contains(Algorithm::Ed25519) && set.contains(Algorithm::EdDSA));
        assert!(!set.contains(Algorithm::RS384) && !set.contains(Algorithm::PS256));
        assert!(set.iter().eq([Algorithm::RS256, Algorithm::Ed25519]));
        assert!(AlgorithmSet::default().is_empty());
    }
}
