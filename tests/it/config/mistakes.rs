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
    ("secret_file", "secret_file = 'tests/no-such-secret'", "ISSUER AUDIENCE"),
    ("previous_secret", "previous_secret = 'aHVudGVyMg=='", "ISSUER AUDIENCE SECRET"),
    ("previous_secret_file", "previous_secret_file = 'tests/no-such-previous'", "ISSUER AUDIENCE SECRET"),
    ("jwks", "jwks = '{'", "ISSUER AUDIENCE"),
    ("jwks_file", "jwks_file = 'tests/no-such-jwks'", "ISSUER AUDIENCE"),
    ("jwks_url", "jwks_url = 'ftp://keys.example'", "ISSUER AUDIENCE"),
    ("oidc", "oidc = 'yes'", "ISSUER AUDIENCE SECRET"),
    ("discovery_url", "discovery_url = 'https://keys.example/document'", "ISSUER AUDIENCE OIDC"),
    ("pem_file", "pem_file = 'tests/no-such.pem'", "ISSUER AUDIENCE\nalgorithms = ['RS256']"),
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
    ("ca_file", "'tests/no-such-ca.pem'"),
    ("client_certificate_file", "'tests/no-such-client.pem'"),
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
        "tests/no-such-secret",
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

const AUTHORITY_OF_A: &str = "[[authorities]]\nissuer = 'a'\naudience = 'b'\n";

