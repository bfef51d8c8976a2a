//! What a provider answers: its key set, its discovery document, and what it says of times.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, DATE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::url_rules::UrlRules;
use crate::jose::{Algorithm, IssuerDifference, has_private_name};
use crate::keys::KeySet;
use crate::runtime::UnixTime;

pub(super) const MAX_KEYS: usize = 100;
const ERROR_CHARS: usize = 500;

/// Why nothing could be learnt from an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None }
    }
}

/// Headers and body of an answer that came `now`.
///
/// # Errors
/// If the status is not 200. A redirect is not followed: it would let the answer come from anywhere.
pub(crate) fn body_of(
    url: &str,
    answer: Response<Bytes>,
    now: UnixTime,
) -> Result<(HeaderMap, Bytes), Failure> {
    let (head, body) = answer.into_parts();
    if head.status == StatusCode::OK {
        return Ok((head.headers, body));
    }
    let retry_after = retry_after_of(&head.headers, now);
    let redirect = if head.status.is_redirection() { ", which is not followed" } else { "" };
    Err(Failure { why: format!("{url} answered {}{redirect}", head.status.as_u16()), retry_after })
}

/// For how long the provider asks to be left alone (RFC 9110 section 10.2.3); if it says so twice, the longer.
fn retry_after_of(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    // Its date is by its own clock, and so is `Date`.
    let sent = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(date).unwrap_or(now);
    let lines = headers.get_all(RETRY_AFTER).iter().filter_map(|line| line.to_str().ok()).map(str::trim);
    let pauses = lines.filter_map(|line| match line.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that are too many for a number are a very long time.
        true if !line.is_empty() => Some(Duration::from_secs(line.parse().unwrap_or(u64::MAX))),
        _ => date(line).map(|until| until.saturating_since(sent)),
    });
    pauses.max()
}

/// An HTTP date in each of its three forms (RFC 9110 section 5.6.7).
fn date(text: &str) -> Option<UnixTime> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(since_epoch.as_secs()))
}

/// Counts the keys of a set without reading them.
#[derive(Deserialize)]
struct Count {
    keys: Vec<IgnoredAny>,
}

/// Reads a JWK set.
///
/// # Errors
/// If it is none, has more than `max_keys`, or none of its keys can be used: good keys are never given up for that.
pub(super) fn keys_of(body: &[u8], max_keys: usize) -> Result<KeySet, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::new("the JWK set is not UTF-8"))?;
    // Before any key is prepared, which takes its time.
    if let Ok(Count { keys }) = serde_json::from_str(text)
        && keys.len() > max_keys
    {
        return Err(Failure::new(format!("the JWK set has {} keys, more than {max_keys}", keys.len())));
    }
    KeySet::from_jwks(text).map_err(|error| Failure::new(error.to_string()))
}

/// Reads a public key for ES256 in PEM.
///
/// # Errors
/// If it is none.
pub(super) fn key_of(body: &[u8], kid: &str) -> Result<KeySet, Failure> {
    let key = KeySet::from_pem(Algorithm::ES256, body).and_then(|key| key.with_kid(kid));
    key.map_err(|error| Failure::new(error.to_string()))
}

#[derive(Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: Option<String>,
}

/// The `jwks_uri` of the discovery document of `issuer`, which may also call itself by its other name.
///
/// # Errors
/// If its `issuer` is neither of them exactly (OpenID Connect Discovery section 4.3), or `jwks_uri` is not one that may be
/// fetched.
pub(super) fn jwks_uri_of(
    body: &[u8],
    issuer: &str,
    other_name: Option<&str>,
    rules: &UrlRules,
) -> Result<String, Failure> {
    if has_private_name(body) {
        return Err(Failure::new(
            "the discovery document has a member name that serde_json keeps for itself",
        ));
    }
    let document: Discovery = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::new(format!("the discovery document cannot be read (line {line}, column {column})"))
    })?;
    let found = document.issuer.ok_or_else(|| Failure::new("the discovery document has no issuer"))?;
    if found != issuer && other_name != Some(&*found) {
        let difference = IssuerDifference::between(&found, issuer);
        let found = found.chars().take(200).collect::<String>();
        let but = difference.map_or_else(String::new, |difference| format!("{difference}, and "));
        return Err(Failure::new(format!(
            "the discovery document is of the issuer {found:?}, and {issuer:?} is configured; {but}they must be identical"
        )));
    }
    let jwks_uri = document.jwks_uri.ok_or_else(|| Failure::new("the discovery document has no jwks_uri"))?;
    rules
        .check("jwks_uri", &jwks_uri)
        .map_err(|error| Failure::new(format!("the jwks_uri of the discovery document: {error}")))?;
    Ok(jwks_uri)
}

