//! Each variable: that it is the setting which the schema says, and a wrong value of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tower_jwt_auth::Config;

use super::{SECRET, settings_of};

/// Each variable of the schema, with the key of the file.
fn variables() -> BTreeMap<String, String> {
    let schema: Value = serde_json::from_str(&Config::json_schema()).unwrap();
    let mut variables = BTreeMap::new();
    for definition in schema["$defs"].as_object().unwrap().values() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            if let Some(name) = property["x-environment"].as_str() {
                assert_eq!(variables.insert(name.to_owned(), key.clone()), None, "{name} is there twice");
            }
        }
    }
    variables
}

/// Those that can be wrong together, with a wrong value of each.
const WRONG: [(&str, &str); 30] = [
    ("JWT_ISSUER", " https://id.example.com"),
    ("JWT_ALGORITHMS", "RS256,none"),
    ("JWT_LEEWAY", "301"),
    ("JWT_MAX_AGE", "soon"),
    ("JWT_PROFILE", "oauth"),
    ("JWT_REQUIRED_CLAIMS", "sub,,jti"),
    ("JWT_ROLES_AT", "roles"),
    ("JWT_NUMERIC_IDS_AS_TEXT", "2"),
    ("JWT_INSECURE_HTTP_HOSTS", "http://keycloak"),
    ("JWT_ALLOW_HTTP", "perhaps"),
    ("JWT_CA_FILE", "/nowhere/ca.pem"),
    ("JWT_CLIENT_CERTIFICATE_FILE", "/nowhere/client.pem"),
    ("JWT_KEYS_MAX_AGE", "-1"),
    ("JWT_COOLDOWN", "soon"),
    ("JWT_STALE", "1.5"),
    ("JWT_WAIT", "two"),
    ("JWT_FETCH_TIME", "9s"),
    ("JWT_LIMIT_TOKEN_BYTES", "0"),
    ("JWT_LIMIT_HEADER_BYTES", "0"),
    ("JWT_LIMIT_KID_BYTES", "0"),
    ("JWT_LIMIT_JSON_DEPTH", "0"),
    ("JWT_LIMIT_CLAIMS", "0"),
    ("JWT_LIMIT_AUDIENCE_ELEMENTS", "0"),
    ("JWT_LIMIT_KEYS_TRIED", "0"),
    ("JWT_CACHE_ENTRIES", "1"),
    ("JWT_CACHE_BYTES", "1"),
    ("JWT_TOKEN_FROM", "bearer,body"),
    ("JWT_REALM", "\""),
    ("JWT_CLAIM_HEADERS", "x-user"),
    ("JWT_SCOPES", "a\"b"),
];

#[test]
fn wrong_values_are_listed_together_by_the_names_of_variables() {
    let known = variables();
    let others = [("JWT_JWKS_URL", "https://id.example.com/keys"), ("JWT_AUDIENCE", "api")];
    let error = Config::from_variables(WRONG.into_iter().chain(others)).unwrap_err();
    let told: BTreeSet<&str> = settings_of(&error).into_iter().collect();
    assert_eq!(told, WRONG.iter().map(|(name, _)| *name).collect(), "{error}");
    for (name, _) in WRONG {
        assert!(known.contains_key(name), "{name} is not in the schema");
    }
    for problem in error.problems() {
        let text = problem.to_string();
        assert!(!text.contains("authorities["), "no file was read: {text}");
    }
}

