//! Times as whole milliseconds, which every engine can keep and compare. A field is written so by
//! `#[serde(with = "millis")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

use crate::runtime::UnixTime;

pub(crate) fn of(time: UnixTime) -> u64 {
    u64::try_from(time.since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// Cuts off what is finer, so that a time is the same before and after it was stored.
pub(crate) fn whole(time: UnixTime) -> UnixTime {
    from(of(time))
}

fn from(millis: u64) -> UnixTime {
    UnixTime::from_secs(0).saturating_add(Duration::from_millis(millis))
}

pub(super) fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(of(*time))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
    u64::deserialize(deserializer).map(from)
}

/// The same for a time that may lack.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::runtime::UnixTime;

    pub(in crate::store) fn serialize<S: Serializer>(
        time: &Option<UnixTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_some(&super::of(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::store) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<UnixTime>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(|millis| millis.map(super::from))
    }
}
