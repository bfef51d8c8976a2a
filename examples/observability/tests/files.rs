//! The files that others read: the dashboard and the rules.

use std::collections::BTreeSet;

use serde_json::Value;

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

const ALERTS: &str = include_str!("../alerts.yml");
const DASHBOARD: &str = include_str!("../dashboard.json");
const REASONS: &str = include_str!("../../../docs/reference/reasons.md");

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Each expression with the legend of its panel.
fn expressions(dashboard: &Value) -> Vec<(&str, &str)> {
    let targets = panels(dashboard).into_iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets
        .map(|target| (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap()))
        .collect()
}

fn rules() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect()
}

/// What an expression of Prometheus names, as far as ours go.
#[derive(Default)]
struct Named<'a> {
    /// Metrics, each with what stands between its braces.
    metrics: Vec<(&'a str, &'a str)>,
    /// The labels behind `by`.
    by: Vec<&'a str>,
}

fn named(expression: &str) -> Named<'_> {
    let mut named = Named::default();
    let word = |from: usize| {
        let rest = &expression[from..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..length]
    };
    for (at, _) in expression.match_indices("jwt_auth_") {
        let name = word(at);
        let braces =
            expression[at + name.len()..].strip_prefix('{').map(|rest| rest.split_once('}').unwrap().0);
        named.metrics.push((name, braces.unwrap_or_default()));
    }
    for (at, _) in expression.match_indices(" by (") {
        named.by.extend(expression[at + 5..].split_once(')').unwrap().0.split(", "));
    }
    named
}

/// The documented metric behind a name of Prometheus, which has three for a histogram.
fn metric_of<'a>(all: &'a [Metric], name: &str) -> &'a Metric {
    let is = |metric: &&Metric| {
        let histogram =
            |suffix| metric.kind == "histogram" && name == format!("{}_{suffix}", metric.exported());
        let plain = metric.kind != "histogram" && name == metric.exported();
        plain || ["bucket", "sum", "count"].into_iter().any(histogram)
    };
    all.iter().find(is).unwrap_or_else(|| panic!("{name} is not in docs/reference/metrics.md"))
}

#[test]
fn expressions_name_only_what_is_documented() {
    let (dashboard, all) = (dashboard(), documented());
    let from_alerts = rules().into_iter().map(|rule| (rule, ""));
    let expressions: Vec<_> = expressions(&dashboard).into_iter().chain(from_alerts).collect();
    assert!(expressions.len() > 25);
    for (expression, legend) in expressions {
        let named = named(expression);
        assert!(!named.metrics.is_empty(), "{expression}");
        let mut known: BTreeSet<&str> = BTreeSet::from(["instance", "job"]);
        for (name, braces) in &named.metrics {
            let metric = metric_of(&all, name);
            known.extend(metric.labels.iter().map(String::as_str));
            if name.ends_with("_bucket") {
                known.insert("le");
            }
            for matcher in braces.split(", ").filter(|matcher| !matcher.is_empty()) {
                let (label, value) = matcher.split_once('=').unwrap();
                let label = label.trim_end_matches('!');
                let value = value.trim_start_matches('~').trim_matches('"');
                assert!(label == "job" || metric.labels.contains(label), "{label} of {name}: {expression}");
                let is_there = |value: &str| match label {
                    "job" => value == "$job",
                    "error_type" => REASONS.contains(&format!("\n### {value}\n")),
                    _ => PAGE.contains(&format!("`{value}`")),
                };
                assert!(value.split('|').all(is_there), "{value} of {label}: {expression}");
            }
        }
        let by: BTreeSet<&str> = named.by.iter().copied().collect();
        assert!(by.is_subset(&known), "{by:?} of {known:?}: {expression}");
        // What is not summed by a label is not there to be shown.
        for label in legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
            let there = if expression.contains("sum") { by.contains(label) } else { known.contains(label) };
            assert!(there, "{legend}: {expression}");
        }
    }
}

#[test]
fn each_documented_metric_is_in_a_panel() {
    let dashboard = dashboard();
    let all = documented();
    let names = expressions(&dashboard).into_iter().flat_map(|(expression, _)| named(expression).metrics);
    let shown: BTreeSet<String> = names.map(|(name, _)| metric_of(&all, name).exported()).collect();
    assert_eq!(shown, all.iter().map(Metric::exported).collect());
}

#[test]
fn panels_have_places_of_their_own_and_a_data_source_that_can_be_chosen() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut taken = BTreeSet::new();
    for panel in &panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
            assert!(taken.insert(place), "{} lies on another", panel["title"]);
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(targets.iter().all(|target| target["datasource"] == panel["datasource"]));
            let legends: BTreeSet<_> = targets.iter().map(|target| target["legendFormat"].as_str()).collect();
            assert_eq!(legends.len(), targets.len());
        }
    }
    assert!(taken.len() > 24 * 30);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job"]);
}

/// One copy to read, one for Prometheus.
#[test]
fn the_page_has_the_rules_of_the_file() {
    let (_, after) = PAGE.split_once("```yaml\n").unwrap();
    assert_eq!(after.split_once("```").unwrap().0, ALERTS);
    let summaries = ALERTS.matches("summary: ").count();
    assert_eq!((rules().len(), ALERTS.matches("severity: ").count()), (summaries, summaries));
}
