//! What scripts answer, read without showing any of it in errors.

use redis::Value;
use tower_jwt_auth::StoreError;

/// The answer is not one that the script gives.
pub(crate) fn unexpected() -> StoreError {
    StoreError::new("Redis: an answer of an unexpected form")
}

pub(crate) fn is_one(value: &Value) -> Result<bool, StoreError> {
    match value {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => Err(unexpected()),
    }
}

/// A number of things, which does not matter.
pub(crate) fn is_count(value: &Value) -> Result<(), StoreError> {
    match value {
        Value::Int(_) => Ok(()),
        _ => Err(unexpected()),
    }
}

pub(crate) fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unexpected()),
    }
}

pub(crate) fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    optional_bytes(value)?.ok_or_else(unexpected)
}

pub(crate) fn optional_bytes(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::SimpleString(text) => Ok(Some(text.into_bytes())),
        Value::Nil => Ok(None),
        _ => Err(unexpected()),
    }
}

pub(crate) fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(|_| unexpected())
}

/// Why JSON text could not be read, without the text.
pub(crate) fn damaged(what: &str, error: &serde_json::Error) -> StoreError {
    StoreError::new(format!("{what} is damaged: {:?} error at column {}", error.classify(), error.column()))
}
