//! A place in the log, as text: `EPOCH/ENTRY/ENDS`.

/// The entry that was read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The incarnation of the log.
    pub(crate) epoch: String,
    /// The id of the entry.
    pub(crate) entry: String,
    /// Until when the entry lives, by the server's clock: one that is missing before that was lost.
    pub(crate) ends: String,
}

impl Position {
    pub(crate) fn to_text(&self) -> String {
        format!("{}/{}/{}", self.epoch, self.entry, self.ends)
    }

    /// `None` for a text of another store: it is no place in this log.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('/');
        let (epoch, entry, ends) = (fields.next()?, fields.next()?, fields.next()?);
        let is_number =
            |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let (millis, sequence) = entry.split_once('-')?;
        let is_one = fields.next().is_none()
            && !epoch.is_empty()
            && is_number(millis)
            && is_number(sequence)
            && is_number(ends.strip_prefix('-').unwrap_or(ends));
        is_one.then(|| Self { epoch: epoch.to_owned(), entry: entry.to_owned(), ends: ends.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for text in ["0123abcd/0-0/0", "e/1764295200000-3/1764298800000", "e/1-1/-5"] {
            assert_eq!(Position::parse(text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn what_is_no_position_is_none() {
        for text in [
            "",
            "/",
            "e/1-1",
            "e/1-1/",
            "/1-1/1",
            "e/1/1",
            "e/1-1/1/1",
            "e/+-1/1",
            "e/1-x/1",
            "e/1-1/--1",
            "0/7",
        ] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
