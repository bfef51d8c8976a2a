//! The token of the `Authorization` header (RFC 6750 section 2.1, RFC 9110 section 11.6.2).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::error::Reason;

/// Finds the bearer token; `None` if the request carries no bearer credential.
///
/// # Errors
/// `malformed_request` for a second header, a list of credentials, or a token outside the grammar.
pub(super) fn token(headers: &HeaderMap) -> Result<Option<&str>, Reason> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Reason::MalformedRequest);
    }
    let value = line.to_str().map_err(|_| Reason::MalformedRequest)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.is_empty() || !scheme.bytes().all(is_token_char) {
        return Err(Reason::MalformedRequest);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        // Another scheme may have a list of parameters, but not a bearer credential behind it.
        let hidden = rest.split(',').skip(1).any(starts_with_bearer);
        return if hidden { Err(Reason::MalformedRequest) } else { Ok(None) };
    }
    let token = rest.trim_start_matches(' ');
    if is_token68(token) { Ok(Some(token)) } else { Err(Reason::MalformedRequest) }
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
    use http::HeaderValue;

    use super::*;

    fn of(lines: &[&[u8]]) -> Result<Option<String>, Reason> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        token(&headers).map(|token| token.map(str::to_owned))
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
    fn anything_else_is_malformed() {
        for line in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer  ",
            b"Bearer\ta.b.c",
            b"Bearer \ta.b.c",
            b"Bearer a.b.c d",
            b"Bearer a.b.c, Bearer d.e.f",
            b"Bearer a.b.c,Bearer d.e.f",
            b"Bearer a.b.c,",
            b"Basic dXNlcjpwYXNz, Bearer a.b.c",
            b"Basic dXNlcjpwYXNz,bearer a.b.c",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer \"a.b.c\"",
            b"Bearer a\xffb",
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
