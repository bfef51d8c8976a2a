//! The files that others read: the dashboard and the rules.

use std::collections::BTreeSet;

/// A row of the table in `docs/reference/metrics.md`.
pub(crate) struct Metric {
    name: String,
    pub(crate) kind: String,
    pub(crate) labels: BTreeSet<String>,
}

impl Metric {
    /// As Prometheus has it.
    pub(crate) fn exported(&self) -> String {
        self.name.replace('.', "_")
    }
}

const PAGE: &str = include_str!("../../../docs/reference/metrics.md");

pub(crate) fn documented() -> Vec<Metric> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `jwt_auth."));
    let metrics: Vec<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim()).collect();
            let labels = cells[4].split(", ").map(|label| label.trim_matches('`').replace('.', "_"));
            Metric {
                name: cells[1].trim_matches('`').to_owned(),
                kind: cells[2].to_owned(),
                labels: labels.filter(|label| !label.is_empty()).collect(),
            }
        })
        .collect();
    assert!(metrics.len() >= 12);
    metrics
}
