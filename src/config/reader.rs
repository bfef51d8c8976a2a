//! A tree of values into the settings, with every mistake on the way.

use std::collections::{BTreeMap, BTreeSet};

use serde_path_to_error::{Path, Segment};
use toml::{Table, Value};

use super::names::{Names, nearest};
use super::schema;
use super::settings::Settings;
use crate::error::{ConfigError, ConfigProblemKind, Problems, shown_url};

/// The tree of a TOML text.
///
/// # Errors
/// If it is no TOML. What stands there is not shown, for it may be secret.
pub(super) fn parse(text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        // Some messages quote what they stumble over.
        let quotes = |message: &&str| {
            message.contains(['`', '"', '\'']) || message.contains(|c: char| c.is_ascii_digit())
        };
        let problem =
            Some(error.message()).filter(|message| !quotes(message)).unwrap_or("this cannot be read");
        ConfigError::new(format!("line {line}, column {column}"), problem, "write it as TOML")
    })
}

/// Reads what can be read. What cannot is noted and taken out of the tree, until the rest reads.
pub(super) fn read(tree: &mut Table, names: &Names, problems: &mut Problems) -> Settings {
    let mut removed = Removed::default();
    loop {
        let error = match serde_path_to_error::deserialize(tree.clone()) {
            Ok(settings) => return settings,
            Err(error) => error,
        };
        let segments = steps(error.path());
        let path = removed.original(&segments);
        let value = remove(tree, &segments, &mut removed);
        let message = error.into_inner();
        problems.add(told(message.message(), &path, value.as_ref(), names));
        if value.is_none() {
            // What is not there cannot be taken out: only a mistake of this file leads here.
            return Settings::default();
        }
    }
}

/// Which elements of which lists were taken out, by the numbers that the user would count.
#[derive(Default)]
struct Removed(BTreeMap<String, BTreeSet<usize>>);

impl Removed {
    /// The path as it was before anything was taken out.
    fn original(&self, steps: &[Step]) -> String {
        let mut path = String::new();
        for step in steps {
            path = match step {
                Step::Key(key) if path.is_empty() => key.clone(),
                Step::Key(key) => format!("{path}.{key}"),
                Step::Index(index) => {
                    let gone = self.0.get(&path).into_iter().flatten();
                    let index = gone.fold(*index, |index, gone| index + usize::from(*gone <= index));
                    format!("{path}[{index}]")
                }
            };
        }
        path
    }
}

enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// Takes a value out of the tree. A table in a list gives its place to one that reads, so that the others keep theirs.
fn remove(tree: &mut Table, steps: &[Step], removed: &mut Removed) -> Option<Value> {
    let (last, around) = steps.split_last()?;
    let (Step::Key(first), further) = around.split_first().map_or((last, None), |(a, b)| (a, Some(b))) else {
        return None;
    };
    let Some(further) = further else { return tree.remove(first) };
    let mut node = tree.get_mut(first)?;
    for step in further {
        node = match step {
            Step::Key(key) => node.get_mut(key.as_str())?,
            Step::Index(index) => node.get_mut(*index)?,
        };
    }
    match (last, node) {
        (Step::Key(key), Value::Table(table)) => table.remove(key),
        (Step::Index(index), Value::Array(list)) => {
            let is_table = matches!(list.get(*index), Some(Value::Table(_)));
            let all_tables = list.iter().any(Value::is_table) || is_table;
            match list.get_mut(*index) {
                // One that does not read either is no table of this list.
                Some(element) if all_tables && element.as_table().is_none_or(|table| !table.is_empty()) => {
                    Some(std::mem::replace(element, Value::Table(Table::new())))
                }
                Some(_) => {
                    let list_path = removed.original(around);
                    let original = removed.original(steps);
                    let number = original
                        .rsplit_once('[')
                        .and_then(|(_, number)| number.strip_suffix(']')?.parse::<usize>().ok());
                    removed.0.entry(list_path).or_default().extend(number);
                    Some(list.remove(*index))
                }
                None => None,
            }
        }
        _ => None,
    }
}

/// Settings whose values are never shown.
const SECRET: [&str; 4] = ["secret", "previous_secret", "jwks", "proxy"];

fn told(message: &str, path: &str, value: Option<&Value>, names: &Names) -> ConfigError {
    let setting = names.of(path);
    if message.starts_with("unknown field ") {
        let name = path.rsplit('.').next().unwrap_or_default();
        let known = message.rsplit_once("expected ").map_or("", |(_, known)| known);
        let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
        let remedy = match (schema::table_of(name), nearest(name, known.iter().copied())) {
            (Some(table), _) => format!("it belongs {table}"),
            (None, Some(meant)) => format!("did you mean {meant}?"),
            (None, None) => format!("use one of {}", known.join(", ")),
        };
        return ConfigError::new(setting, "there is no such setting", remedy);
    }
    if matches!((path, value), ("authorities" | "routes", Some(Value::Table(_)))) {
        let remedy = format!("write [[{path}]], with two brackets on each side, for each of them");
        return ConfigError::new(setting, "it is one table", remedy);
    }
    let expected = message.rsplit_once("expected ").map_or(message, |(_, expected)| expected.trim());
    let expected = match expected {
        "u64" | "usize" | "a 64-bit unsigned integer" => "a whole number that is not negative",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text in quotes",
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        other => other,
    };
    let is_secret = path.split(['.', '[']).any(|key| SECRET.contains(&key));
    let shown = match value {
        Some(Value::Table(_)) => "a table".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::String(text)) if !is_secret && !expected.starts_with("a table") => {
            format!("{:?}", shown_url(text))
        }
        Some(Value::Integer(number)) if !is_secret => number.to_string(),
        Some(Value::Float(number)) if !is_secret => format!("{number:?}"),
        Some(Value::Boolean(flag)) if !is_secret => flag.to_string(),
        _ => "the value".to_owned(),
    };
    ConfigError::new(setting, format!("{shown} cannot be used"), format!("give {expected}"))
        .of_kind(ConfigProblemKind::Invalid)
}
