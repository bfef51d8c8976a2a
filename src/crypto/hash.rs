//! Hashes, by whichever backend is there.

/// The SHA-256 hash, by whichever backend is there.
pub(crate) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    #[cfg(feature = "aws-lc-rs")]
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref().try_into().ok();
    #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
    let hash = {
        let utils = &::jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.key_utils;
        let digest = (utils.compute_digest)(data, ::jsonwebtoken::jwk::ThumbprintHash::SHA256);
        digest.ok().and_then(|digest| digest.try_into().ok())
    };
    #[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
    let hash = {
        let _ = data;
        None
    };
    hash
}

/// The first 64 bits of a text's SHA-256, in hexadecimal: enough to tell two of them apart in a log, and safe to be there.
pub(crate) fn short_hash(text: &str) -> Option<std::sync::Arc<str>> {
    Some(hex::encode(sha256(text.as_bytes())?.first_chunk::<8>()?).into())
}

/// HMAC with SHA-256 (RFC 2104), by whichever backend is there.
#[cfg(feature = "issuer")]
pub(crate) fn hmac_sha256(key: &[u8], data: &[u8]) -> Option<[u8; 32]> {
    #[cfg(feature = "aws-lc-rs")]
    let tag = {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
        sign(&Key::new(HMAC_SHA256, key), data).as_ref().try_into().ok()
    };
    #[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
    let tag = {
        use hmac::{Hmac, Mac};
        let mac = Hmac::<sha2::Sha256>::new_from_slice(key).ok();
        mac.map(|mac| mac.chain_update(data).finalize().into_bytes().into())
    };
    #[cfg(not(any(feature = "rust-crypto", feature = "aws-lc-rs")))]
    let tag = {
        let _ = (key, data);
        None
    };
    tag
}

#[cfg(all(test, feature = "issuer", any(feature = "rust-crypto", feature = "aws-lc-rs")))]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Section 4.3, test case 2.
        let tag = hmac_sha256(b"Jefe", b"what do ya want for nothing?").unwrap();
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
