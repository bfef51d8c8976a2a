//! The reference pages of `docs` say what the code says, and the how-to pages are compiled and listed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tower_jwt_auth::Reason;

/// The row under a reason's heading: status, challenge, gRPC status.
type Row = [String; 3];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/reference/reasons.md")).unwrap()
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

/// The how-to pages by the names of their files, without the list of all tasks.
fn how_to_pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(root().join("docs/how-to")).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.file_name().unwrap() != "README.md")
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The headings of the second level. Lines of code blocks are none.
fn tasks(page: &str) -> impl Iterator<Item = &str> {
    let text = page.split("```").step_by(2);
    text.flat_map(str::lines).filter_map(|line| line.strip_prefix("## "))
}

#[test]
fn each_how_to_page_is_compiled() {
    let source = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (_, list) = source.split_once("    how_to!(").unwrap();
    let mut compiled: Vec<_> = list.split(')').next().unwrap().split_whitespace().collect();
    // The page of a crate of its own is compiled by that crate.
    let source = fs::read_to_string(root().join("stores/redis/src/lib.rs")).unwrap();
    assert!(source.contains("include_str!(\"../../../docs/how-to/redis.md\")"));
    compiled.push("redis");
    compiled.sort_unstable();
    let pages = how_to_pages();
    assert_eq!(compiled, pages.keys().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_list_of_tasks_has_each_task_of_the_how_to_pages_in_order() {
    let list = fs::read_to_string(root().join("docs/how-to/README.md")).unwrap();
    for (name, page) in how_to_pages() {
        let listed = list.lines().filter(|line| line.contains(&format!("]({name}.md#")));
        let listed: Vec<_> =
            listed.map(|line| line.split_once("](").unwrap().0.trim_start_matches("- [")).collect();
        assert_eq!(listed, tasks(&page).collect::<Vec<_>>(), "{name}");
    }
}
