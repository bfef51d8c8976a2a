//! A wrong value for each key, and the one error that lists them all.

use std::collections::BTreeSet;

use serde_json::Value;
use tower_jwt_auth::{Config, ConfigError};

use super::SECRET;

/// A wrong value of one key of an authority, with what the table needs besides.
const AUTHORITY: [(&str, &str, &str); 28] = [
    ("issuer", "issuer = ' https://a.example'", "AUDIENCE SECRET"),
    ("any_issuer", "any_issuer = true", "AUDIENCE SECRET"),
    ("audience", "audience = ''", "ISSUER SECRET"),
    ("any_audience", "any_audience = true", "ISSUER AUDIENCE SECRET"),
    ("algorithms", "algorithms = ['none']", "ISSUER AUDIENCE SECRET"),
    ("secret", "secret = 'aHVudGVyMg=='", "ISSUER AUDIENCE"),
    ("secret_file", "secret_file = '/nowhere/secret'", "ISSUER AUDIENCE"),
    ("previous_secret", "previous_secret = 'aHVudGVyMg=='", "ISSUER AUDIENCE SECRET"),
    ("previous_secret_file", "previous_secret_file = '/nowhere/previous'", "ISSUER AUDIENCE SECRET"),
    ("jwks", "jwks = '{'", "ISSUER AUDIENCE"),
    ("jwks_file", "jwks_file = '/nowhere/jwks'", "ISSUER AUDIENCE"),
    ("jwks_url", "jwks_url = 'ftp://keys.example'", "ISSUER AUDIENCE"),
    ("oidc", "oidc = 'yes'", "ISSUER AUDIENCE SECRET"),
    ("discovery_url", "discovery_url = 'https://keys.example/document'", "ISSUER AUDIENCE OIDC"),
    ("pem_file", "pem_file = '/nowhere/key.pem'", "ISSUER AUDIENCE\nalgorithms = ['RS256']"),
    ("leeway", "leeway = 301", "ISSUER AUDIENCE SECRET"),
    ("max_age", "max_age = 0", "ISSUER AUDIENCE SECRET"),
    ("typ", "typ = 'JWT'\nprofile = 'rfc9068'", "ISSUER AUDIENCE SECRET"),
    ("profile", "profile = 'oauth'", "ISSUER AUDIENCE SECRET"),
    ("subject", "subject = 7", "ISSUER AUDIENCE SECRET"),
    ("required_claims", "required_claims = ['']", "ISSUER AUDIENCE SECRET"),
    ("roles_at", "roles_at = 'roles'", "ISSUER AUDIENCE SECRET"),
    ("only_scopes", "only_scopes = 'read'", "ISSUER AUDIENCE SECRET"),
    ("only_roles", "only_roles = ['admin']", "ISSUER AUDIENCE SECRET"),
    ("numeric_ids_as_text", "numeric_ids_as_text = 1", "ISSUER AUDIENCE SECRET"),
    ("fetch", "fetch = 'often'", "ISSUER AUDIENCE OIDC"),
    // What is read contradicts itself: two mistakes of one table.
    ("secret", "secret = 12345", "ISSUER AUDIENCE"),
    ("leeway", "leeway = 'soon'\nmax_age = -1", "ISSUER AUDIENCE SECRET"),
];

const FETCH: [(&str, &str); 12] = [
    ("insecure_http_hosts", "['http://keycloak:8080']"),
    ("insecure_http_on_loopback", "'yes'"),
    ("ca_file", "'/nowhere/ca.pem'"),
    ("client_certificate_file", "'/nowhere/client.pem'"),
    ("bearer_token_file", "7"),
    ("proxy", "'not a proxy: hunter2'"),
    ("keep_in", "7"),
    ("max_age", "[3600, 300]"),
    ("cooldown", "4"),
    ("stale", "86401"),
    ("wait", "11"),
    ("fetch_time", "31"),
];

const OTHERS: &str = r#"
[limits]
token_bytes = 0
header_bytes = 0
kid_bytes = 0
json_depth = 65
claims = 0
audience_elements = 0
keys_tried = 5
[cache]
entries = 1
bytes = 1
[layer]
token_from = ["header:authorization", "body", "cookie:session"]
trusted_origins = ["app.example.com"]
realm = "\""
optional = 7
claim_headers = { "x_user" = "sub" }
[require]
scopes = ["a b"]
roles = [""]
[[routes]]
path = "/orders/"
[[routes]]
path = "/a"
methods = ["get"]
[[routes]]
path = "/b"
scopes = [""]
[[routes]]
path = "/c"
roles = [7]
[[routes]]
path = "/d"
anyone = true
"#;

/// One file with all of these.
fn file() -> String {
    let mut file = String::new();
    for (index, (_, wrong, besides)) in AUTHORITY.iter().enumerate() {
        let besides = besides
            .replace("ISSUER", &format!("issuer = 'https://{index}.example'\n"))
            .replace("AUDIENCE", "audience = 'api'\n")
            .replace("SECRET", &format!("secret = '{SECRET}'\n"))
            .replace("OIDC", "oidc = true\n");
        file.push_str(&format!("[[authorities]]\n{wrong}\n{besides}\n"));
    }
    for (key, wrong) in FETCH {
        let table = format!("issuer = '{key}'\naudience = 'api'\njwks_url = 'https://keys.example/{key}'");
        file.push_str(&format!("[[authorities]]\n{table}\nfetch.{key} = {wrong}\n"));
    }
    file + OTHERS
}

