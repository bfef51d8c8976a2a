//! The three segments of a compact JWS (RFC 7515 section 3.1).

use crate::error::Reason;
use crate::jose::Limits;

/// A token cut at its dots; nothing is decoded yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compact<'t> {
    /// All of it.
    pub(crate) token: &'t [u8],
    pub(crate) header: &'t [u8],
    pub(crate) payload: &'t [u8],
    pub(crate) signature: &'t [u8],
    /// Header, dot and payload as sent: what the signature is over.
    pub(crate) signing_input: &'t [u8],
}

/// Whether segments are padded with `=` to a multiple of four characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Padding {
    /// They are not (RFC 7515 section 2).
    #[default]
    Refused,
    /// They are, against the standard, by one load balancer; it signs them so.
    Required,
}

/// The longest signature in base64url: that of an RSA key of 8,192 bits.
const SIGNATURE_CHARACTERS: usize = (1024_usize * 4).div_ceil(3);

impl<'t> Compact<'t> {
    /// Cuts `token`. Its length is judged first, and the dots are looked for only where they can be, so that garbage
    /// is refused before most of it is read.
    pub(crate) fn split(token: &'t [u8], limits: &Limits, padding: Padding) -> Result<Self, Reason> {
        const DOT: u8 = b'.';
        if token.len() > limits.token_bytes {
            return Err(Reason::TokenTooLong);
        }
        let start = token.get(..=limits.header_characters()).unwrap_or(token);
        let first = memchr::memchr(DOT, start).ok_or(Reason::MalformedToken)?;
        let end = token.get(token.len().saturating_sub(SIGNATURE_CHARACTERS + 1)..).unwrap_or(token);
        let last = memchr::memrchr(DOT, end).ok_or(Reason::MalformedToken)? + token.len() - end.len();
        let (Some(header), Some(payload), Some(signature), Some(signing_input)) =
            (token.get(..first), token.get(first + 1..last), token.get(last + 1..), token.get(..last))
        else {
            return Err(Reason::MalformedToken);
        };
        // A fourth segment is no JWS; five would be an encrypted token.
        if header.is_empty()
            || payload.is_empty()
            || signature.is_empty()
            || memchr::memchr(DOT, payload).is_some()
        {
            return Err(Reason::MalformedToken);
        }
        let compact = Self { token, header, payload, signature, signing_input };
        match padding {
            Padding::Refused => Ok(compact),
            Padding::Required => compact.without_padding().ok_or(Reason::MalformedToken),
        }
    }

    /// The segments without their padding; what is signed stays as it was sent.
    #[cold]
    fn without_padding(self) -> Option<Self> {
        let unpadded = |segment: &'t [u8]| {
            let (text, padding) = match segment {
                [text @ .., b'=', b'='] => (text, 2),
                [text @ .., b'='] => (text, 1),
                text => (text, 0),
            };
            ((text.len() + padding) % 4 == 0 && text.last().is_some_and(|last| *last != b'=')).then_some(text)
        };
        Some(Self {
            header: unpadded(self.header)?,
            payload: unpadded(self.payload)?,
            signature: unpadded(self.signature)?,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split<'t>(token: &'t [u8], limits: &Limits) -> Result<Compact<'t>, Reason> {
        Compact::split(token, limits, Padding::Refused)
    }

    #[test]
    fn padding_is_demanded_or_left_to_the_decoder_to_refuse() {
        let limits = Limits::default();
        let padded = |token: &'static str| Compact::split(token.as_bytes(), &limits, Padding::Required);
        let compact = padded("aa==.bbb=.cccc").unwrap();
        assert_eq!(
            (compact.header, compact.payload, compact.signature),
            (&b"aa"[..], &b"bbb"[..], &b"cccc"[..])
        );
        assert_eq!((compact.signing_input, compact.token), (&b"aa==.bbb="[..], &b"aa==.bbb=.cccc"[..]));
        for refused in [
            "aa.bbb=.cccc",
            "aa==.bbb.cccc",
            "aa==.bbb=.ccc",
            "aa=.bbb=.cccc",
            "a===.bbbb.cccc",
            "====.bbbb.cccc",
            "==.bbbb.cccc",
        ] {
            assert_eq!(
                padded(refused).map(|compact| compact.header),
                Err(Reason::MalformedToken),
                "{refused}"
            );
        }
        assert_eq!(split(b"aa==.bbb=.cccc", &limits).unwrap().header, b"aa==");
    }

    #[test]
    fn exactly_three_segments() {
        let limits = Limits::default();
        let compact = split(b"aa.bb.cc", &limits).unwrap();
        assert_eq!(
            (compact.header, compact.payload, compact.signature, compact.signing_input),
            (&b"aa"[..], &b"bb"[..], &b"cc"[..], &b"aa.bb"[..])
        );
        for refused in ["", ".", "..", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", "a.b.c.d", "a.b.c.d.e"] {
            assert_eq!(
                split(refused.as_bytes(), &limits).unwrap_err(),
                Reason::MalformedToken,
                "{refused:?}"
            );
        }
    }

    #[test]
    fn dots_count_only_where_they_can_be() {
        let limits = Limits::default();
        let of = |header: usize, signature: usize| {
            let token = format!("{}.bb.{}", "a".repeat(header), "c".repeat(signature));
            split(token.as_bytes(), &limits).map(|compact| (compact.header.len(), compact.signature.len()))
        };
        // 2,048 bytes of header are 2,731 characters, 8,192 bits of signature 1,366.
        assert_eq!(of(2731, 1366), Ok((2731, 1366)));
        assert_eq!(of(2732, 1), Err(Reason::MalformedToken));
        assert_eq!(of(1, 1367), Err(Reason::MalformedToken));
    }

    #[test]
    fn the_length_is_judged_before_anything_else() {
        let limits = Limits::default().token_bytes(8);
        assert!(split(b"aa.bb.cc", &limits).is_ok());
        assert_eq!(split(b"aa.bb.ccc", &limits).unwrap_err(), Reason::TokenTooLong);
        assert_eq!(split(b"no dots at all", &limits).unwrap_err(), Reason::TokenTooLong);
    }
}
