//! The guide: its fragments, applied in the order of the chapters, are the programs beside it, which doctests compile.

use std::collections::BTreeSet;
use std::fs;

/// The last one, with the tests that the reader writes: they run here.
#[allow(dead_code)]
#[path = "../../docs/guide/shop.rs"]
mod shop;

const STEPS: [(&str, &str); 9] = [
    ("01-password.md", "steps/01.rs"),
    ("02-token.md", "steps/02.rs"),
    ("04-bearer.md", "steps/04.rs"),
    ("05-roles.md", "steps/05.rs"),
    ("06-refresh.md", "steps/06.rs"),
    ("07-logout.md", "steps/07.rs"),
    ("08-cookies.md", "steps/08.rs"),
    ("09-keys.md", "steps/09.rs"),
    ("10-tests.md", "shop.rs"),
];

/// A file of Rust: what it imports in any order, and its items in their order.
#[derive(Default)]
struct Program {
    imports: BTreeSet<String>,
    items: Vec<String>,
}

impl Program {
    /// What a reader does with a block: imports are added, what has a name already is replaced, the rest is appended.
    fn apply(&mut self, block: &str) {
        for item in items(block) {
            if item.starts_with("use ") {
                self.imports.insert(item);
                continue;
            }
            match self.items.iter_mut().find(|old| name(old) == name(&item)) {
                Some(old) => *old = item,
                None => self.items.push(item),
            }
        }
    }
}

#[test]
fn the_chapters_make_the_programs() {
    let mut program = Program::default();
    for (chapter, file) in STEPS {
        let blocks = blocks(&read(chapter));
        assert!(!blocks.is_empty(), "{chapter} has no code");
        blocks.iter().for_each(|block| program.apply(block));
        if chapter == "09-keys.md" {
            // It says so: "delete them".
            let old = "use tower_jwt_auth::{Algorithm, Issuer, SigningKey};";
            assert!(program.imports.remove(old));
            program.imports.insert("use tower_jwt_auth::Issuer;".to_owned());
        }
        let mut committed = Program::default();
        committed.apply(&read(file));
        assert_eq!(committed.imports, program.imports, "the imports of {file}");
        for (ours, theirs) in committed.items.iter().zip(&program.items) {
            assert_eq!(ours, theirs, "{file}");
        }
        assert_eq!(committed.items.len(), program.items.len(), "{file}");
    }
}

#[test]
fn there_is_no_code_outside_of_the_steps() {
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_step = STEPS.iter().any(|(chapter, _)| *chapter == name);
        if name.ends_with(".md") && !is_step {
            assert!(blocks(&read(&name)).is_empty(), "nobody compiles the code in {name}");
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let links = include_str!("../../src/guide/links.md");
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = if name.ends_with(".md") { read(&name) } else { continue };
        let definitions: Vec<_> = text.lines().filter_map(definition).collect();
        for (label, target) in &definitions {
            assert!(directory().join(target).exists(), "{name}: {target}");
            assert!(
                links.lines().filter_map(definition).any(|(other, _)| other == *label),
                "{name}: {label}"
            );
        }
        for used in text.split("][").skip(1).filter_map(|rest| rest.split(']').next()) {
            assert!(definitions.iter().any(|(label, _)| *label == used), "{name}: [{used}] is not defined");
        }
    }
}

/// `[label]: target`
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

fn directory() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide")
}

fn read(name: &str) -> String {
    fs::read_to_string(directory().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn blocks(chapter: &str) -> Vec<String> {
    let parts = chapter.split("```rust").skip(1);
    parts.map(|part| part.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// As rustfmt writes it, an item ends with a line that is not indented and ends with a brace or a semicolon.
fn items(code: &str) -> Vec<String> {
    let (mut items, mut item) = (Vec::new(), String::new());
    for line in code.lines().filter(|line| !line.is_empty()) {
        item += line;
        item += "\n";
        if is_code(line) && line.ends_with(['}', ';']) {
            items.push(std::mem::take(&mut item).trim_end().to_owned());
        }
    }
    assert_eq!(item, "", "an item without end");
    items
}

/// Neither indented, nor a comment, nor an attribute.
fn is_code(line: &str) -> bool {
    !line.starts_with([' ', '/', '#'])
}

/// Such as `fn login` and `struct Shop`.
fn name(item: &str) -> Option<&str> {
    let line = item.lines().find(|line| is_code(line))?;
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.split(['(', '{', ':', ';']).next().map(str::trim)
}
