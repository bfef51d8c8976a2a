//! What the user calls a setting, and the name that a misspelt one was meant to be.

use std::collections::BTreeMap;

use crate::error::{ConfigError, ConfigProblem};

/// The user's names of settings that have another path here.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, &'static str>);

impl Names {
    pub(super) fn add(&mut self, path: String, name: &'static str) {
        self.0.insert(path, name);
    }

    /// The name of the setting at this path, or of the nearest one around it; the path itself for a file.
    pub(super) fn of(&self, path: &str) -> String {
        let mut around = path;
        loop {
            if let Some(name) = self.0.get(around) {
                return (*name).to_owned();
            }
            let Some(end) = around.rfind(['.', '[']) else { break };
            around = around.get(..end).unwrap_or_default();
        }
        path.to_owned()
    }

    /// The same mistake, at this path.
    pub(super) fn rename(&self, problem: &ConfigProblem, path: &str) -> ConfigError {
        ConfigError::new(self.of(path), problem.problem(), problem.remedy()).of_kind(problem.kind())
    }
}

/// The one of these names that this one was probably meant to be.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = |known: &str| distance(name, known);
    let found = names.into_iter().min_by_key(|known| near(known))?;
    (near(found) <= 2.max(found.len() / 4)).then_some(found)
}

/// How many letters must be added, removed or replaced.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (index, letter) in from.chars().enumerate() {
        let (mut corner, mut left) = (index, index + 1);
        let mut next = vec![left];
        for (other, above) in to.chars().zip(row.iter().skip(1)) {
            left = (corner + usize::from(letter != other)).min(left + 1).min(above + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (from, to, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("leewya", "leeway", 2)]
        {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_a_near_name_is_meant() {
        assert_eq!(nearest("leewya", ["issuer", "leeway"]), Some("leeway"));
        assert_eq!(nearest("colour", ["issuer", "leeway"]), None);
        assert_eq!(nearest("colour", []), None);
    }
}
