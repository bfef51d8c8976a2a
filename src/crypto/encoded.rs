//! Public keys from PEM and DER: `SubjectPublicKeyInfo`, PKCS#1 and X.509 certificates.
//!
//! Read by the RustCrypto format crates, which decode DER strictly and know the curve of a key; the reader of
//! `jsonwebtoken` takes the first bit string that it finds anywhere.

use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode, Tag, Tagged, pem};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::{KeyError, KeyMaterial};
use crate::jose::{Algorithm, Family};

pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Reads a public key for `algorithm` from PEM text with one block.
pub(crate) fn read_pem(pem: &[u8], algorithm: Algorithm) -> Result<KeyMaterial, KeyError> {
    let (label, der) = pem_block(pem.trim_ascii()).map_err(|error| {
        match pem.windows(11).any(|window| window == b"-----BEGIN ") {
            true => KeyError::new(format!("it is not one block of PEM: {error}")),
            false => KeyError::new("it is not one block of PEM: there is no `-----BEGIN`; give the contents of the file, not its path"),
        }
    })?;
    let key = match label {
        "PUBLIC KEY" => subject_public_key(&der),
        "RSA PUBLIC KEY" => rsa_public_key(&der),
        "CERTIFICATE" => certificate(&der),
        private if private.ends_with("PRIVATE KEY") => Err(KeyError::new(
            "it is a private key, and a verifier needs the public one (openssl pkey -in KEY -pubout)",
        )),
        _ => Err(KeyError::new("its label is not PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")),
    };
    checked(key?, algorithm)
}

/// The label and the contents of one block. Its lines may be longer than 64 characters, or be one line, as a variable of the
/// environment often has it. RFC 7468 lets parsers take that (section 2).
pub(super) fn pem_block(pem: &[u8]) -> pem::Result<(&str, Vec<u8>)> {
    pem::decode_vec(pem).or_else(|error| {
        let mut lines = pem.split(|byte| *byte == b'\n').skip_while(|line| !line.starts_with(b"-----BEGIN "));
        let width = lines.nth(1).map_or(0, |line| line.trim_ascii_end().len());
        let mut der = Vec::new();
        // The first error says more than this one.
        let mut decoder = pem::Decoder::new_wrapped(pem, width).map_err(|_| error)?;
        decoder.decode_to_end(&mut der).map_err(|_| error)?;
        Ok((decoder.type_label(), der))
    })
}

/// Reads a public key for `algorithm` from DER, whichever of the three forms it has.
pub(crate) fn read_der(der: &[u8], algorithm: Algorithm) -> Result<KeyMaterial, KeyError> {
    let key = if SubjectPublicKeyInfoOwned::from_der(der).is_ok() {
        subject_public_key(der)
    } else if Certificate::from_der(der).is_ok() {
        certificate(der)
    } else {
        rsa_public_key(der).map_err(|error| match error {
            // The last guess failed, so nothing is known of what it is.
            KeyError(why) if why == NOT_PKCS1 => {
                KeyError::new("it is not the DER of a SubjectPublicKeyInfo, a PKCS#1 key or a certificate")
            }
            weak => weak,
        })
    };
    checked(key?, algorithm)
}

/// Whether these bytes are the DER of a public key of any kind, strong or weak.
pub(super) fn is_public_key(der: &[u8]) -> bool {
    SubjectPublicKeyInfoOwned::from_der(der).is_ok()
        || pkcs1::RsaPublicKey::try_from(der).is_ok()
        || Certificate::from_der(der).is_ok()
}

const NOT_PKCS1: &str = "it is not the DER of a PKCS#1 public key";

/// Reads the DER of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
pub(super) fn rsa_public_key(der: &[u8]) -> Result<KeyMaterial, KeyError> {
    let key = pkcs1::RsaPublicKey::try_from(der).map_err(|_| KeyError::new(NOT_PKCS1))?;
    KeyMaterial::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

fn certificate(der: &[u8]) -> Result<KeyMaterial, KeyError> {
    let unreadable = |_| KeyError::new("it is not the DER of an X.509 certificate");
    let certificate = Certificate::from_der(der).map_err(unreadable)?;
    let key = certificate.tbs_certificate.subject_public_key_info.to_der().map_err(unreadable)?;
    subject_public_key(&key)
}

fn subject_public_key(der: &[u8]) -> Result<KeyMaterial, KeyError> {
    let unreadable = || KeyError::new("it is not the DER of a SubjectPublicKeyInfo");
    let info = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| unreadable())?;
    let key = info.subject_public_key.as_bytes().ok_or_else(unreadable)?;
    let parameters = info.algorithm.parameters.as_ref();
    match info.algorithm.oid {
        // RFC 3279 section 2.3.1 has a NULL there, RFC 8410 section 3 nothing.
        RSA_ENCRYPTION if parameters.is_none_or(|any| any.tag() == Tag::Null) => rsa_public_key(key),
        EC_PUBLIC_KEY => {
            let curve = parameters.and_then(|curve| curve.decode_as().ok());
            let family = match curve {
                Some(P256) => Family::P256,
                Some(P384) => Family::P384,
                Some(P521) => Family::P521,
                _ => return Err(KeyError::new("its curve is not P-256, P-384 or P-521")),
            };
            KeyMaterial::ec(family, key.to_vec())
        }
        ED25519 if parameters.is_none() => KeyMaterial::ed25519(key),
        RSA_ENCRYPTION | ED25519 => Err(unreadable()),
        other => Err(KeyError::new(format!("keys of the type {other} are not supported"))),
    }
}

fn checked(key: KeyMaterial, algorithm: Algorithm) -> Result<KeyMaterial, KeyError> {
    key.check_for(algorithm)?;
    Ok(key)
}
