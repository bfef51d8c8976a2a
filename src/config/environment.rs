//! Environment variables into the same tree that a file gives.

use toml::{Table, Value};

use super::names::{Names, nearest};
use crate::error::ConfigProblemKind::{Conflict, Invalid};
use crate::error::{ConfigError, Problems};

/// How the text of a variable becomes a value.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Number,
    Flag,
    Commas,
    Words,
    Pairs,
}

use Form::{Commas, Flag, Number, Pairs, Text, Words};

/// Each variable, and the path of its setting; `@` is the one authority.
const VARIABLES: &[(&str, &str, Form)] = &[
    ("JWT_ISSUER", "@.issuer", Text),
    ("JWT_ANY_ISSUER", "@.any_issuer", Flag),
    ("JWT_AUDIENCE", "@.audience", Text),
    ("JWT_ANY_AUDIENCE", "@.any_audience", Flag),
    ("JWT_ALGORITHMS", "@.algorithms", Commas),
    ("JWT_SECRET", "@.secret", Text),
    ("JWT_SECRET_FILE", "@.secret_file", Text),
    ("JWT_PREVIOUS_SECRET", "@.previous_secret", Text),
    ("JWT_PREVIOUS_SECRET_FILE", "@.previous_secret_file", Text),
    ("JWT_JWKS", "@.jwks", Text),
    ("JWT_JWKS_FILE", "@.jwks_file", Text),
    ("JWT_JWKS_URL", "@.jwks_url", Text),
    ("JWT_OIDC_ISSUER", "@.oidc", Text),
    ("JWT_DISCOVERY_URL", "@.discovery_url", Text),
    ("JWT_PEM_FILE", "@.pem_file", Text),
    ("JWT_LEEWAY", "@.leeway", Number),
    ("JWT_MAX_AGE", "@.max_age", Number),
    ("JWT_TYP", "@.typ", Text),
    ("JWT_PROFILE", "@.profile", Text),
    ("JWT_SUBJECT", "@.subject", Text),
    ("JWT_REQUIRED_CLAIMS", "@.required_claims", Commas),
    ("JWT_ROLES_AT", "@.roles_at", Text),
    ("JWT_ONLY_SCOPES", "@.only_scopes", Words),
    ("JWT_ONLY_ROLES", "@.only_roles", Commas),
    ("JWT_NUMERIC_IDS_AS_TEXT", "@.numeric_ids_as_text", Flag),
    ("JWT_INSECURE_HTTP_HOSTS", "@.fetch.insecure_http_hosts", Commas),
    ("JWT_ALLOW_HTTP", "@.fetch.insecure_http_on_loopback", Flag),
    ("JWT_CA_FILE", "@.fetch.ca_file", Text),
    ("JWT_CLIENT_CERTIFICATE_FILE", "@.fetch.client_certificate_file", Text),
    ("JWT_FETCH_TOKEN_FILE", "@.fetch.bearer_token_file", Text),
    ("JWT_PROXY", "@.fetch.proxy", Text),
    ("JWT_KEYS_FILE", "@.fetch.keep_in", Text),
    ("JWT_KEYS_MAX_AGE", "@.fetch.max_age", Number),
    ("JWT_COOLDOWN", "@.fetch.cooldown", Number),
    ("JWT_STALE", "@.fetch.stale", Number),
    ("JWT_WAIT", "@.fetch.wait", Number),
    ("JWT_FETCH_TIME", "@.fetch.fetch_time", Number),
    ("JWT_LIMIT_TOKEN_BYTES", "limits.token_bytes", Number),
    ("JWT_LIMIT_HEADER_BYTES", "limits.header_bytes", Number),
    ("JWT_LIMIT_KID_BYTES", "limits.kid_bytes", Number),
    ("JWT_LIMIT_JSON_DEPTH", "limits.json_depth", Number),
    ("JWT_LIMIT_CLAIMS", "limits.claims", Number),
    ("JWT_LIMIT_AUDIENCE_ELEMENTS", "limits.audience_elements", Number),
    ("JWT_LIMIT_KEYS_TRIED", "limits.keys_tried", Number),
    ("JWT_CACHE_ENTRIES", "cache.entries", Number),
    ("JWT_CACHE_BYTES", "cache.bytes", Number),
    ("JWT_TOKEN_FROM", "layer.token_from", Commas),
    ("JWT_TRUSTED_ORIGINS", "layer.trusted_origins", Commas),
    ("JWT_REALM", "layer.realm", Text),
    ("JWT_OPTIONAL", "layer.optional", Flag),
    ("JWT_CLAIM_HEADERS", "layer.claim_headers", Pairs),
    ("JWT_SCOPES", "require.scopes", Words),
    ("JWT_ROLES", "require.roles", Commas),
];

