//! Private keys from PEM, DER and JWK, reduced to one form for each family.

use std::borrow::Cow;

use pkcs8::PrivateKeyInfo;
use sec1::EcPrivateKey;
use serde::{Deserialize, Serialize};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode};
use zeroize::Zeroizing;

use super::encoded::{EC_PUBLIC_KEY, ED25519, P256, P384, P521, RSA_ENCRYPTION, pem_block};
use super::material::coordinate_bytes;
use super::{KeyError, KeyMaterial};
use crate::jose::{Algorithm, Family, decode_vec, encode, has_private_name};

/// What a signing key is made of.
pub(crate) enum PrivateMaterial {
    Hmac(KeyMaterial),
    /// The DER of an `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    Rsa(Zeroizing<Vec<u8>>),
    Ec {
        family: Family,
        scalar: Zeroizing<Vec<u8>>,
        /// What the input says that the public key is: an uncompressed point.
        public: Option<Vec<u8>>,
    },
    Ed25519 {
        seed: Zeroizing<Vec<u8>>,
        public: Option<Vec<u8>>,
    },
}

impl PrivateMaterial {
    /// Reads PKCS#8, PKCS#1 or SEC1 from PEM text.
    pub(crate) fn from_pem(text: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        // OpenSSL writes the parameters of a curve as a block of their own in front of the key.
        let start = text.windows(11).enumerate().filter(|(_, window)| window == b"-----BEGIN ");
        let start = start
            .map(|(at, _)| at)
            .find(|at| !text.get(*at..).is_some_and(|block| block.starts_with(b"-----BEGIN EC PARAMETERS")));
        let Some(text) = start.and_then(|at| text.get(at..)) else {
            return Err(KeyError::new(
                "it is not PEM: there is no `-----BEGIN`; give the contents of the file, not its path",
            ));
        };
        // By its label, or by headers within the block, as before PKCS#8 (RFC 1421).
        if text.windows(9).any(|window| window == b"ENCRYPTED") {
            return Err(KeyError::new("it is encrypted; decrypt it first (openssl pkey -in KEY -out PLAIN)"));
        }
        if text.starts_with(b"-----BEGIN OPENSSH") {
            return Err(KeyError::new("it is an OpenSSH key; make one with openssl genpkey instead"));
        }
        let (label, der) = pem_block(text.trim_ascii())
            .map_err(|error| KeyError::new(format!("it is not one block of PEM: {error}")))?;
        let der = Zeroizing::new(der);
        match label {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => Self::from_pkcs1(&der),
            "EC PRIVATE KEY" => Self::from_sec1(&der, None),
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => {
                Err(KeyError::new("it is a public key, and to sign one needs the private key"))
            }
            _ => Err(KeyError::new("its label is not PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY")),
        }
        .and_then(|key| key.for_algorithm(algorithm))
    }

    /// Reads PKCS#8, PKCS#1 or SEC1 from DER.
    pub(crate) fn from_der(der: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        if PrivateKeyInfo::try_from(der).is_ok() {
            Self::from_pkcs8(der)
        } else if pkcs1::RsaPrivateKey::try_from(der).is_ok() {
            Self::from_pkcs1(der)
        } else if EcPrivateKey::from_der(der).is_ok() {
            Self::from_sec1(der, None)
        } else {
            Err(KeyError::new("it is not the DER of a private key in PKCS#8, PKCS#1 or SEC1"))
        }
        .and_then(|key| key.for_algorithm(algorithm))
    }

