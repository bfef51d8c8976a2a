//! The signed document that a list comes in.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::inflate::{InflateError, inflate};
use super::list::{Bits, StatusList};
use crate::jose::decode_vec;
use crate::runtime::UnixTime;

/// The claims of a status list token (section 5.1). Its `typ`, `iat` and `exp` are judged by the verifier.
#[derive(Debug, Deserialize)]
pub(super) struct ListClaims {
    pub(super) sub: String,
    pub(super) iat: UnixTime,
    #[serde(default, deserialize_with = "positive")]
    pub(super) ttl: Option<Duration>,
    status_list: Encoded,
}

#[derive(Debug, Deserialize)]
struct Encoded {
    bits: Bits,
    lst: String,
}

/// The specification wants a positive number.
fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(serde::de::Error::custom("`ttl` is not positive"));
    }
    // One that is too long for a duration is a very long time.
    Ok(Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
}

impl ListClaims {
    /// The list, if it has at most so many bytes.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn list(&self, most: usize) -> Result<StatusList, String> {
        let Encoded { bits, lst } = &self.status_list;
        let compressed = decode_vec(lst).ok_or("`lst` is not base64url")?;
        let bytes = inflate(&compressed, most).map_err(|error| match error {
            InflateError::TooLong => {
                format!("it has more than {most} bytes, the bound of StatusLists::list_bytes")
            }
            InflateError::Damaged => {
                "`lst` is not compressed by DEFLATE within ZLIB, or is damaged".to_owned()
            }
            InflateError::Trailing => "something follows the compressed list".to_owned(),
        })?;
        Ok(StatusList::new(*bits, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(claims: &str) -> Result<ListClaims, String> {
        serde_json::from_str(claims).map_err(|error| error.to_string())
    }

    /// Sections 4.1 and 4.2 of the specification.
    #[test]
    fn vectors_of_the_specification() {
        for (bits, lst, expected) in [
            (1, "eNrbuRgAAhcBXQ", &[1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1][..]),
            (2, "eNo76fITAAPfAgc", &[1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]),
        ] {
            let text =
                format!(r#"{{"sub":"s","iat":1,"ttl":43200,"status_list":{{"bits":{bits},"lst":"{lst}"}}}}"#);
            let claims = read(&text).unwrap();
            assert_eq!(claims.ttl, Some(Duration::from_secs(43_200)));
            let list = claims.list(100).unwrap();
            let statuses: Vec<_> = (0..expected.len() as u64).map(|index| list.get(index).unwrap()).collect();
            assert_eq!(statuses, expected);
            assert_eq!(list.get(expected.len() as u64), None);
            assert!(claims.list(list.bytes()).is_ok() && claims.list(list.bytes() - 1).is_err());
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused() {
        let good = r#"{"sub":"s","iat":1,"ttl":1.5,"status_list":{"bits":1,"lst":"eNrbuRgAAhcBXQ","aggregation_uri":"u"},"x":1}"#;
        assert_eq!(read(good).unwrap().ttl, Some(Duration::from_millis(1500)));
        for (part, other) in [
            ("\"sub\":\"s\",", ""),
            ("\"sub\":\"s\"", "\"sub\":1"),
            ("\"iat\":1,", ""),
            ("\"iat\":1", "\"iat\":\"1\""),
            ("\"ttl\":1.5", "\"ttl\":0"),
            ("\"ttl\":1.5", "\"ttl\":-1"),
            ("\"ttl\":1.5", "\"ttl\":null"),
            ("\"ttl\":1.5", "\"ttl\":\"60\""),
            ("\"ttl\":1.5", "\"ttl\":1e999"),
            ("\"bits\":1,", ""),
            ("\"bits\":1", "\"bits\":3"),
            ("\"bits\":1", "\"bits\":0"),
            ("\"bits\":1", "\"bits\":16"),
            ("\"bits\":1", "\"bits\":\"1\""),
            ("\"bits\":1", "\"bits\":1.0"),
            ("\"bits\":1", "\"bits\":1,\"bits\":2"),
            ("\"lst\":\"eNrbuRgAAhcBXQ\",", ""),
            ("\"lst\":\"eNrbuRgAAhcBXQ\"", "\"lst\":null"),
            ("\"status_list\":", "\"other\":"),
        ] {
            assert!(good.contains(part), "{part}");
            assert!(read(&good.replace(part, other)).is_err(), "{other}");
        }
        for (lst, word) in [
            ("eNrbuRgAAhcBXQ==", "not base64url"),
            ("eNrbuRgAAhcBX+", "not base64url"),
            ("eNrbuRgAAhcB", "damaged"),
            ("", "damaged"),
            ("eNrbuRgAAhcBXQAA", "follows"),
        ] {
            let error = read(&good.replace("eNrbuRgAAhcBXQ", lst)).unwrap().list(100).err().unwrap();
            assert!(error.contains(word), "{lst}: {error}");
        }
    }

    #[test]
    fn a_ttl_of_any_size_is_a_time() {
        let of = |ttl: &str| {
            let text = format!(r#"{{"sub":"s","iat":1,"ttl":{ttl},"status_list":{{"bits":1,"lst":""}}}}"#);
            read(&text).unwrap().ttl
        };
        assert_eq!(of("1e300"), Some(Duration::MAX));
        assert_eq!(of("18446744073709551616"), Some(Duration::MAX));
        assert_eq!(of("60"), Some(Duration::from_secs(60)));
    }
}
