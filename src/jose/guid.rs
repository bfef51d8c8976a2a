//! GUIDs: names of tenants and of keys, which become parts of issuers and URLs.

/// Whether this is a GUID of small letters, as tokens have it.
pub(crate) fn is_guid(text: &str) -> bool {
    let fits = |(position, byte): (usize, u8)| match position {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}
