//! The page of all keys, and the schema for editors, are what the code says.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;
use tower_jwt_auth::{Config, TestIssuer};

const TABLES: [(&str, &str, &str); 8] = [
    ("", "The whole file", ""),
    ("AuthoritySettings", "`[[authorities]]`", "authorities"),
    ("FetchSettings", "`fetch`, in an authority", "fetch"),
    ("LimitSettings", "`[limits]`", "limits"),
    ("CacheSettings", "`[cache]`", "cache"),
    ("LayerSettings", "`[layer]`", "layer"),
    ("RequireSettings", "`[require]`", "require"),
    ("RouteSettings", "`[[routes]]`", "routes"),
];

/// The type of a property in words.
fn type_of(property: &Value) -> &'static str {
    let types =
        property["type"].as_array().map_or_else(|| vec![&property["type"]], |all| all.iter().collect());
    let types: Vec<&str> =
        types.into_iter().filter_map(Value::as_str).filter(|name| *name != "null").collect();
    match (types.as_slice(), property.get("$ref").or_else(|| property.get("anyOf")).map(Value::to_string)) {
        (["string"], _) => "text",
        (["boolean"], _) => "true or false",
        (["integer"], _) => "number",
        (["array"], _) => "list",
        (["object"], _) => "table",
        (_, Some(reference)) if reference.contains("Profile") => "`rfc9068` or `id_token`",
        (_, Some(reference)) if reference.contains("Settings") => "table",
        (["string", "array"], _) => "text or list",
        (["string", "object"], _) => "text or table",
        (["integer", "array"], _) => "number, or two",
        other => panic!("no words for {other:?} of {property}"),
    }
}

fn tables() -> String {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    let mut page = String::new();
    for (definition, title, _) in TABLES {
        let of = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
        writeln!(page, "### {title}\n\n{}\n", of["description"].as_str().unwrap().replace('\n', " "))
            .unwrap();
        writeln!(page, "| key | variable | value | meaning |\n|---|---|---|---|").unwrap();
        for (key, property) in of["properties"].as_object().unwrap() {
            let variable =
                property["x-environment"].as_str().map(|name| format!("`{name}`")).unwrap_or_default();
            let meaning = property["description"].as_str().unwrap().replace('\n', " ").replace('|', "\\|");
            writeln!(page, "| `{key}` | {variable} | {} | {meaning} |", type_of(property)).unwrap();
        }
        page.push('\n');
    }
    page
}

/// With `UPDATE_DOCS=1` what is there is replaced first.
fn held(path: &str, expected: impl Fn(&str) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = expected(&found);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(found == expected, "{} is old: run the tests once with UPDATE_DOCS=1", path.display());
    }
}

#[test]
fn the_page_lists_all_keys() {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    let tables_of_schema =
        schema["$defs"].as_object().unwrap().iter().filter(|(_, table)| table["properties"].is_object());
    assert_eq!(tables_of_schema.count() + 1, TABLES.len(), "a table is not on the page");
    held("docs/reference/configuration.md", |page| {
        let (before, rest) = page.split_once("<!-- keys -->\n").expect("the page has its mark");
        let (_, after) = rest.split_once("<!-- end of keys -->").expect("the page has its second mark");
        format!("{before}<!-- keys -->\n{}<!-- end of keys -->{after}", tables())
    });
}

#[test]
fn the_schema_file_is_the_schema() {
    held("docs/reference/configuration.schema.json", |_| Config::json_schema() + "\n");
}

/// Each example of the page and of the how-to is read.
#[test]
fn the_examples_of_the_pages_are_good() {
    // Files that only the reader has.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("partner.jwks"), TestIssuer::new("partner").jwks()).unwrap();
    std::fs::write(folder.path().join("jwt"), super::SECRET).unwrap();
    let mut examples = 0;
    for page in ["docs/reference/configuration.md", "docs/how-to/configure.md"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        for block in text.split("```toml\n").skip(1) {
            let toml = block.split("```").next().unwrap();
            let toml = toml.replace("/run/secrets", folder.path().to_str().unwrap());
            if let Err(error) = Config::from_toml(&toml) {
                panic!("{page}: {error}\n{toml}");
            }
            examples += 1;
        }
        for block in text.split("```dotenv\n").skip(1) {
            let lines = block.split("```").next().unwrap().lines();
            let variables = lines.filter_map(|line| line.split_once('='));
            if let Err(error) = Config::from_variables(variables) {
                panic!("{page}: {error}\n{block}");
            }
            examples += 1;
        }
    }
    assert!(examples >= 5, "{examples}");
}