/// The variable that names a file with the whole configuration.
pub(super) const CONFIG: &str = "JWT_CONFIG";

/// The tree of these variables. Those that are empty, or do not begin with `JWT_`, are passed over.
pub(super) fn tree(variables: &[(String, String)], names: &mut Names, problems: &mut Problems) -> Table {
    let mut tree = Table::new();
    for (_, path, _) in VARIABLES {
        let (name, full) = (name_of(path), path.replace('@', "authorities[0]"));
        names.add(full, name);
    }
    // There is one authority, whichever of its variables are set.
    tree.insert("authorities".to_owned(), Value::Array(vec![Value::Table(Table::new())]));
    for (name, text) in variables {
        let Some((_, path, form)) = VARIABLES.iter().find(|(known, ..)| known == name) else {
            let known = VARIABLES.iter().map(|(known, ..)| *known).chain([CONFIG]);
            let remedy = match nearest(name, known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "take it away; Config::json_schema lists all names".to_owned(),
            };
            problems.add(ConfigError::new(name.clone(), "there is no such variable", remedy));
            continue;
        };
        if *path == "@.oidc" {
            let own = variables.iter().find(|(name, _)| name == "JWT_ISSUER");
            if own.is_some_and(|(_, own)| own != text) {
                let problem = "JWT_ISSUER and JWT_OIDC_ISSUER differ";
                problems.add(ConfigError::new("JWT_ISSUER", problem, "leave it out").of_kind(Conflict));
            }
            put(&mut tree, "@.issuer", Value::String(text.clone()));
            put(&mut tree, path, Value::Boolean(true));
            if own.is_none() {
                names.add("authorities[0].issuer".to_owned(), "JWT_OIDC_ISSUER");
            }
            continue;
        }
        if *path == "@.jwks" && !text.trim_start().starts_with('{') {
            names.add("authorities[0].jwks_file".to_owned(), "JWT_JWKS");
            put(&mut tree, "@.jwks_file", Value::String(text.clone()));
            continue;
        }
        if let Some(value) = problems.take(value(name, text, *form)) {
            put(&mut tree, path, value);
        }
    }
    tree
}

fn name_of(path: &str) -> &'static str {
    VARIABLES.iter().find(|(_, known, _)| *known == path).map_or("", |(name, ..)| name)
}

fn value(name: &str, text: &str, form: Form) -> Result<Value, ConfigError> {
    let list = |parts: &mut dyn Iterator<Item = &str>| {
        Value::Array(parts.map(|part| Value::String(part.trim().to_owned())).collect())
    };
    Ok(match (form, text) {
        (Number, _) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
        (Flag, "1" | "true") => Value::Boolean(true),
        (Flag, "0" | "false") => Value::Boolean(false),
        (Text | Flag, _) => Value::String(text.to_owned()),
        (Commas, _) => list(&mut text.split(',')),
        (Words, _) => list(&mut text.split_whitespace()),
        (Pairs, _) => {
            let mut table = Table::new();
            for pair in text.split(',') {
                let refused = |why| {
                    let problem = format!("{pair:?} {why}");
                    ConfigError::new(name.to_owned(), problem, "write it as x-user=sub").of_kind(Invalid)
                };
                let (header, claim) =
                    pair.trim().split_once('=').ok_or_else(|| refused("is not HEADER=CLAIM"))?;
                if table.insert(header.to_owned(), Value::String(claim.to_owned())).is_some() {
                    return Err(refused("names a header for the second time"));
                }
            }
            Value::Table(table)
        }
    })
}

fn put(tree: &mut Table, path: &str, value: Value) {
    let mut keys: Vec<&str> = path.split('.').collect();
    let Some(last) = keys.pop() else { return };
    let mut table = tree;
    for key in keys {
        let next = match key {
            "@" => table.get_mut("authorities").and_then(|all| all.get_mut(0)),
            key => Some(table.entry(key).or_insert_with(|| Value::Table(Table::new()))),
        };
        let Some(Value::Table(next)) = next else { return };
        table = next;
    }
    table.insert(last.to_owned(), value);
}

/// The name of the variable of each setting, by its path in the schema.
pub(super) fn variable_of(path: &str) -> Option<&'static str> {
    Some(name_of(path)).filter(|name| !name.is_empty())
}
