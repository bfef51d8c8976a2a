//! What each reason means: the sentences of the reference, so that the page needs no network to explain itself.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../../docs/reference/reasons.md");

static MEANINGS: LazyLock<BTreeMap<&'static str, String>> = LazyLock::new(|| {
    let sections = PAGE.split("\n### ").skip(1);
    let of = |section: &'static str| {
        let code = section.lines().next()?;
        let (_, after) = section.split_once("**It means:** ")?;
        let paragraph = after.split("\n\n").next()?;
        Some((code, paragraph.replace('\n', " ")))
    };
    sections.filter_map(of).collect()
});

/// What this reason means, in a sentence or two. Code stands between backticks.
pub(crate) fn meaning(reason: &str) -> &'static str {
    MEANINGS.get(reason).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_reference_has_a_meaning() {
        let sections = PAGE.matches("\n### ").count();
        assert_eq!((MEANINGS.len(), sections > 10), (sections, true));
        assert!(meaning("bad_signature").contains("signature"), "{}", meaning("bad_signature"));
        assert!(MEANINGS.values().all(|text| text.len() > 20 && !text.contains('\n')));
    }
}