    /// Reads one private JWK. Answers with what the JWK says of itself.
    pub(crate) fn from_jwk(json: &str) -> Result<(Self, PrivateJwk<'_>), KeyError> {
        if has_private_name(json.as_bytes()) {
            return Err(KeyError::new("it has a member name that serde_json keeps for itself"));
        }
        let jwk: PrivateJwk<'_> = serde_json::from_str(json).map_err(|error| {
            // The position says enough; serde's own text could repeat a part of the key.
            KeyError::new(format!(
                "it is not a JSON object of this form (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err(KeyError::new("its `use` is not `sig`"));
        }
        if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|name| name == "sign")) {
            return Err(KeyError::new("its `key_ops` do not have `sign`"));
        }
        let key = match jwk.kty.as_ref() {
            "RSA" => Self::from_pkcs1(&jwk.to_pkcs1()?)?,
            "EC" => {
                let family = match jwk.crv.as_deref() {
                    Some("P-256") => Family::P256,
                    Some("P-384") => Family::P384,
                    Some("P-521") => Family::P521,
                    _ => return Err(KeyError::new("its `crv` is not P-256, P-384 or P-521")),
                };
                let public = [&[4][..], &bytes("x", &jwk.x)?, &bytes("y", &jwk.y)?].concat();
                Self::ec(family, bytes("d", &jwk.d)?, Some(public))?
            }
            "OKP" if jwk.crv.as_deref() == Some("Ed25519") => {
                let public = bytes("x", &jwk.x)?.to_vec();
                Self::ed25519(&bytes("d", &jwk.d)?, Some(public))?
            }
            "OKP" => return Err(KeyError::new("its `crv` is not Ed25519")),
            "oct" => Self::Hmac(KeyMaterial::hmac(bytes("k", &jwk.k)?)?),
            _ => return Err(KeyError::new("its `kty` is not supported")),
        };
        Ok((key, jwk))
    }

    /// The JSON of the private JWK, for a store that only the issuer can read.
    ///
    /// `public` must be the public half of the same key.
    #[allow(clippy::field_reassign_with_default)] // a type that wipes itself cannot be built from parts of another
    pub(crate) fn to_jwk(&self, algorithm: Algorithm, kid: &str, public: &KeyMaterial) -> Option<JwkText> {
        let member = |name: &str| {
            let members = public.required_members();
            members.into_iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Owned(value))
        };
        let secret = |bytes: &[u8]| Some(Cow::Owned(encode(bytes)));
        let mut jwk = PrivateJwk::default();
        jwk.kty = member("kty")?;
        jwk.alg = Some(algorithm.as_str().into());
        jwk.kid = Some(kid.into());
        jwk.purpose = Some("sig".into());
        jwk.crv = member("crv");
        jwk.n = member("n");
        jwk.e = member("e");
        jwk.x = member("x");
        jwk.y = member("y");
        match self {
            Self::Hmac(KeyMaterial::Hmac(bytes)) => jwk.k = secret(bytes),
            Self::Hmac(_) => return None,
            Self::Ec { scalar, .. } => jwk.d = secret(scalar),
            Self::Ed25519 { seed, .. } => jwk.d = secret(seed),
            Self::Rsa(der) => {
                let key = pkcs1::RsaPrivateKey::try_from(der.as_slice()).ok()?;
                jwk.d = secret(key.private_exponent.as_bytes());
                jwk.p = secret(key.prime1.as_bytes());
                jwk.q = secret(key.prime2.as_bytes());
                jwk.dp = secret(key.exponent1.as_bytes());
                jwk.dq = secret(key.exponent2.as_bytes());
                jwk.qi = secret(key.coefficient.as_bytes());
            }
        }
        // Enough at once: a buffer that grows leaves copies of the key behind.
        let mut json = Zeroizing::new(Vec::with_capacity(JWK_BYTES));
        serde_json::to_writer(&mut *json, &jwk).ok()?;
        String::from_utf8(std::mem::take(&mut *json)).ok().map(Zeroizing::new)
    }

    pub(crate) const fn family(&self) -> Family {
        match self {
            Self::Hmac(_) => Family::Hmac,
            Self::Rsa(_) => Family::Rsa,
            Self::Ec { family, .. } => *family,
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let unreadable = || KeyError::new("it is not the DER of a PKCS#8 private key");
        let info = PrivateKeyInfo::try_from(der).map_err(|_| unreadable())?;
        match info.algorithm.oid {
            RSA_ENCRYPTION => Self::from_pkcs1(info.private_key),
            EC_PUBLIC_KEY => Self::from_sec1(info.private_key, info.algorithm.parameters_oid().ok()),
            ED25519 => {
                // RFC 8410 section 7: an octet string within the octet string.
                let seed = info.private_key.strip_prefix(&[0x04, 0x20]).ok_or_else(unreadable)?;
                Self::ed25519(seed, info.public_key.map(<[u8]>::to_vec))
            }
            other => Err(KeyError::new(format!("keys of the type {other} are not supported"))),
        }
    }

    fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key = pkcs1::RsaPrivateKey::try_from(der)
            .map_err(|_| KeyError::new("it is not the DER of a PKCS#1 private key"))?;
        if key.other_prime_infos.is_some() {
            return Err(KeyError::new("RSA keys with more than two primes are not supported"));
        }
        // The backends refuse weak keys too, but do not say why.
        KeyMaterial::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
        Ok(Self::Rsa(Zeroizing::new(der.to_vec())))
    }

    /// `outer` is the curve that PKCS#8 names.
    fn from_sec1(der: &[u8], outer: Option<ObjectIdentifier>) -> Result<Self, KeyError> {
        let key = EcPrivateKey::from_der(der)
            .map_err(|_| KeyError::new("it is not the DER of a SEC1 private key"))?;
        let inner = key.parameters.and_then(sec1::EcParameters::named_curve);
        let family = match outer.or(inner) {
            Some(P256) => Family::P256,
            Some(P384) => Family::P384,
            Some(P521) => Family::P521,
            _ => return Err(KeyError::new("its curve is not P-256, P-384 or P-521")),
        };
        if inner.is_some() && outer.is_some() && inner != outer {
            return Err(KeyError::new("it names two curves"));
        }
        Self::ec(family, Zeroizing::new(key.private_key.to_vec()), key.public_key.map(<[u8]>::to_vec))
    }

    pub(super) fn ec(
        family: Family,
        scalar: Zeroizing<Vec<u8>>,
        public: Option<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        let length = coordinate_bytes(family);
        if scalar.len() != length {
            return Err(KeyError::new(format!("its private key is not of {length} bytes")));
        }
        Ok(Self::Ec { family, scalar, public })
    }

    pub(super) fn ed25519(seed: &[u8], public: Option<Vec<u8>>) -> Result<Self, KeyError> {
        if seed.len() != 32 {
            return Err(KeyError::new("its private key is not of 32 bytes"));
        }
        Ok(Self::Ed25519 { seed: Zeroizing::new(seed.to_vec()), public })
    }

    pub(crate) fn for_algorithm(self, algorithm: Algorithm) -> Result<Self, KeyError> {
        if self.family() != algorithm.family() {
            let described = self.family().described();
            return Err(KeyError::new(format!("it is not a key for {algorithm} but {described}")));
        }
        Ok(self)
    }
}