/// The keys of all tables, as the schema has them.
fn keys() -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    let of = |properties: &Value| properties.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut keys = BTreeSet::new();
    for (definition, table) in [
        ("AuthoritySettings", "authorities[]."),
        ("FetchSettings", "authorities[].fetch."),
        ("LimitSettings", "limits."),
        ("CacheSettings", "cache."),
        ("LayerSettings", "layer."),
        ("RequireSettings", "require."),
        ("RouteSettings", "routes[]."),
    ] {
        let properties = &schema["$defs"][definition]["properties"];
        keys.extend(of(properties).iter().map(|key| format!("{table}{key}")));
    }
    keys
}

/// The setting without its indices at the end, and with none in those of its table.
fn key_of(setting: &str) -> String {
    let mut key = String::new();
    for part in setting.split('.') {
        let table = part.split('[').next().unwrap();
        let is_list = ["authorities", "routes"].contains(&table);
        key +=
            &format!("{}{table}{}", if key.is_empty() { "" } else { "." }, if is_list { "[]" } else { "" });
    }
    key.replace(".claim_headers.x_user", ".claim_headers")
}

fn error() -> ConfigError {
    Config::from_toml(&file()).unwrap_err()
}

#[test]
fn one_error_lists_a_wrong_value_of_each_key() {
    let error = error();
    let told: BTreeSet<String> = error.problems().iter().map(|problem| key_of(problem.setting())).collect();
    assert_eq!(told, keys(), "{error}");
    // One mistake for each wrong value, and no other.
    let expected = AUTHORITY.len() + 1 + FETCH.len() + 7 + 2 + 6 + 2 + 5;
    assert_eq!(error.problems().len(), expected, "{error}");
}

#[test]
fn each_mistake_has_its_value_and_a_remedy_in_words_of_the_file() {
    let error = error();
    for problem in error.problems() {
        let text = problem.to_string();
        assert!(!problem.remedy().is_empty(), "{text}");
        for call in ["::", "(..)", "call ", "()"] {
            assert!(!text.contains(call), "a file calls nothing: {text}");
        }
    }
    let text = error.to_string();
    for value in [
        "\" https://a.example\"",
        "\"none\"",
        "/nowhere/secret",
        "\"yes\"",
        "301",
        "\"oauth\"",
        "\"ftp://keys.example\"",
        "\"http://keycloak:8080\"",
        "\"soon\"",
        "\"/orders/\"",
        "\"get\"",
        "\"body\"",
    ] {
        assert!(text.contains(value), "{value} is not shown: {text}");
    }
    for secret in [SECRET, "aHVudGVyMg==", "hunter2", "12345"] {
        assert!(!text.contains(secret), "{secret} is shown: {text}");
    }
}

#[test]
fn wrong_tables_are_listed_together() {
    let keys = ["authorities", "cache", "layer", "limits", "require", "routes"];
    let file: String = keys.iter().map(|key| format!("{key} = 3\n")).collect();
    let error = Config::from_toml(&(file + "deny_unlisted = 'yes'")).unwrap_err();
    let mut told: Vec<&str> = error.problems().iter().map(|problem| problem.setting()).collect();
    told.sort_unstable();
    assert_eq!(told, ["authorities", "cache", "deny_unlisted", "layer", "limits", "require", "routes"]);
}

#[test]
fn plain_http_is_allowed_by_a_key_that_the_error_names() {
    let file =
        "[[authorities]]\nissuer = 'http://keycloak:8080/realms/shop'\naudience = 'api'\noidc = true\n";
    let error = Config::from_toml(file).unwrap_err();
    assert_eq!(error.setting(), "authorities[0].issuer");
    let remedy = "let authorities[0].fetch.insecure_http_hosts name \"keycloak:8080\"";
    assert!(error.remedy().ends_with(remedy), "{error}");
    assert!(Config::from_toml(&format!("{file}fetch.insecure_http_hosts = ['keycloak:8080']")).is_ok());
    let variables = [("JWT_OIDC_ISSUER", "http://keycloak:8080/realms/shop"), ("JWT_AUDIENCE", "api")];
    let error = Config::from_variables(variables).unwrap_err();
    assert!(error.remedy().ends_with("let JWT_INSECURE_HTTP_HOSTS name \"keycloak:8080\""), "{error}");
}

/// What the schema says of a number is what the code says, on both sides of each bound.
#[test]
fn the_bounds_of_the_schema_are_those_of_the_code() {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    let mut bounded = 0;
    for (definition, table) in [
        ("AuthoritySettings", ""),
        ("FetchSettings", "fetch."),
        ("LimitSettings", "limits"),
        ("CacheSettings", "cache"),
    ] {
        for (key, property) in schema["$defs"][definition]["properties"].as_object().unwrap() {
            let property = match property["anyOf"][0]["$ref"].as_str() {
                Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
                None => property,
            };
            let is_number = property["type"].to_string().contains("integer");
            assert_eq!(property["minimum"].is_u64(), is_number, "{key}");
            let read = |value: i64| {
                let keys =
                    if table == "fetch." { "jwks_url = 'https://a.example'" } else { "secret = 'SECRET'" };
                let authority = format!("[[authorities]]\nissuer = 'a'\naudience = 'b'\n{keys}\n");
                let authority = authority.replace("SECRET", SECRET);
                Config::from_toml(&match table {
                    "limits" | "cache" => format!("{authority}[{table}]\n{key} = {value}"),
                    _ => format!("{authority}{table}{key} = {value}"),
                })
            };
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                if let Some(bound) = property[bound].as_i64() {
                    assert!(read(bound).is_ok(), "{key} = {bound}: {:?}", read(bound));
                    assert!(read(bound + beyond).is_err(), "{key} = {}", bound + beyond);
                    bounded += 1;
                }
            }
        }
    }
    assert_eq!(bounded, 2 * (1 + 5 + 7 + 2) + 1);
}
