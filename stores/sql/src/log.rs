//! A place in the log of revocations, and what is found behind it. Both engines ask the same question.

use tower_jwt_auth::{LogPosition, RevocationPage};

use crate::shared::{Failure, record};

/// Records in a page. One more is asked for, to know whether there are more.
const PAGE: usize = 1000;

/// The second parameter of the question.
pub(crate) const ASKED_FOR: i64 = PAGE as i64 + 1;

/// A row of the answer: the epoch of the log, the highest number that was removed, the mark of the record at the place that was
/// asked for, and number, mark and text of a record behind it. There is a row without a record if there is none.
pub(crate) type Row = (String, i64, Option<String>, Option<i64>, Option<String>, Option<String>);

/// Behind which record a reader goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    epoch: String,
    pub(crate) seq: i64,
    mark: String,
}

impl Place {
    /// `None` for what this crate has not written.
    pub(crate) fn read(position: &LogPosition) -> Option<Self> {
        let mut parts = position.as_str().splitn(3, '/');
        let (epoch, seq, mark) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { epoch: epoch.to_owned(), seq: seq.parse().ok()?, mark: mark.to_owned() })
    }

    fn position(&self) -> LogPosition {
        LogPosition::new(format!("{}/{}/{}", self.epoch, self.seq, self.mark))
    }

    /// Whether the log that answers is the one in which the place is. The record at the place may be gone because it expired.
    /// If it is gone otherwise, or is another one, a backup was restored or the table emptied.
    fn is_in(&self, epoch: &str, removed: i64, mark: Option<&str>) -> bool {
        let is_there = match mark {
            Some(mark) => mark == self.mark,
            None => self.seq <= removed,
        };
        self.epoch == epoch && (self.seq == 0 || is_there)
    }
}

/// What was found.
pub(crate) struct Found {
    pub(crate) page: RevocationPage,
    pub(crate) is_empty: bool,
}

/// The page behind `from` (`None`: the beginning), or `None` if this is not the log that `from` is in.
pub(crate) fn page(from: Option<&Place>, rows: Vec<Row>) -> Result<Option<Found>, Failure> {
    let Some((epoch, removed, mark, ..)) = rows.first() else {
        return Err("the table tower_jwt_auth_log has no row: it was emptied by hand".into());
    };
    if from.is_some_and(|from| !from.is_in(epoch, *removed, mark.as_deref())) {
        return Ok(None);
    }
    let mut place = from.cloned().unwrap_or_default();
    place.epoch.clone_from(epoch);
    let (mut records, mut has_more) = (Vec::new(), false);
    for row in rows {
        let (.., Some(seq), Some(mark), Some(json)) = row else { continue };
        if records.len() == PAGE {
            has_more = true;
            break;
        }
        records.push(record(&json)?);
        (place.seq, place.mark) = (seq, mark);
    }
    let is_empty = records.is_empty();
    let page = RevocationPage::new(records, place.position());
    Ok(Some(Found { page: if has_more { page.with_more() } else { page }, is_empty }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place { epoch: String::new(), seq: 7, mark: String::new() };

    #[test]
    fn a_place_is_known_by_epoch_and_mark() {
        let place = Place { epoch: "e".to_owned(), mark: "m".to_owned(), ..HERE };
        assert_eq!(Place::read(&place.position()), Some(place.clone()));
        assert!(place.is_in("e", 0, Some("m")));
        assert!(place.is_in("e", 7, None), "it has expired");
        assert!(!place.is_in("e", 6, None), "it was lost");
        assert!(!place.is_in("e", 7, Some("n")), "another one has its number");
        assert!(!place.is_in("f", 7, Some("m")), "another log");
        assert!(Place { seq: 0, ..place }.is_in("e", 0, None), "the beginning of an empty log");
        for text in ["", "e", "e/7", "e/x/m", "e/ 7/m"] {
            assert_eq!(Place::read(&LogPosition::new(text)), None, "{text:?}");
        }
    }
}
