//! The names of keys. Keys that one script touches have the same hash tag, and so are in one slot of a cluster.

/// The version of the layout. Another layout has other names, so two versions of the crate never read each other's keys.
const LAYOUT: u32 = 1;

/// What the names of all keys begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// Braces are written otherwise: they would make a hash tag of the wrong part.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.replace('%', "%25").replace('{', "%7B").replace('}', "%7D"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The sessions of one part, if they are spread over several.
    pub(crate) fn sessions(&self, part: u16, parts: u16) -> SessionNames {
        let Self(prefix) = self;
        SessionNames(match parts {
            1 => format!("{{{prefix}:refresh:{LAYOUT}}}"),
            _ => format!("{{{prefix}:refresh:{LAYOUT}:{part}/{parts}}}"),
        })
    }

    /// A key that is never there.
    pub(crate) fn nothing(&self) -> String {
        format!("{}:nothing", self.0)
    }

    /// A document of keys: the only key that its scripts touch.
    pub(crate) fn document(&self, name: &str) -> String {
        format!("{}:keys:{LAYOUT}:{name}", self.0)
    }

    /// The log of revocations, and what is known of it.
    pub(crate) fn log(&self) -> [String; 2] {
        let Self(prefix) = self;
        ["log", "state"].map(|key| format!("{{{prefix}:revocations:{LAYOUT}}}:{key}"))
    }

    /// A name that may be used once: the only key that its script touches, so names spread over all slots.
    pub(crate) fn replay(&self, name: &[u8; 32]) -> String {
        use std::fmt::Write;
        let mut key = format!("{}:replay:{LAYOUT}:", self.0);
        for byte in name {
            let _ = write!(key, "{byte:02x}");
        }
        key
    }
}

/// The names of keys in one slot.
pub(crate) struct SessionNames(String);

impl SessionNames {
    pub(crate) fn record(&self, id: &str) -> String {
        format!("{}:record:{id}", self.0)
    }

    pub(crate) fn retry(&self, id: &str) -> String {
        format!("{}:retry:{id}", self.0)
    }

    /// The index: the ids of a subject's records.
    pub(crate) fn of_subject(&self, subject: &str) -> String {
        format!("{}:of:{subject}", self.0)
    }
}

/// The part that a session is in: FNV-1a of its id, which is a hash already. It must never change.
pub(crate) fn part_of(id: &str, parts: u16) -> u16 {
    let hash =
        id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u16::try_from(hash % u32::from(parts.max(1))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a cluster hashes: the text between the first brace and the next one behind it, or all of it.
    fn tag(key: &str) -> &str {
        let inside = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        inside.map(|(tag, _)| tag).filter(|tag| !tag.is_empty()).unwrap_or(key)
    }

    #[test]
    fn keys_of_one_script_have_one_tag() {
        for prefix in ["shop", "", "a:b", "{shop}", "}{", "%7B"] {
            let prefix = Prefix::new(prefix);
            let names = prefix.sessions(0, 1);
            for key in [names.record("x"), names.retry("x"), names.of_subject("{bob}"), names.of_subject("")]
            {
                assert_eq!(tag(&key), format!("{}:refresh:1", prefix.as_str()), "{key}");
            }
            let [log, state] = prefix.log();
            assert_eq!((tag(&log), tag(&state)), (tag(&log), tag(&log)));
        }
    }

    #[test]
    fn parts_have_tags_of_their_own() {
        let prefix = Prefix::new("shop");
        assert_eq!(prefix.sessions(3, 16).record("x"), "{shop:refresh:1:3/16}:record:x");
        assert_ne!(tag(&prefix.sessions(3, 16).record("x")), tag(&prefix.sessions(3, 32).record("x")));
    }

    #[test]
    fn prefixes_never_mix() {
        let keys = |prefix: &str| Prefix::new(prefix).document("a");
        assert_ne!(keys("{"), keys("%7B"));
        assert_eq!(keys("shop"), "shop:keys:1:a");
    }

    #[test]
    fn a_session_stays_in_its_part() {
        let ids: Vec<_> = (0..1600).map(|number| format!("id {number}")).collect();
        assert!(ids.iter().all(|id| part_of(id, 1) == 0));
        assert_eq!(part_of("4fzyAX5ZOTb3ZHkZpxU5Jp1rt1d5SsN5Ll3Q3yVNFlk", 16), 14);
        let mut counts = [0; 16];
        for id in &ids {
            counts[usize::from(part_of(id, 16))] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
    }
}
