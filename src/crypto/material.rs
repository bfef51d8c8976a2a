//! A key's bytes, known to be strong enough and bound to one family of algorithms.

use std::fmt;

use zeroize::Zeroizing;

use super::{KeyError, strength};
use crate::jose::{Algorithm, Family, encode};

/// What a verification key is made of. There is no way from one family to another.
#[derive(Clone)]
pub(crate) enum KeyMaterial {
    Hmac(Zeroizing<Vec<u8>>),
    /// Big-endian numbers without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point: 4, x, y.
    Ec {
        family: Family,
        point: Vec<u8>,
    },
    Ed25519([u8; 32]),
}

impl KeyMaterial {
    pub(crate) fn hmac(secret: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        strength::check_secret(&secret)?;
        Ok(Self::Hmac(secret))
    }

    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        strength::check_rsa(&n, &e)?;
        Ok(Self::Rsa { n, e })
    }

    /// The point itself is checked when the key is prepared: each backend refuses one that is not on the curve.
    pub(crate) fn ec(family: Family, point: Vec<u8>) -> Result<Self, KeyError> {
        let length = 1 + 2 * coordinate_bytes(family);
        if point.len() != length || point.first() != Some(&4) {
            return Err(KeyError::new(format!("its point is not uncompressed and of {length} bytes")));
        }
        Ok(Self::Ec { family, point })
    }

    pub(crate) fn ed25519(key: &[u8]) -> Result<Self, KeyError> {
        let key = key.try_into().map_err(|_| KeyError::new("its public key is not of 32 bytes"))?;
        strength::check_ed25519(&key)?;
        Ok(Self::Ed25519(key))
    }

    pub(crate) const fn family(&self) -> Family {
        match self {
            Self::Hmac(_) => Family::Hmac,
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { family, .. } => *family,
            Self::Ed25519(_) => Family::Ed25519,
        }
    }

    /// Whether this key may be used with `algorithm`.
    pub(crate) fn check_for(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        if self.family() as u8 != algorithm.family() as u8 {
            return Err(KeyError::new(format!(
                "it is not a key for {algorithm} but {}",
                self.family().described()
            )));
        }
        if let Self::Hmac(secret) = self {
            let least = algorithm.hmac_bytes();
            if secret.len() < least {
                return Err(KeyError::new(format!(
                    "it has {} bytes, and {algorithm} needs at least {least}",
                    secret.len()
                )));
            }
        }
        Ok(())
    }

    /// The length of a signature in bytes.
    pub(super) fn signature_bytes(&self, algorithm: Algorithm) -> usize {
        match self {
            Self::Hmac(_) => algorithm.hmac_bytes(),
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { family, .. } => 2 * coordinate_bytes(*family),
            Self::Ed25519(_) => 64,
        }
    }

    /// The members that RFC 7638 section 3.2 hashes, in their order, each value as it stands in JSON.
    ///
    /// None of them needs escaping: they are base64url or registered names.
    pub(crate) fn required_members(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Hmac(secret) => vec![("k", encode(secret)), ("kty", "oct".to_owned())],
            Self::Rsa { n, e } => vec![("e", encode(e)), ("kty", "RSA".to_owned()), ("n", encode(n))],
            Self::Ec { family, point } => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let crv = match family {
                    Family::P384 => "P-384",
                    Family::P521 => "P-521",
                    _ => "P-256",
                };
                vec![("crv", crv.to_owned()), ("kty", "EC".to_owned()), ("x", encode(x)), ("y", encode(y))]
            }
            Self::Ed25519(x) => {
                vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", encode(x))]
            }
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial({:?})", self.family())
    }
}

pub(super) const fn coordinate_bytes(family: Family) -> usize {
    match family {
        Family::P384 => 48,
        Family::P521 => 66,
        _ => 32,
    }
}

fn without_leading_zeros(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}