/// For how long the provider lets an answer be kept.
pub(super) fn max_age_of(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    let max_age = directives
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, value)| value.trim_matches('"').parse::<u64>().ok())?;
    let age =
        headers.get(AGE).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    Some(Duration::from_secs(max_age.saturating_sub(age.unwrap_or(0))))
}

/// The text of an error, not longer than a log should have it.
pub(crate) fn short(why: &str) -> String {
    why.chars().take(ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:37Z, the example of RFC 9110 section 5.6.7.
    const NOW: UnixTime = UnixTime::from_secs(784_111_777);

    fn pause(headers: &[(http::HeaderName, &str)]) -> Option<u64> {
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        for (name, value) in headers {
            answer.headers_mut().append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let failure = body_of("https://id.example.com", answer, NOW).unwrap_err();
        failure.retry_after.map(|pause| pause.as_secs())
    }

    #[test]
    fn a_pause_is_read_as_seconds_or_as_a_date() {
        for (value, expected) in [
            ("120", Some(120)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            // The three forms of one date, two minutes from now.
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799 - 784_111_777)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("1e3", None),
            ("0x10", None),
            ("5 seconds", None),
            ("soon", None),
            ("\u{0665}", None),
            ("1994-11-06T08:51:37Z", None),
            ("Sun, 06 Nov 1994 08:51:37", None),
            ("Sun, 32 Nov 1994 08:51:37 GMT", None),
            ("Sun, 06 Nov 1994 25:51:37 GMT", None),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sun, 06 Nov 99999 08:51:37 GMT", None),
        ] {
            assert_eq!(pause(&[(RETRY_AFTER, value)]), expected, "{value:?}");
        }
        assert_eq!(pause(&[]), None);
    }

    #[test]
    fn a_date_is_held_against_the_clock_of_who_sent_it() {
        let until = (RETRY_AFTER, "Sun, 06 Nov 1994 08:51:37 GMT");
        for (date, expected) in [
            ("Sun, 06 Nov 1994 08:51:07 GMT", 30),
            ("Sunday, 06-Nov-94 08:51:07 GMT", 30),
            // A provider whose clock is a day behind, or ahead.
            ("Sat, 05 Nov 1994 08:51:37 GMT", 86_400),
            ("Mon, 07 Nov 1994 08:51:37 GMT", 0),
            // No date: our own clock.
            ("now", 120),
            ("", 120),
        ] {
            assert_eq!(pause(&[until.clone(), (DATE, date)]), Some(expected), "{date:?}");
        }
        let seconds = (RETRY_AFTER, "30");
        assert_eq!(
            pause(&[seconds, (DATE, "Sat, 05 Nov 1994 08:51:37 GMT")]),
            Some(30),
            "seconds need no clock"
        );
    }

    #[test]
    fn of_several_lines_the_longest_that_can_be_read_counts() {
        let lines =
            |values: &[&str]| pause(&values.iter().map(|value| (RETRY_AFTER, *value)).collect::<Vec<_>>());
        assert_eq!(lines(&["10", "Sun, 06 Nov 1994 08:50:37 GMT", "20"]), Some(60));
        assert_eq!(lines(&["soon", "20", "Mon"]), Some(20));
        assert_eq!(lines(&["soon", "later"]), None);
    }
}