#[test]
fn each_variable_is_the_key_that_the_schema_says() {
    // Values that are good for each of the keys; what goes with fetched keys, and what goes with a secret.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", &crate::tls::PrivateCa::new().pem());
    let client = file("client.pem", &crate::tls::PrivateCa::new().client());
    let (token, secret) = (file("token", "t"), file("secret", SECRET));
    let jwks = file("jwks.json", &tower_jwt_auth::TestIssuer::new("a").jwks());
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/p256.spki.pem");
    let url = "https://id.example.com/keys";
    let groups: [&[(&str, &str)]; 8] = [
        &[("JWT_SECRET", SECRET), ("JWT_PREVIOUS_SECRET", SECRET)],
        &[("JWT_SECRET_FILE", &secret), ("JWT_PREVIOUS_SECRET_FILE", &secret), ("JWT_ALGORITHMS", "HS256")],
        &[("JWT_JWKS", &jwks)],
        &[("JWT_JWKS_FILE", &jwks)],
        &[("JWT_PEM_FILE", pem), ("JWT_ALGORITHMS", "ES256")],
        &[
            ("JWT_JWKS_URL", url),
            ("JWT_INSECURE_HTTP_HOSTS", "a,b:80"),
            ("JWT_ALLOW_HTTP", "1"),
            ("JWT_CA_FILE", &ca),
            ("JWT_CLIENT_CERTIFICATE_FILE", &client),
            ("JWT_FETCH_TOKEN_FILE", &token),
            ("JWT_PROXY", "http://proxy:3128"),
            ("JWT_KEYS_FILE", "keys.json"),
            ("JWT_KEYS_MAX_AGE", "60"),
            ("JWT_COOLDOWN", "7"),
            ("JWT_STALE", "8"),
            ("JWT_WAIT", "9"),
            ("JWT_FETCH_TIME", "10"),
        ],
        &[
            ("JWT_OIDC_ISSUER", "a"),
            ("JWT_DISCOVERY_URL", "https://in.example/.well-known/openid-configuration"),
        ],
        &[
            ("JWT_SECRET", SECRET),
            ("JWT_LEEWAY", "1"),
            ("JWT_MAX_AGE", "2"),
            ("JWT_TYP", "t"),
            ("JWT_PROFILE", "id_token"),
            ("JWT_SUBJECT", "s"),
            ("JWT_REQUIRED_CLAIMS", "c,d"),
            ("JWT_ROLES_AT", "/r"),
            ("JWT_ONLY_SCOPES", "a b"),
            ("JWT_ONLY_ROLES", "a,b"),
            ("JWT_NUMERIC_IDS_AS_TEXT", "true"),
            ("JWT_LIMIT_TOKEN_BYTES", "1000"),
            ("JWT_LIMIT_HEADER_BYTES", "1001"),
            ("JWT_LIMIT_KID_BYTES", "1002"),
            ("JWT_LIMIT_JSON_DEPTH", "3"),
            ("JWT_LIMIT_CLAIMS", "4"),
            ("JWT_LIMIT_AUDIENCE_ELEMENTS", "5"),
            ("JWT_LIMIT_KEYS_TRIED", "2"),
            ("JWT_CACHE_ENTRIES", "100"),
            ("JWT_CACHE_BYTES", "100000"),
            ("JWT_TOKEN_FROM", "bearer,cookie:c"),
            ("JWT_TRUSTED_ORIGINS", "https://a.example"),
            ("JWT_REALM", "r"),
            ("JWT_OPTIONAL", "1"),
            ("JWT_CLAIM_HEADERS", "x-a=b, x-c=d"),
            ("JWT_SCOPES", "a b"),
            ("JWT_ROLES", "a,b"),
        ],
    ];
    let mut seen = BTreeSet::from(["JWT_ANY_ISSUER", "JWT_ANY_AUDIENCE", "JWT_ISSUER", "JWT_AUDIENCE"]);
    for group in groups {
        let issuer =
            if group.iter().any(|(name, _)| *name == "JWT_OIDC_ISSUER") { "a" } else { "JWT_ISSUER" };
        let names = [("JWT_ISSUER", issuer), ("JWT_AUDIENCE", "api")];
        let config = Config::from_variables(group.iter().copied().chain(names));
        let config = config.unwrap_or_else(|error| panic!("{error}"));
        let debug = format!("{config:?}");
        for (name, value) in group {
            let key = &variables()[*name];
            let (key, value) = match *name {
                "JWT_OIDC_ISSUER" => ("oidc", "true".to_owned()),
                // A path is told from JSON.
                "JWT_JWKS" => ("jwks_file", (*value).to_owned()),
                "JWT_KEYS_MAX_AGE" => ("max_age", "Bounds(60, 60)".to_owned()),
                _ => (key.as_str(), (*value).to_owned()),
            };
            let first = value.split([',', ' ', '=']).next().unwrap();
            let found = debug.split(&format!("{key}: ")).skip(1).any(|rest| {
                let rest = rest.chars().take(90).collect::<String>();
                let hidden = key.contains("secret") && !key.ends_with("file") || key == "proxy";
                match (hidden, first) {
                    (true, _) => rest.starts_with("Some((secret))"),
                    (false, "1") if rest.starts_with("true") => true,
                    (false, "id_token") => rest.starts_with("Some(IdToken)"),
                    (false, first) => rest.contains(first),
                }
            });
            assert!(found, "{name} is not {key} = {value}: {debug}");
            seen.insert(name);
        }
    }
    assert_eq!(seen, variables().keys().map(String::as_str).collect());
    let any = [("JWT_ANY_ISSUER", "1"), ("JWT_ANY_AUDIENCE", "true"), ("JWT_SECRET", SECRET)];
    assert!(Config::from_variables(any).is_ok());
    let none = [("JWT_ANY_ISSUER", "0"), ("JWT_ANY_AUDIENCE", "false"), ("JWT_SECRET", SECRET)];
    let error = Config::from_variables(none).unwrap_err();
    assert_eq!(settings_of(&error), ["JWT_ISSUER", "JWT_AUDIENCE"], "{error}");
}
