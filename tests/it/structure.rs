//! The order of the rooms of `src/`: imports go down, and no files of different rooms import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. A room imports from those before it, and from nothing else.
const ROOMS: [&str; 23] = [
    "runtime",
    "error",
    "jose",
    "crypto",
    "store",
    "keys",
    "revocation",
    "refresh",
    "opaque",
    "verify",
    "status",
    "provider",
    "layer",
    "authorize",
    "config",
    "issuer",
    "introspection",
    "served",
    "endpoints",
    "feeds",
    "axum",
    "tonic",
    "test_util",
];

/// What a reader expects beside the rooms.
const AT_THE_ROOT: [&str; 3] = ["axum.rs", "lib.rs", "tonic.rs"];

/// Files of one room that import each other: a type and its builder; a source, and the task that it starts.
const PAIRS: [(&str, &str); 8] = [
    ("issuer/builder", "issuer/issuer"),
    ("issuer/ring/builder", "issuer/ring/key_ring"),
    ("keys/remote/http", "keys/remote/http_builder"),
    ("keys/remote/source/driver", "keys/remote/source/shared"),
    ("refresh/builder", "refresh/tokens"),
    ("revocation/builder", "revocation/revocations"),
    ("revocation/follower", "revocation/revocations"),
    ("verify/builder", "verify/verifier"),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The path of a module, such as `["keys", "remote", "state"]`.
fn module_of(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(source()).unwrap().with_extension("");
    let mut parts: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The code of a file but for comments and its tests.
fn code_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("\nmod tests").next().unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Names of the crate's front, such as `crate::Verifier`: a room names the room that an item comes from.
fn names_of_the_front_in(code: &str) -> bool {
    code.split("crate::").skip(1).any(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
}

/// The rooms that a file names by `crate::`.
fn rooms_named_in(code: &str) -> BTreeSet<String> {
    let names = code.split("crate::").skip(1).map(|rest| {
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
    });
    names.filter(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase())).collect()
}

#[test]
fn rooms_import_only_from_below() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    assert!(all.len() > 100, "{}", all.len());
    for file in all {
        let module = module_of(&file);
        let is_test = module.last().is_some_and(|name| name == "tests" || name == "interleavings");
        let Some(room) = module.first().filter(|room| *room != "guide" && !is_test) else { continue };
        let floor = |name: &str| ROOMS.iter().position(|one| *one == name);
        let own = floor(room).unwrap_or_else(|| panic!("no order says where {room} is"));
        let code = code_of(&file);
        // What stands in a documentation link is no import.
        assert!(!names_of_the_front_in(&code), "{} imports from the front of the crate", file.display());
        for named in rooms_named_in(&code) {
            let named_floor = floor(&named).unwrap_or_else(|| panic!("{}: crate::{named}", file.display()));
            assert!(named_floor <= own, "{} imports upwards from {named}", file.display());
        }
    }
}

#[test]
fn the_root_has_nothing_but_what_a_reader_expects() {
    let mut there: Vec<_> = fs::read_dir(source())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    there.sort();
    assert_eq!(there, AT_THE_ROOT);
}

/// The modules of the same room that a file imports, by `super::`, `crate::` or a child's name.
fn imports(
    module: &[String],
    code: &str,
    modules: &BTreeSet<Vec<String>>,
    is_folder: bool,
) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    for statement in code.split("use ").skip(1) {
        let statement = statement.split(';').next().unwrap();
        let flat: String = statement.split_whitespace().collect();
        let mut parts: Vec<&str> = flat.split("::").collect();
        let mut base = match parts.first() {
            Some(&"crate") => Vec::new(),
            Some(&"super") => module[..module.len() - 1].to_vec(),
            Some(&"self") if is_folder => module.to_vec(),
            _ => continue,
        };
        parts.remove(0);
        while parts.first() == Some(&"super") {
            base.pop();
            parts.remove(0);
        }
        while let Some(part) = parts.first() {
            let mut deeper = base.clone();
            deeper.push((*part).to_owned());
            if !modules.contains(&deeper) {
                break;
            }
            base = deeper;
            parts.remove(0);
        }
        if base.first() == module.first() && base != module {
            found.insert(base);
        }
    }
    found
}

/// A `mod.rs` that only declares and re-exports is no party to a circle: what it gives on belongs to the files below it.
#[test]
fn files_import_each_other_in_no_circle() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    let modules: BTreeSet<_> = all.iter().map(|file| module_of(file)).collect();
    let mut graph: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in &all {
        let (module, code) = (module_of(file), code_of(file));
        let is_folder = file.file_name().is_some_and(|name| name == "mod.rs");
        let only_declares = is_folder && !code.contains("fn ") && !code.contains("struct ");
        let is_test = module.last().is_some_and(|name| name == "tests" || name == "interleavings");
        if module.is_empty() || only_declares || is_test {
            continue;
        }
        let imported = imports(&module, &code, &modules, is_folder);
        graph.insert(module, imported);
    }
    let pairs: BTreeSet<(String, String)> = PAIRS.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
    let mut met = BTreeSet::new();
    for (module, imported) in &graph {
        for other in imported {
            if graph.get(other).is_some_and(|back| back.contains(module)) && module < other {
                met.insert((module.join("/"), other.join("/")));
            }
        }
    }
    assert_eq!(met, pairs);
    // Longer circles: what is left after files without imports were taken away again and again.
    loop {
        let leaves: Vec<_> = graph
            .iter()
            .filter(|(module, imported)| {
                imported.iter().all(|other| {
                    let pair = [module.join("/"), other.join("/")];
                    let known =
                        PAIRS.iter().any(|(a, b)| pair.contains(&(*a).into()) && pair.contains(&(*b).into()));
                    known || !graph.contains_key(other)
                })
            })
            .map(|(module, _)| module.clone())
            .collect();
        if leaves.is_empty() {
            break;
        }
        leaves.iter().for_each(|leaf| drop(graph.remove(leaf)));
    }
    let left: Vec<_> = graph.keys().map(|module| module.join("/")).collect();
    assert!(left.is_empty(), "a circle among {left:?}");
}
