//! The token of the `Authorization` header (RFC 6750 section 2.1, RFC 9110 section 11.6.2).

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use crate::error::Reason;

/// Finds the bearer token; `None` if the request carries no bearer credential.
///
/// Its alphabet is not judged here: whoever decodes the token does that, and reads each byte once.
///
/// # Errors
/// `malformed_request` for a second header, a list of credentials, or no token behind the scheme.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&[u8]>, Reason> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Reason::MalformedRequest);
    }
    match line.as_bytes().split_at_checked(BEARER.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(BEARER) => one_credential(rest).map(Some),
        _ => other_scheme(line),
    }
}

const BEARER: &[u8] = b"Bearer ";

/// How far a credential is searched for a second one. Two that a proxy joined are shorter, and garbage is refused all
/// the same.
const SEARCHED: usize = 2048;

/// `1*SP` was begun. No space and no comma stands in a credential, so a joined list never passes.
fn one_credential(rest: &[u8]) -> Result<&[u8], Reason> {
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).unwrap_or_default();
    let start = token.get(..SEARCHED).unwrap_or(token);
    if token.is_empty() || memchr::memchr2(b' ', b',', start).is_some() {
        return Err(Reason::MalformedRequest);
    }
    Ok(token)
}

#[cold]
fn other_scheme(line: &HeaderValue) -> Result<Option<&[u8]>, Reason> {
    let value = line.to_str().map_err(|_| Reason::MalformedRequest)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.is_empty() || !scheme.bytes().all(is_token_char) || scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::MalformedRequest);
    }
    // Another scheme may have a list of parameters, but not a bearer credential behind it.
    let hidden = rest.split(',').skip(1).any(starts_with_bearer);
    if hidden { Err(Reason::MalformedRequest) } else { Ok(None) }
}

/// Takes the bearer credential out; a credential of another scheme is not ours.
pub(super) fn remove(headers: &mut HeaderMap) {
    if !matches!(token(headers), Ok(None)) {
        headers.remove(AUTHORIZATION);
    }
}

fn starts_with_bearer(part: &str) -> bool {
    let part = part.trim_start_matches([' ', '\t']);
    part.split([' ', '\t']).next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`: no comma, so a joined list never passes.
pub(super) fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !body.is_empty() && body.bytes().all(legal)
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&[u8]]) -> Result<Option<String>, Reason> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        token(&headers).map(|token| token.map(|token| String::from_utf8_lossy(token).into_owned()))
    }

    #[test]
    fn one_bearer_credential_in_any_case() {
        for line in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "bEaReR   a.b.c"] {
            assert_eq!(of(&[line.as_bytes()]), Ok(Some("a.b.c".to_owned())), "{line}");
        }
        assert_eq!(of(&[b"Bearer aZ09-._~+/=="]), Ok(Some("aZ09-._~+/==".to_owned())));
    }

    #[test]
    fn another_scheme_is_no_bearer_credential() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b"Basic dXNlcjpwYXNz"]), Ok(None));
        assert_eq!(of(&[b"Digest username=\"bearer\", realm=\"x\", uri=\"/\""]), Ok(None));
        assert_eq!(of(&[b"Bearerx a.b.c"]), Ok(None));
        assert_eq!(of(&[b"Negotiate"]), Ok(None));
    }

    #[test]
    fn a_second_credential_is_searched_for_in_a_bounded_part() {
        let joined = |length: usize| of(&[format!("Bearer {}, Bearer b", "a".repeat(length)).as_bytes()]);
        assert_eq!(joined(2047), Err(Reason::MalformedRequest));
        // Further on it is garbage in a token, which the decoder refuses.
        assert!(joined(2048).is_ok());
    }

    #[test]
    fn anything_else_is_malformed() {
        for line in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer  ",
            b"Bearer\ta.b.c",
            b"Bearer a.b.c d",
            b"Bearer a.b.c, Bearer d.e.f",
            b"Bearer a.b.c,Bearer d.e.f",
            b"Bearer a.b.c,",
            b"Basic dXNlcjpwYXNz, Bearer a.b.c",
            b"Basic dXNlcjpwYXNz,bearer a.b.c",
            b"",
            b" Bearer a.b.c",
            b"Bearer: a.b.c",
            b"B\xc3\xa9arer a.b.c",
        ] {
            assert_eq!(of(&[line]), Err(Reason::MalformedRequest), "{:?}", String::from_utf8_lossy(line));
        }
        assert_eq!(of(&[b"Bearer a.b.c", b"Bearer a.b.c"]), Err(Reason::MalformedRequest));
        assert_eq!(of(&[b"Basic eA==", b"Bearer a.b.c"]), Err(Reason::MalformedRequest));
        assert_eq!(of(&[b"Bearer a.b.c", b""]), Err(Reason::MalformedRequest));
    }
}
