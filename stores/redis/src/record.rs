//! A session as it is stored: the record and what answers a retry, which ends earlier, under two keys.

use serde_json::{Map, Value};
use tower_jwt_auth::{RefreshRecord, StoreError};

use crate::answer::damaged;

/// The member that is stored apart.
const RETRY: &str = "retry";

/// Two JSON texts: the record without its retry, and the retry if there is one.
pub(crate) struct Parts {
    pub(crate) record: String,
    pub(crate) retry: Option<String>,
}

pub(crate) fn take_apart(record: &RefreshRecord) -> Result<Parts, StoreError> {
    let retry = match record.retry_until() {
        None => None,
        Some(_) => {
            let mut members = members(serde_json::to_value(record).map_err(StoreError::new)?)?;
            members.remove(RETRY).map(|retry| retry.to_string())
        }
    };
    let record = record.clone().without_retry();
    Ok(Parts { record: serde_json::to_string(&record).map_err(StoreError::new)?, retry })
}

/// The record of what is stored under the two keys: `REVISION CALL JSON`, and JSON.
pub(crate) fn put_together(stored: &[u8], retry: Option<&[u8]>) -> Result<RefreshRecord, StoreError> {
    let mut fields = stored.splitn(3, |byte| *byte == b' ');
    let json = fields.nth(2).ok_or_else(|| StoreError::new("a stored session is damaged: it has no head"))?;
    let unreadable = |error| damaged("a stored session", &error);
    let Some(retry) = retry else {
        return serde_json::from_slice(json).map_err(unreadable);
    };
    let mut record = members(serde_json::from_slice(json).map_err(unreadable)?)?;
    record.insert(RETRY.to_owned(), serde_json::from_slice(retry).map_err(unreadable)?);
    serde_json::from_value(Value::Object(record)).map_err(unreadable)
}

fn members(record: Value) -> Result<Map<String, Value>, StoreError> {
    match record {
        Value::Object(members) => Ok(members),
        _ => Err(StoreError::new("a stored session is damaged: it is no object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":"i","sid":"s","subject":"bob","current":"c","retry":null,"created_at":1,"last_used_at":2,"expires_at":3,"ends_at":4,"revision":5}"#;

    fn record(retry: &str) -> RefreshRecord {
        serde_json::from_str(&RECORD.replace("null", retry)).unwrap()
    }

    fn stored(parts: &Parts) -> Vec<u8> {
        format!("5 0123abcd {}", parts.record).into_bytes()
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let with = record(r#"{"token":"t","sealed":"x y z","until":7}"#);
        let parts = take_apart(&with).unwrap();
        assert!(!parts.record.contains("sealed"), "{}", parts.record);
        assert!(put_together(&stored(&parts), parts.retry.as_deref().map(str::as_bytes)).unwrap() == with);

        let without = record("null");
        let parts = take_apart(&without).unwrap();
        assert!(parts.retry.is_none());
        assert!(put_together(&stored(&parts), None).unwrap() == without);
    }

    #[test]
    fn without_the_retry_it_is_the_record_without() {
        let with = record(r#"{"token":"t","sealed":"x","until":7}"#);
        let parts = take_apart(&with).unwrap();
        assert!(put_together(&stored(&parts), None).unwrap() == with.without_retry());
    }

    #[test]
    fn what_is_damaged_is_an_error_that_shows_nothing() {
        let good = stored(&take_apart(&record("null")).unwrap());
        for damaged in
            [&b""[..], b"5", b"5 ab", b"5 ab ", b"5 ab [1]", b"5 ab {\"id\":\"secret\"}", &good[..60]]
        {
            let error = put_together(damaged, None).unwrap_err().to_string();
            assert!(error.contains("damaged") && !error.contains("secret"), "{error}");
        }
        for damaged in [&b""[..], b"\"secret\"", b"{\"token\":\"secret\"}", b"null null"] {
            let error = put_together(&good, Some(damaged)).unwrap_err().to_string();
            assert!(error.contains("damaged") && !error.contains("secret"), "{error}");
        }
    }
}
