//! The reference pages of `docs` say what the code says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tower_jwt_auth::Reason;

/// The row under a reason's heading: status, challenge, gRPC status.
type Row = [String; 3];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/reasons.md");
    fs::read_to_string(path).unwrap()
}

/// The sections of the page by their headings, with the text up to the next heading of any level.
fn sections(page: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap();
        let text = text.split("\n## ").next().unwrap();
        assert!(found.insert(heading, text).is_none(), "two sections {heading}");
    }
    found
}

fn row(section: &str) -> Row {
    let mut tables = section.split("| HTTP status | challenge | gRPC status |\n|---|---|---|\n").skip(1);
    let line = tables.next().unwrap().lines().next().unwrap();
    assert!(tables.next().is_none(), "two tables: {section}");
    let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    cells.try_into().unwrap()
}

/// What the code says. A challenge goes with what a client can mend: not with 403 or 5xx that have no code of their own.
fn expected(reason: Reason) -> Row {
    let challenge = if reason.public_code() != reason.as_str() || has_own_code(reason) {
        format!("`{}`", reason.public_code())
    } else if reason.status() == 401 {
        "without a code".to_owned()
    } else {
        "none".to_owned()
    };
    [reason.status().as_u16().to_string(), challenge, reason.grpc_code().to_string()]
}

/// Reasons whose code is that of a challenge in RFC 6750 section 3.1 or RFC 9470 section 3.
fn has_own_code(reason: Reason) -> bool {
    matches!(reason, Reason::InsufficientScope | Reason::InsufficientUserAuthentication)
}

#[test]
fn each_reason_has_its_section_and_no_other_is_there() {
    let page = page();
    let headings: Vec<_> = sections(&page).into_keys().collect();
    let mut codes: Vec<_> = Reason::all().iter().map(ToString::to_string).collect();
    codes.sort();
    assert_eq!(headings, codes);
}

#[test]
fn the_page_has_the_answers_of_the_code() {
    let page = page();
    let sections = sections(&page);
    for reason in Reason::all() {
        assert_eq!(row(sections[reason.as_str()]), expected(*reason), "{reason}");
    }
}

#[test]
fn each_section_says_what_it_means_why_and_what_to_do() {
    let page = page();
    for (heading, text) in sections(&page) {
        for part in ["**It means:**", "**Usual causes**", "**What to do:**", "**`explain`**"] {
            assert_eq!(text.matches(part).count(), 1, "{part} in {heading}");
        }
    }
}
