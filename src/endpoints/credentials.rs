//! How a client authenticates: in exactly one way (RFC 6749 section 2.3.1).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::answer::Refused;
use super::client::ClientCredentials;
use crate::served::Form;

const TWO_WAYS: Refused = Refused::InvalidRequest("the client authenticates in two ways; use one");

/// The credentials of a request.
///
/// # Errors
/// `invalid_request` if there are several, `invalid_client` if there are none that can be read.
pub(super) fn presented(headers: &HeaderMap, form: &Form) -> Result<ClientCredentials, Refused> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (line, second) = (lines.next(), lines.next());
    let id = form.optional("client_id")?;
    let secret = form.optional("client_secret")?.map(Zeroizing::new);
    let asserts =
        form.optional("client_assertion")?.is_some() || form.optional("client_assertion_type")?.is_some();
    let in_body = id.is_some() || secret.is_some();
    if second.is_some() || [line.is_some(), in_body, asserts].into_iter().filter(|way| *way).count() > 1 {
        return Err(TWO_WAYS);
    }
    let read = match (line, id) {
        (Some(line), _) => basic(line),
        (None, Some(id)) => Some((id, secret)),
        // A secret without a name, an assertion (RFC 7523), or nothing.
        (None, None) => None,
    };
    let is_legal = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~')); // appendix A.1 and A.2
    match read {
        Some((id, secret))
            if !id.is_empty() && is_legal(&id) && secret.as_deref().is_none_or(|s| is_legal(s)) =>
        {
            Ok(ClientCredentials::new(id, secret))
        }
        _ => Err(Refused::InvalidClient),
    }
}

/// `Basic`: id and secret are form-encoded each, before RFC 7617 joins them by a colon.
fn basic(line: &HeaderValue) -> Option<(String, Option<Zeroizing<String>>)> {
    let (scheme, encoded) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim_matches(' ')).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, secret) = decoded.split_at_checked(colon)?;
    let id = String::from_utf8(unescaped(id)?).ok()?;
    let secret = String::from_utf8(unescaped(secret.get(1..)?)?).ok()?;
    Some((id, Some(Zeroizing::new(secret))))
}

/// Undoes form encoding, strictly: a `%` is followed by two hexadecimal digits.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter();
    let mut read = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        read.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(bytes.next()?)? << 4 | digit(bytes.next()?)?
            }
            other => *other,
        });
    }
    Some(read)
}
