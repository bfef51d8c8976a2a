//! Strict base64url: no padding, no white space, canonical trailing bits (RFC 7515 section 2, RFC 4648 3.5).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;

/// Room on the stack for what is decoded; longer input goes to the heap.
pub(crate) type Scratch = SmallVec<[u8; 1024]>;

/// Decodes `text`, or says nothing of why it cannot.
pub(crate) fn decode(text: &str) -> Option<Scratch> {
    let mut bytes = Scratch::new();
    bytes.resize(base64::decoded_len_estimate(text.len()), 0);
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Decodes `text` into memory of its own.
pub(crate) fn decode_vec(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Encodes `bytes` behind what is in `text`.
#[cfg(feature = "issuer")]
pub(crate) fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_is_accepted() {
        assert_eq!(decode("AQ").as_deref(), Some(&[1_u8][..]));
        assert_eq!(decode("").as_deref(), Some(&[][..]));
        assert_eq!(decode("-_-_").as_deref(), Some(&[0xfb, 0xff, 0xbf][..]));
        // Trailing bits, padding, the other alphabet, white space, a length that cannot be.
        for refused in ["AR", "AQ=", "AQ==", "+/+/", "A Q", "AQ\n", " AQ", "A", "AAAAA", "AQ.", "\u{e9}AA"] {
            assert_eq!(decode(refused), None, "{refused:?}");
            assert_eq!(decode_vec(refused), None, "{refused:?}");
        }
    }
}
