//! Strict base64url: no padding, no white space, canonical trailing bits (RFC 7515 section 2, RFC 4648 3.5).

use base64_simd::{Out, URL_SAFE_NO_PAD};

/// Room for what is decoded: on the stack, unless it is long.
pub(crate) struct Scratch {
    stack: [u8; 1024],
    heap: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { stack: [0; 1024], heap: Vec::new() }
    }
}

impl Scratch {
    /// The first bytes of what was decoded last.
    pub(crate) fn decoded(&self, length: usize) -> &[u8] {
        let room = if length <= self.heap.len() { &self.heap } else { &self.stack[..] };
        room.get(..length).unwrap_or_default()
    }
}

/// Decodes `encoded` into `scratch`, or says nothing of why it cannot.
///
/// The caller holds the memory, because moving a kilobyte costs more than decoding it.
pub(crate) fn decode<'s>(encoded: &[u8], scratch: &'s mut Scratch) -> Option<&'s [u8]> {
    // Four characters are three bytes.
    let most = encoded.len() / 4 * 3 + 3;
    let room = match scratch.stack.get_mut(..most) {
        Some(room) => room,
        None => {
            scratch.heap.resize(most, 0);
            scratch.heap.as_mut_slice()
        }
    };
    URL_SAFE_NO_PAD.decode(encoded, Out::from_slice(room)).ok().map(|decoded| &*decoded)
}

/// Whether this may be the beginning of a JSON object: a look at three bytes, so that garbage is refused for nothing.
pub(crate) fn begins_an_object(encoded: &[u8]) -> bool {
    let mut bytes = [0; 3];
    let start = encoded.get(..4).unwrap_or(encoded);
    let Ok(start) = URL_SAFE_NO_PAD.decode(start, Out::from_slice(&mut bytes)) else { return false };
    let first = start.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    first.is_none_or(|byte| *byte == b'{')
}

/// Decodes `text` into memory of its own.
pub(crate) fn decode_vec(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Encodes `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Encodes `bytes` behind what is in `text`.
#[cfg(feature = "issuer")]
pub(crate) fn encode_into(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoded: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        super::decode(encoded.as_ref(), &mut Scratch::default()).map(<[u8]>::to_vec)
    }

    proptest::proptest! {
        /// The decoder of vectors against one that goes byte by byte.
        #[test]
        fn it_agrees_with_a_plain_decoder(text in "[A-Za-z0-9_-]{0,200}[A-Za-z0-9_=+/. é-]{0,2}[A-Za-z0-9_-]{0,60}") {
            let plain = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let expected = base64::Engine::decode(&plain, &text).ok();
            proptest::prop_assert_eq!(decode(&text), expected.clone());
            proptest::prop_assert_eq!(decode_vec(&text), expected);
        }
    }

    #[test]
    fn an_object_begins_with_a_brace() {
        for object in ["{}", "{", " {\"a\":1}", "\r\n\t {}", "    {}"] {
            assert!(begins_an_object(encode(object).as_bytes()), "{object:?}");
        }
        for other in ["[]", "7", "\"{\"", " 7", "\u{feff}{}", "null"] {
            assert!(!begins_an_object(encode(other).as_bytes()), "{other:?}");
        }
        assert!(!begins_an_object(b"e"));
        assert!(!begins_an_object(b"e.yJ"));
    }

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
