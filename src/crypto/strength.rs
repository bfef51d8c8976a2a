//! Which keys are strong enough (RFC 7518, RFC 8725 section 3.5); the same whatever the backend.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{KeyError, encoded, roca, weak_secrets};

/// Bits of an RSA modulus: the lower bound is RFC 7518 section 3.3, the upper one bounds the work.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Checks an RSA key given by its big-endian numbers without leading zeros.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(KeyError::new(format!(
            "its RSA modulus has {bits} bits, which is not within {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        )));
    }
    if n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::new("its RSA modulus is even"));
    }
    if roca::has_fingerprint(n) {
        let why =
            "its RSA modulus is of a library whose keys can be factored (CVE-2017-15361): make a new key";
        return Err(KeyError::new(why));
    }
    // Up to 33 bits, as the backends take; 1 would make every signature good, an even one has no inverse.
    let exponent = e.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    match exponent {
        Some(e) if (3..1 << 33).contains(&e) && e % 2 == 1 => Ok(()),
        _ => Err(KeyError::new("its RSA exponent is not an odd number from 3 to 2^33 - 1")),
    }
}

/// The points of small order on edwards25519, by their y coordinate without the sign bit, each in every encoding
/// that a decoder may take. A signature by such a key can be made without a private key.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let mut p_minus_1 = [0xff; 32];
    p_minus_1[0] = 0xec;
    p_minus_1[31] = 0x7f;
    let (mut p, mut p_plus_1) = (p_minus_1, p_minus_1);
    p[0] = 0xed;
    p_plus_1[0] = 0xee;
    let mut one = [0; 32];
    one[0] = 1;
    [
        [0; 32],
        one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        p_minus_1,
        p,
        p_plus_1,
    ]
};

/// Checks an Ed25519 public key.
pub(super) fn check_ed25519(key: &[u8; 32]) -> Result<(), KeyError> {
    let mut y = *key;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    if SMALL_ORDER.contains(&y) {
        return Err(KeyError::new("it is a point of small order, for which anybody can sign"));
    }
    Ok(())
}

/// Checks that an HMAC secret is not a public key, which anybody can read: neither its text nor its DER; and that it may be
/// random.
pub(super) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    let text = secret.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
    // Random base64url may begin with hyphens or `ssh-`.
    if text.starts_with(b"---- BEGIN ") || secret.windows(11).any(|window| window == b"-----BEGIN ") {
        return Err(KeyError::new("it is PEM text, not a secret"));
    }
    if text.contains(&b' ') && (text.starts_with(b"ssh-") || text.starts_with(b"ecdsa-sha2-")) {
        return Err(KeyError::new("it is an SSH public key, not a secret"));
    }
    if matches!(text.first(), Some(b'{' | b'['))
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
    {
        return Err(KeyError::new("it is JSON text, not a secret"));
    }
    // Some consoles show a public key as base64 with nothing around it.
    let on_one_line =
        Zeroizing::new(text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<_>>());
    let from_base64 = Zeroizing::new(STANDARD.decode(&*on_one_line).unwrap_or_default());
    if encoded::is_public_key(secret) || encoded::is_public_key(&from_base64) {
        return Err(KeyError::new("it is a public key in DER, not a secret"));
    }
    weak_secrets::check(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_bounds() {
        let modulus = |bits: usize| {
            let mut n = vec![0xff; bits.div_ceil(8)];
            n[0] = 0xff >> (n.len() * 8 - bits);
            n
        };
        assert!(check_rsa(&modulus(2048), &[3]).is_ok());
        assert!(check_rsa(&modulus(8192), &[1, 0, 1]).is_ok());
        for bits in [512, 1024, 2047, 8193] {
            let error = check_rsa(&modulus(bits), &[3]).unwrap_err().0;
            assert!(error.contains(&bits.to_string()), "{error}");
        }
        assert!(check_rsa(&[], &[3]).is_err());
        for e in [&[][..], &[0], &[1], &[2], &[4], &[2, 0, 0, 0, 1], &[1; 9]] {
            assert!(check_rsa(&modulus(2048), e).is_err(), "{e:?}");
        }
        assert!(check_rsa(&modulus(2048), &[1, 0, 0, 0, 1]).is_ok());
        let mut even = modulus(2048);
        *even.last_mut().unwrap() = 0xfe;
        assert!(check_rsa(&even, &[3]).is_err());
    }

    #[test]
    fn small_order_points_are_refused_with_either_sign() {
        for mut point in SMALL_ORDER {
            assert!(check_ed25519(&point).is_err());
            point[31] |= 0x80;
            assert!(check_ed25519(&point).is_err());
        }
        let mut base_point = [0x66; 32];
        base_point[0] = 0x58;
        assert!(check_ed25519(&base_point).is_ok());
    }

    #[test]
    fn the_text_of_a_key_is_no_secret() {
        for text in [
            "-----BEGIN PUBLIC KEY-----\nMFkw",
            "  \n-----BEGIN CERTIFICATE-----",
            "\u{feff}-----BEGIN PUBLIC KEY-----",
            "leading text\n-----BEGIN RSA PUBLIC KEY-----",
            " {\"kty\":\"RSA\",\"n\":\"x\"}",
            "\u{feff}{\"kty\":\"RSA\"}",
            "\u{feff} {\"kty\":\"RSA\"}\n",
            "---- BEGIN SSH2 PUBLIC KEY ----",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
            "[{\"kty\":\"RSA\"}]",
            "a-string-secret-at-least-256-bits-long",
        ] {
            assert!(check_secret(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "{random bytes that begin like JSON",
            "---QxkW0v9Jm3bT7eHcR5yLz8uNsAoDfGi2",
            "ssh-QxkW0v9Jm3bT7eHcR5yLz8uNsAoDfGi2",
            "ecdsa-sha2-QxkW0v9Jm3bT7eHcR5yLz8uNs",
        ] {
            assert_eq!(check_secret(text.as_bytes()), Ok(()), "{text}");
        }
        assert!(check_secret(&[0; 32]).is_err());
    }
}
