//! Records as the crate writes them, with times of the test's choice.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{Clock, RefreshRecord, RevocationPage, RevocationRecord, SystemClock, UnixTime};

pub(crate) fn now() -> UnixTime {
    SystemClock.now()
}

fn millis(time: UnixTime) -> u64 {
    u64::try_from(time.since_epoch().as_millis()).unwrap()
}

/// A session of the subject, with this id.
pub(crate) fn session(id: &str, subject: &str, expires_at: UnixTime) -> RefreshRecord {
    at_revision(id, subject, expires_at, 0, None)
}

/// The session after so many rotations.
pub(crate) fn at_revision(
    id: &str,
    subject: &str,
    expires_at: UnixTime,
    revision: u64,
    retry_until: Option<UnixTime>,
) -> RefreshRecord {
    let retry = retry_until
        .map(|until| json!({"token": "the-token-before", "sealed": "the-seal", "until": millis(until)}));
    serde_json::from_value(json!({
        "id": id,
        "sid": format!("sid of {id}"),
        "subject": subject,
        "current": format!("token {revision} of {id}"),
        "retry": retry,
        "created_at": 1_700_000_000_000_u64,
        "last_used_at": 1_700_000_000_000_u64,
        "expires_at": millis(expires_at),
        "ends_at": millis(expires_at),
        "revision": revision,
    }))
    .unwrap()
}

/// The revocation of the token with this number.
pub(crate) fn revocation(number: usize, expires_at: UnixTime) -> RevocationRecord {
    serde_json::from_value(json!({
        "kind": "token",
        "issuer": format!("#{number}#"),
        "name": "the-name",
        "issued_before": Value::Null,
        "expires_at": millis(expires_at),
    }))
    .unwrap()
}

pub(crate) fn in_an_hour() -> UnixTime {
    now().saturating_add(Duration::from_secs(3600))
}

/// The numbers of the revocations in a page, in order. Pages show themselves to the plane alone, and to `Debug`.
pub(crate) fn numbers(page: &RevocationPage) -> Vec<usize> {
    let text = format!("{page:?}");
    text.split('#').skip(1).step_by(2).map(|number| number.parse().unwrap()).collect()
}

pub(crate) fn says(page: &RevocationPage, what: &str) -> bool {
    format!("{page:?}").contains(&format!("{what}: true"))
}

pub(crate) fn position(page: &RevocationPage) -> tower_jwt_auth::LogPosition {
    let text = format!("{page:?}");
    let (_, rest) = text.split_once("LogPosition(\"").unwrap();
    tower_jwt_auth::LogPosition::new(rest.split_once('"').unwrap().0)
}