fn told(file: &str) -> Vec<String> {
    let error = Config::from_toml(file).map(drop).expect_err(file);
    error.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn one_mistake_is_told_once_and_by_the_number_that_the_user_counts() {
    let key = format!("secret = '{SECRET}'\n");
    for (file, expected) in [
        (
            format!("{AUTHORITY_OF_A}{key}algorithms = ['none', 'HS256', 'foo']"),
            &["algorithms[0]: \"none\"", "algorithms[2]: \"foo\""][..],
        ),
        (
            format!("{AUTHORITY_OF_A}{key}[require]\nscopes = ['', 'a', 'b c', 'd', 7]"),
            &["require.scopes[0]: \"\"", "require.scopes[2]: \"b c\"", "require.scopes[4]: 7"],
        ),
        (
            format!("{AUTHORITY_OF_A}oidc = 'https://id.example.com'"),
            &["authorities[0].oidc: \"https://id.example.com\" cannot be used; give true or false"],
        ),
        (format!("{AUTHORITY_OF_A}secret_file = 12345"), &["authorities[0].secret_file: 12345"]),
        (
            format!("authorities = [{{ issuer = 'a', audience = 'b', secret = '{SECRET}' }}, 3]"),
            &["authorities[1]: 3 cannot be used; give a table"],
        ),
        (
            format!("{AUTHORITY_OF_A}{key}leeway = 30.0"),
            &["authorities[0].leeway: 30.0 cannot be used; give a whole number"],
        ),
        (format!("{AUTHORITY_OF_A}{key}[[routes]]\nscopes = ['a']"), &["routes[0].path: it is not set"]),
        (
            "[[authorities]]\naudience = 'b'\noidc = true\nany_issuer = true".to_owned(),
            &["authorities[0].oidc: there is no issuer to discover; set authorities[0].issuer"],
        ),
        (
            format!("{AUTHORITY_OF_A}{key}algorithms = [{{}}, {{ a = 1 }}, 'HS256']"),
            &["authorities[0].algorithms[0]: a table", "authorities[0].algorithms[1]: a table"],
        ),
        (
            format!(
                "{AUTHORITY_OF_A}{key}[layer]\ntoken_from = [{{}}]\n[[routes]]\npath = '/a'\nmethods = [{{ a = 1 }}]"
            ),
            &["layer.token_from[0]: a table", "routes[0].methods[0]: a table"],
        ),
        // Two of one kind are told together.
        (
            format!("{AUTHORITY_OF_A}secret = 'aHVudGVyMg=='\nprevious_secret = 'aHVudGVyMg=='"),
            &["authorities[0].secret: it has 7 bytes", "authorities[0].previous_secret: it has 7 bytes"],
        ),
        (
            format!("{AUTHORITY_OF_A}secret_file = 'tests/none'\nprevious_secret_file = 'tests/none'"),
            &["authorities[0].secret_file: tests/none", "authorities[0].previous_secret_file: tests/none"],
        ),
        (
            format!("{AUTHORITY_OF_A}pem_file = 'tests/none'"),
            &["authorities[0].pem_file: tests/none", "authorities[0].algorithms: it does not name one"],
        ),
        (
            format!("{AUTHORITY_OF_A}{key}oidc = true\njwks = '{{}}'"),
            &["authorities[0].jwks: both", "authorities[0].oidc: both"],
        ),
    ] {
        let told = told(&file);
        let starts = told.iter().zip(expected).all(|(told, expected)| told.contains(expected));
        assert!(told.len() == expected.len() && starts, "{file}\n{told:#?}");
    }
}

#[test]
fn what_stands_in_the_wrong_place_is_told_where_it_belongs() {
    let key = format!("secret = '{SECRET}'\n");
    for (file, expected) in [
        (
            format!("[authorities]\nissuer = 'a'\n{key}"),
            "authorities: it is one table; write [[authorities]]",
        ),
        (format!("{AUTHORITY_OF_A}{key}[routes]\npath = '/a'"), "routes: it is one table; write [[routes]]"),
        (
            format!("{AUTHORITY_OF_A}{key}[[routes]]\npath = '/a'\ndeny_unlisted = true"),
            "routes[0].deny_unlisted: there is no such setting; it belongs at the top of the file",
        ),
        (
            format!("{AUTHORITY_OF_A}{key}scopes = ['a']"),
            "authorities[0].scopes: there is no such setting; it belongs into [require] or [[routes]]",
        ),
        (
            format!("{AUTHORITY_OF_A}{key}cooldown = 7"),
            "authorities[0].cooldown: there is no such setting; it belongs into the table `fetch`",
        ),
        (
            format!("{AUTHORITY_OF_A}{key}[layer]\nleeway = 7"),
            "layer.leeway: there is no such setting; it belongs into [[authorities]]",
        ),
        (format!("{AUTHORITY_OF_A}{key}'od`d' = 7"), "there is no such setting; use one of issuer"),
    ] {
        let told = told(&file);
        assert!(told.iter().any(|told| told.contains(expected)), "{file}\n{told:#?}");
    }
}

#[test]
fn no_mistake_shows_a_secret() {
    let url = "https://bob:hunter2@id.example.com/hunter2?key=hunter2";
    for file in [
        format!("{AUTHORITY_OF_A}secret = 0xdeadbeefhunter2"),
        "secret = 123456789012345678901234567890".to_owned(),
        format!("{AUTHORITY_OF_A}secret = hunter2"),
        format!("{AUTHORITY_OF_A}secret = 'hunter2"),
        format!("{AUTHORITY_OF_A}secret = ['hunter2']"),
        format!("{AUTHORITY_OF_A}secret = {{ hunter2 = 'hunter2' }}"),
        format!("{AUTHORITY_OF_A}secret_file = 'hunter2'"),
        format!("{AUTHORITY_OF_A}secret_file = '/no/hunter2'"),
        format!("{AUTHORITY_OF_A}secret_file = '/hunter2'"),
        format!("{AUTHORITY_OF_A}pem_file = \"-----BEGIN\\nhunter2\"\nalgorithms = ['RS256']"),
        format!(
            "{AUTHORITY_OF_A}jwks_url = 'https://a.example'\nfetch.client_certificate_file = \"-----BEGIN\\nhunter2\""
        ),
        format!(
            "{AUTHORITY_OF_A}jwks_url = 'https://a.example'\nfetch.insecure_http_hosts = ['bob:hunter2@a']"
        ),
        format!("[[authorities]]\nissuer = '{url}'\naudience = ''\nleeway = 999\nsecret = '{SECRET}'"),
        format!(
            "{AUTHORITY_OF_A}secret = '{SECRET}'\n[layer]\ntoken_from = ['cookie:a']\ntrusted_origins = ['https://bob:hunter2@a']"
        ),
        format!("{AUTHORITY_OF_A}jwks = 'hunter2'"),
        format!("{AUTHORITY_OF_A}jwks_url = '{url}'"),
        format!("{AUTHORITY_OF_A}jwks_url = '{url}'\nfetch.bearer_token_file = 'tests/none'"),
        format!("{AUTHORITY_OF_A}jwks_url = 'https://bob:hunter2 @id.example.com'"),
        format!("[[authorities]]\nissuer = '{url}'\naudience = 'b'\noidc = true"),
        format!(
            "[[authorities]]\nissuer = 'https://a.example'\naudience = 'b'\noidc = true\ndiscovery_url = '{url}'"
        ),
        format!(
            "[[authorities]]\nissuer = '{url}'\naudience = 'b'\n[[authorities]]\nissuer = '{url}'\naudience = 'b'"
        ),
        format!("{AUTHORITY_OF_A}oidc = '{url}'"),
        format!("{AUTHORITY_OF_A}jwks_url = 'https://a.example'\nfetch.proxy = 'http://bob:hunter2@'"),
    ] {
        let told =
            told(&file).join("\n").replace("/hunter2", if file.contains("/no/") { "/hunter2" } else { "" });
        assert!(!told.contains("hunter2") && !told.contains("123456789"), "{file}\n{told}");
    }
    let contents = Config::from_variables([("JWT_CONFIG", "[[authorities]]\nsecret = 'hunter2'")]);
    assert!(!contents.unwrap_err().to_string().contains("hunter2"));
    let url = "https://id.example.com/keys?key=hunter2";
    let good = Config::from_toml(&format!("{AUTHORITY_OF_A}jwks_url = '{url}'")).unwrap();
    assert!(!format!("{good:?}").contains("hunter2"), "{good:?}");
}

#[cfg(unix)]
#[test]
fn what_is_no_file_of_a_sensible_size_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    std::fs::write(at("long"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    std::fs::write(at("bom"), format!("\u{feff}{SECRET}")).unwrap();
    for (name, problem) in [
        ("fifo", "not a file"),
        ("", "not a file"),
        ("long", "more than 1048576 bytes"),
        ("bom", "byte order mark"),
    ] {
        let told = told(&format!("{AUTHORITY_OF_A}secret_file = '{}'", at(name).display()));
        assert!(told.len() == 1 && told[0].contains(problem), "{told:?}");
        if name != "bom" {
            assert!(Config::from_file(at(name)).unwrap_err().to_string().contains(problem));
        }
    }
}

#[test]
fn authorities_do_not_share_a_file_of_kept_keys() {
    let of = |name: &str| {
        format!(
            "[[authorities]]\nissuer = '{name}'\naudience = 'b'\njwks_url = 'https://{name}.example'\nfetch.keep_in = 'keys'\n"
        )
    };
    let told = told(&(of("a") + &of("c")));
    assert_eq!(
        told,
        ["authorities[1].fetch.keep_in: keys is that of authorities[0] as well; give each its own file"]
    );
}
