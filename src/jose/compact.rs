//! The three segments of a compact JWS (RFC 7515 section 3.1).

use crate::error::Reason;
use crate::jose::Limits;

/// A token cut at its dots; nothing is decoded yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compact<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// Header, dot and payload as sent: what the signature is over.
    pub(crate) signing_input: &'t str,
}

impl<'t> Compact<'t> {
    /// Cuts `token`. The length is judged first, and at most three dots are looked for.
    pub(crate) fn split(token: &'t str, limits: &Limits) -> Result<Self, Reason> {
        if token.len() > limits.token_bytes {
            return Err(Reason::TokenTooLong);
        }
        let (header, rest) = token.split_once('.').ok_or(Reason::MalformedToken)?;
        let (payload, signature) = rest.split_once('.').ok_or(Reason::MalformedToken)?;
        // A fourth segment is no JWS; five would be an encrypted token.
        if signature.contains('.') || header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(Reason::MalformedToken);
        }
        let (signing_input, _) =
            token.split_at_checked(header.len() + 1 + payload.len()).ok_or(Reason::MalformedToken)?;
        Ok(Self { header, payload, signature, signing_input })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_three_segments() {
        let limits = Limits::default();
        let compact = Compact::split("aa.bb.cc", &limits).unwrap();
        assert_eq!(
            (compact.header, compact.payload, compact.signature, compact.signing_input),
            ("aa", "bb", "cc", "aa.bb")
        );
        for refused in ["", ".", "..", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.", "a.b.c.d", "a.b.c.d.e"] {
            assert_eq!(Compact::split(refused, &limits).unwrap_err(), Reason::MalformedToken, "{refused:?}");
        }
    }

    #[test]
    fn the_length_is_judged_before_anything_else() {
        let limits = Limits::default().token_bytes(8);
        assert!(Compact::split("aa.bb.cc", &limits).is_ok());
        assert_eq!(Compact::split("aa.bb.ccc", &limits).unwrap_err(), Reason::TokenTooLong);
        assert_eq!(Compact::split("no dots at all", &limits).unwrap_err(), Reason::TokenTooLong);
    }
}
