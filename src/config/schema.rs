//! The JSON schema of the settings.

use super::environment::variable_of;
use super::settings::Settings;
use serde_json::Value;

/// The tables of the file, as a mistake names them.
const TABLES: [(&str, &str); 7] = [
    ("AuthoritySettings", "into [[authorities]]"),
    ("FetchSettings", "into the table `fetch` of an authority"),
    ("LimitSettings", "into [limits]"),
    ("CacheSettings", "into [cache]"),
    ("LayerSettings", "into [layer]"),
    ("RequireSettings", "into [require] or [[routes]]"),
    ("RouteSettings", "into [[routes]]"),
];

/// Where a key belongs, if a table has it.
pub(super) fn table_of(key: &str) -> Option<&'static str> {
    let schema = schemars::schema_for!(Settings).to_value();
    let has = |properties: Option<&Value>| properties.is_some_and(|properties| properties.get(key).is_some());
    if has(schema.get("properties")) {
        return Some("at the top of the file, before the first table");
    }
    let in_table = |definition: &str| has(schema.pointer(&format!("/$defs/{definition}/properties")));
    TABLES.iter().find(|(definition, _)| in_table(definition)).map(|(_, table)| *table)
}

/// Each property has the name of its variable in `x-environment`.
pub(super) fn json() -> String {
    let mut schema = schemars::schema_for!(Settings).to_value();
    for (definition, prefix) in [
        ("AuthoritySettings", "@."),
        ("FetchSettings", "@.fetch."),
        ("LimitSettings", "limits."),
        ("CacheSettings", "cache."),
        ("LayerSettings", "layer."),
        ("RequireSettings", "require."),
    ] {
        let properties = schema.pointer_mut(&format!("/$defs/{definition}/properties"));
        for (key, property) in properties.and_then(Value::as_object_mut).into_iter().flatten() {
            if let (Some(name), Value::Object(property)) = (variable_of(&format!("{prefix}{key}")), property)
            {
                property.insert("x-environment".to_owned(), name.into());
            }
        }
    }
    format!("{schema:#}")
}