/// More bytes than the JWK of a new key has; one of RSA with 2,048 bits has 1,700.
const JWK_BYTES: usize = 4096;

/// The text of a private JWK.
pub(crate) type JwkText = Zeroizing<String>;

/// The members of a private JWK (RFC 7518 section 6). Unknown members are left alone, duplicates refused.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct PrivateJwk<'j> {
    #[serde(borrow)]
    kty: Cow<'j, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) alg: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) kid: Option<Cow<'j, str>>,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    purpose: Option<Cow<'j, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_ops: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    n: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    e: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    x: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    y: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    k: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    d: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    p: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    q: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    dp: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    dq: Option<Cow<'j, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    qi: Option<Cow<'j, str>>,
}

impl PrivateJwk<'_> {
    fn to_pkcs1(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        if self.d.is_some() && self.p.is_none() {
            return Err(KeyError::new("it has no `p`; a key without its primes is not supported"));
        }
        let n = bytes("n", &self.n)?;
        let e = bytes("e", &self.e)?;
        let d = bytes("d", &self.d)?;
        let p = bytes("p", &self.p)?;
        let q = bytes("q", &self.q)?;
        let dp = bytes("dp", &self.dp)?;
        let dq = bytes("dq", &self.dq)?;
        let qi = bytes("qi", &self.qi)?;
        let unusable = |_| KeyError::new("its numbers are not those of an RSA key");
        let key = pkcs1::RsaPrivateKey {
            modulus: UintRef::new(&n).map_err(unusable)?,
            public_exponent: UintRef::new(&e).map_err(unusable)?,
            private_exponent: UintRef::new(&d).map_err(unusable)?,
            prime1: UintRef::new(&p).map_err(unusable)?,
            prime2: UintRef::new(&q).map_err(unusable)?,
            exponent1: UintRef::new(&dp).map_err(unusable)?,
            exponent2: UintRef::new(&dq).map_err(unusable)?,
            coefficient: UintRef::new(&qi).map_err(unusable)?,
            other_prime_infos: None,
        };
        key.to_der().map(Zeroizing::new).map_err(unusable)
    }
}

impl Drop for PrivateJwk<'_> {
    fn drop(&mut self) {
        use zeroize::Zeroize;

        for member in
            [&mut self.k, &mut self.d, &mut self.p, &mut self.q, &mut self.dp, &mut self.dq, &mut self.qi]
        {
            if let Some(Cow::Owned(text)) = member {
                text.zeroize();
            }
        }
    }
}

fn bytes(name: &str, value: &Option<Cow<'_, str>>) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = value.as_deref().ok_or_else(|| {
        KeyError::new(match name {
            "d" => "it has no `d`: it is a public key, and to sign one needs the private key".to_owned(),
            _ => format!("it has no `{name}`"),
        })
    })?;
    let bytes = decode_vec(text).map(Zeroizing::new);
    bytes.ok_or_else(|| KeyError::new(format!("its `{name}` is not base64url without padding")))
}

#[cfg(all(test, any(feature = "rust-crypto", feature = "aws-lc-rs")))]
mod tests {
    use super::*;
    use crate::crypto::{PrivateKey, generate};

    #[test]
    fn the_text_of_a_new_key_is_written_in_one_place() {
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::Ed25519, Algorithm::HS256] {
            let key = generate(algorithm).unwrap();
            let (_, public) = PrivateKey::prepare(&key, algorithm).unwrap();
            let jwk = key.to_jwk(algorithm, &"k".repeat(43), &public).unwrap();
            assert_eq!(jwk.capacity(), JWK_BYTES, "{algorithm}: it grew from {}", jwk.len());
        }
    }
}
