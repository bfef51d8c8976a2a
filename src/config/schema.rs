//! The JSON schema of the settings.

use super::environment::variable_of;
use super::settings::Settings;
use serde_json::Value;

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
