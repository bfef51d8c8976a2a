//! A token among the sub-protocols that a WebSocket client offers.

use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderMap, HeaderValue};

use super::RequestHead;
use super::authorization::{is_token_char, is_token68};
use crate::error::{ConfigError, Reason};
use crate::jose;

pub(super) fn checked_prefix(prefix: String) -> Result<String, ConfigError> {
    if !prefix.is_empty() && prefix.bytes().all(is_token_char) {
        return Ok(prefix);
    }
    Err(ConfigError::new(
        "TokenSource::websocket_protocol",
        format!("the prefix {prefix:?} cannot begin a sub-protocol"),
        "use letters, digits, dots and hyphens, such as base64url.bearer.example.com.",
    ))
}

/// The token of a handshake that offers it beside a real protocol.
pub(super) fn token(request: &RequestHead<'_>, prefix: &str) -> Result<Option<String>, Reason> {
    if !request.is_upgrade() {
        return Ok(None);
    }
    let offered = offered(request.headers())?;
    let mut tokens = offered.iter().filter_map(|protocol| protocol.strip_prefix(prefix));
    let Some(encoded) = tokens.next() else { return Ok(None) };
    let others = offered.iter().filter(|protocol| !protocol.starts_with(prefix)).count();
    if tokens.next().is_some() || others == 0 {
        return Err(Reason::MalformedRequest);
    }
    let decoded = jose::decode_vec(encoded).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.filter(|token| is_token68(token)).map(Some).ok_or(Reason::MalformedRequest)
}

/// Leaves only the protocols that are no token, so that none can be chosen or echoed that is.
pub(super) fn remove(headers: &mut HeaderMap, prefix: &str) {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return;
    }
    let real = offered(headers).map(|offered| {
        offered.into_iter().filter(|protocol| !protocol.starts_with(prefix)).collect::<Vec<_>>().join(", ")
    });
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Some(value) =
        real.ok().filter(|real| !real.is_empty()).and_then(|real| HeaderValue::try_from(real).ok())
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
}

/// All protocols of all lines, in their order.
fn offered(headers: &HeaderMap) -> Result<Vec<&str>, Reason> {
    let mut offered = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| Reason::MalformedRequest)?;
        offered.extend(
            line.split(',').map(|protocol| protocol.trim_matches([' ', '\t'])).filter(|p| !p.is_empty()),
        );
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const PREFIX: &str = "base64url.bearer.example.com.";

    fn request(lines: &[&str], upgrade: bool) -> Request<()> {
        let mut request = Request::builder();
        if upgrade {
            request = request.header("upgrade", "websocket").header("connection", "upgrade");
        }
        for line in lines {
            request = request.header(SEC_WEBSOCKET_PROTOCOL, *line);
        }
        request.body(()).unwrap()
    }

    fn of(lines: &[&str]) -> Result<Option<String>, Reason> {
        token(&RequestHead::of(&request(lines, true)), PREFIX)
    }

    #[test]
    fn a_token_beside_a_real_protocol() {
        let offer = format!("{PREFIX}{}", jose::encode("a.b.c"));
        assert_eq!(of(&[&format!("{offer}, chat")]), Ok(Some("a.b.c".to_owned())));
        assert_eq!(of(&["chat", &offer]), Ok(Some("a.b.c".to_owned())));
        assert_eq!(of(&["chat"]), Ok(None));
        assert_eq!(of(&[]), Ok(None));
        // Alone, twice, or not what it says.
        for refused in [
            offer.clone(),
            format!("{offer}, {offer}, chat"),
            format!("{PREFIX}, chat"),
            format!("{PREFIX}a.b.c, chat"),
            format!("{PREFIX}{}, chat", jose::encode("a b")),
        ] {
            assert_eq!(of(&[&refused]), Err(Reason::MalformedRequest), "{refused}");
        }
        let no_upgrade = request(&[&format!("{offer}, chat")], false);
        assert_eq!(token(&RequestHead::of(&no_upgrade), PREFIX), Ok(None));
    }

    #[test]
    fn only_the_real_protocols_go_further() {
        let offer = format!("{PREFIX}{}", jose::encode("a.b.c"));
        let mut request = request(&[&format!("{offer}, chat"), "v2"], true);
        remove(request.headers_mut(), PREFIX);
        assert_eq!(request.headers()[SEC_WEBSOCKET_PROTOCOL], "chat, v2");
        let mut alone = self::request(&[&offer], true);
        remove(alone.headers_mut(), PREFIX);
        assert!(!alone.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }
}
