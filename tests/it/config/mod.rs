//! Configuration by a file and by environment variables.

mod effects;
mod environment;
mod mistakes;
mod reference;
mod reload;
mod routes;

use serde_json::{Value, json};
use tower_jwt_auth::{Claims, Config, ConfigError, TestIssuer};

const SECRET: &str = "WnQ4cTF4SjBtM2I3Q2s1UnYyWWU5THc2SHA0TmQ4U3U=";

fn settings_of(error: &ConfigError) -> Vec<&str> {
    error.problems().iter().map(|problem| problem.setting()).collect()
}

#[test]
fn file_and_environment_verify_the_same_tokens() {
    let issuer = TestIssuer::new("https://id.example.com").audience("api");
    let file = format!(
        "[[authorities]]\nissuer = \"https://id.example.com\"\naudience = [\"api\", \"b\"]\njwks = '''{}'''\nsubject = \"bob\"",
        issuer.jwks()
    );
    let variables = [
        ("JWT_ISSUER", "https://id.example.com"),
        ("JWT_AUDIENCE", "api"),
        ("JWT_JWKS", &issuer.jwks()),
        ("JWT_SUBJECT", "bob"),
        ("JWT_LEEWAY", ""),
    ];
    for config in [Config::from_toml(&file), Config::from_variables(variables)] {
        let verifier = config.unwrap().verifier_builder::<Claims>().unwrap().build().unwrap();
        for (subject, good) in [("bob", true), ("eve", false)] {
            let token = issuer.sign(json!({ "sub": subject }));
            assert_eq!(verifier.verify(&token).now().unwrap().is_ok(), good, "{subject}");
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once_by_the_users_names() {
    let file = format!(
        r#"
        colour = "red"
        [[authorities]]
        issuer = "a"
        audience = "api"
        secret = "{SECRET}"
        leewya = 3
        leeway = "soon"
        [[authorities]]
        issuer = "b"
        jwks_url = "https://id.example.com/keys"
        leeway = 3
        [[authorities]]
        issuer = "c"
        audience = 7
        any_audience = true
        secret = 12345
        algorithms = ["HS256", "none"]
        [[authorities]]
        issuer = "d"
        audience = "api"
        secret = "{SECRET}"
        leeway = 301
        fetch.wait = 3
        [limits]
        claims = 0
        [layer]
        realm = "\""
        "#
    );
    let error = Config::from_toml(&file).unwrap_err();
    let mut settings = settings_of(&error);
    settings.sort_unstable();
    assert_eq!(
        settings,
        [
            "authorities[0].leeway",
            "authorities[0].leewya",
            "authorities[1].audience",
            "authorities[2].algorithms[1]",
            "authorities[2].audience",
            "authorities[2].secret",
            "authorities[3].fetch.wait",
            "authorities[3].leeway",
            "colour",
            "layer.realm",
            "limits.claims",
        ],
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("did you mean leeway?") && text.contains("\"soon\""), "{text}");
    assert!(!text.contains("12345") && !text.contains(SECRET), "{text}");
}

#[test]
fn variables_are_named_as_variables() {
    let variables = [
        ("JWT_ISSUER", "a"),
        ("JWT_AUDIENCE", "api"),
        ("JWT_SECRET", "hunter2"),
        ("JWT_LEEWAY", "soon"),
        ("JWT_AUDIENSE", "x"),
    ];
    let error = Config::from_variables(variables).unwrap_err();
    assert_eq!(settings_of(&error), ["JWT_AUDIENSE", "JWT_LEEWAY", "JWT_SECRET"], "{error}");
    let text = error.to_string();
    assert!(text.contains("did you mean JWT_AUDIENCE?") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_secret_comes_from_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    let shared = [("JWT_ISSUER", "a"), ("JWT_AUDIENCE", "api")];
    let by_file = shared.into_iter().chain([("JWT_SECRET_FILE", path.to_str().unwrap())]);
    assert!(Config::from_variables(by_file).is_ok());
    let by_value = Config::from_variables(shared.into_iter().chain([("JWT_SECRET", SECRET)])).unwrap();
    assert!(!format!("{by_value:?}").contains(SECRET));
    let broken = Config::from_toml(&format!("secret = {SECRET}")).unwrap_err();
    assert!(!broken.to_string().contains(SECRET), "{broken}");
}

#[test]
fn the_file_of_jwt_config_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt.toml");
    let file = format!("[[authorities]]\nissuer = \"a\"\naudience = \"b\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(&path, file).unwrap();
    let path = path.to_str().unwrap();
    assert!(Config::from_variables([("JWT_CONFIG", path)]).is_ok());
    let error = Config::from_variables([("JWT_CONFIG", path), ("JWT_LEEWAY", "3")]).unwrap_err();
    assert_eq!(settings_of(&error), ["JWT_LEEWAY"]);
    std::fs::write(path, "colour = 1").unwrap();
    let error = Config::from_variables([("JWT_CONFIG", path)]).unwrap_err().to_string();
    assert!(error.contains(path) && error.contains("colour"), "{error}");
}

#[test]
fn the_schema_takes_no_other_keys() {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let Some(properties) = definition["properties"].as_object() else { continue };
        assert_eq!(definition["additionalProperties"], false, "{name}");
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{name}.{key}");
            // `fetch` is a table, whose keys have variables. Routes are for files alone.
            let has_variable = key != "fetch" && name != "RouteSettings";
            assert_eq!(property["x-environment"].is_string(), has_variable, "{name}.{key}");
        }
    }
}
