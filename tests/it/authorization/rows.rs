//! The rows of the table. What is expected is written by hand, from the documentation and the standards.

use std::time::Duration;

use serde_json::{Value, json};
use tower_jwt_auth::{Claims, Reason, Require};

use super::{NOW, Staff, answering, silent};

/// What a request brings.
#[derive(Clone)]
pub(super) enum Caller {
    /// A token of this issuer with these claims.
    Token(&'static str, Value),
    /// No token, where the layer is optional.
    Anonymous,
    /// A good token, where there is no layer.
    NoLayer,
}

/// HTTP status, challenge, gRPC status.
pub(super) type Expected = (u16, Option<&'static str>, i32);

pub(super) struct Row {
    pub(super) policy: Require,
    pub(super) caller: Caller,
    pub(super) expected: Expected,
}

const NONE: Option<&str> = None;
const PLAIN: Option<&str> = Some("Bearer realm=\"api\"");
const INVALID: Option<&str> =
    Some("Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The access token is invalid\"");

macro_rules! scope {
    ($scope:literal) => {
        Some(concat!(
            "Bearer realm=\"api\", error=\"insufficient_scope\", ",
            "error_description=\"The access token lacks a scope\", scope=\"",
            $scope,
            "\""
        ))
    };
}

macro_rules! step_up {
    ($demand:literal) => {
        Some(concat!(
            "Bearer realm=\"api\", error=\"insufficient_user_authentication\", ",
            "error_description=\"A stronger or more recent authentication is required\", ",
            $demand
        ))
    };
}

fn id(claims: Value) -> Caller {
    Caller::Token("id", claims)
}

fn row(policy: Require, caller: Caller, expected: Expected) -> Row {
    Row { policy, caller, expected }
}

pub(super) fn all() -> Vec<Row> {
    let groups = [scopes(), roles(), issuers_and_claims(), freshness(), questions(), nests(), strangers()];
    groups.into_iter().flatten().collect()
}

fn scopes() -> Vec<Row> {
    let read = |claims, expected| row(Require::scope("read"), id(claims), expected);
    let both = |claims, expected| row(Require::scope("read write"), id(claims), expected);
    let partner = |wanted: &str, claims, expected| {
        row(Require::scope(wanted), Caller::Token("partner", claims), expected)
    };
    vec![
        read(json!({ "scope": "read" }), (200, NONE, 0)),
        read(json!({ "scope": "write read" }), (200, NONE, 0)),
        read(json!({ "scope": ["write", "read"] }), (200, NONE, 0)),
        read(json!({ "scp": ["write", "read"] }), (200, NONE, 0)),
        read(json!({ "scp": "write read" }), (200, NONE, 0)),
        read(json!({}), (403, scope!("read"), 7)),
        read(json!({ "scope": "" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "readonly" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "re ad" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "Read" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "read,write" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "write\tread" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "write\u{a0}read" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "\u{ff52}ead" }), (403, scope!("read"), 7)),
        // An element of an array is one scope.
        read(json!({ "scp": ["write read"] }), (403, scope!("read"), 7)),
        read(json!({ "scope": { "read": true } }), (403, scope!("read"), 7)),
        // With both, `scope` counts, and nothing is added up.
        read(json!({ "scope": "read", "scp": "write" }), (200, NONE, 0)),
        read(json!({ "scope": "write", "scp": "read" }), (403, scope!("read"), 7)),
        read(json!({ "scope": "", "scp": "read" }), (403, scope!("read"), 7)),
        read(json!({ "scope": 7, "scp": "read" }), (403, scope!("read"), 7)),
        both(json!({ "scope": "write admin read" }), (200, NONE, 0)),
        both(json!({ "scope": "read" }), (403, scope!("read write"), 7)),
        both(json!({ "scp": ["read write"] }), (403, scope!("read write"), 7)),
        // `only_scopes(["read"])`
        partner("read", json!({ "scope": "read write" }), (200, NONE, 0)),
        partner("write", json!({ "scope": "read write" }), (403, scope!("write"), 7)),
        partner("write", json!({ "scp": ["write"] }), (403, scope!("write"), 7)),
        // Written wrong.
        row(Require::scope(""), id(json!({ "scope": "" })), (500, NONE, 13)),
        row(Require::scope("read  write"), id(json!({ "scope": "read write" })), (500, NONE, 13)),
        row(Require::scope("caf\u{e9}"), id(json!({ "scope": "caf\u{e9}" })), (500, NONE, 13)),
        row(Require::scope("a\"b"), id(json!({ "scope": "a\"b" })), (500, NONE, 13)),
    ]
}

fn roles() -> Vec<Row> {
    let admin = |claims, expected| row(Require::role("admin"), id(claims), expected);
    let partner = |wanted: &str, claims, expected| {
        row(Require::role(wanted), Caller::Token("partner", claims), expected)
    };
    vec![
        // `roles_at("/roles")`
        admin(json!({ "roles": "admin" }), (200, NONE, 0)),
        admin(json!({ "roles": ["user", "admin"] }), (200, NONE, 0)),
        admin(json!({ "roles": { "admin": {} } }), (200, NONE, 0)),
        admin(json!({ "roles": { "admin": true } }), (200, NONE, 0)),
        admin(json!({ "roles": { "admin": false } }), (403, NONE, 7)),
        admin(json!({}), (403, NONE, 7)),
        admin(json!({ "roles": [] }), (403, NONE, 7)),
        admin(json!({ "roles": ["administrator"] }), (403, NONE, 7)),
        admin(json!({ "roles": ["Admin"] }), (403, NONE, 7)),
        admin(json!({ "roles": ["admin ", "\u{a0}admin"] }), (403, NONE, 7)),
        // A string is one role.
        admin(json!({ "roles": "user admin" }), (403, NONE, 7)),
        admin(json!({ "role": "admin", "realm_access": { "roles": ["admin"] } }), (403, NONE, 7)),
        admin(json!({ "roles": ["admin", 1] }), (401, INVALID, 16)),
        // `roles_at("/realm_access/roles").only_roles(["viewer"])`
        partner("viewer", json!({ "realm_access": { "roles": ["admin", "viewer"] } }), (200, NONE, 0)),
        partner("admin", json!({ "realm_access": { "roles": ["admin", "viewer"] } }), (403, NONE, 7)),
        // An authority without a place of roles.
        row(Require::role("admin"), Caller::Token("bare", json!({ "roles": ["admin"] })), (500, NONE, 13)),
        row(
            Require::not(Require::role("admin")),
            Caller::Token("bare", json!({ "roles": [] })),
            (500, NONE, 13),
        ),
    ]
}

fn issuers_and_claims() -> Vec<Row> {
    let from = |issuer: &str, caller, expected| row(Require::issuer(issuer), caller, expected);
    let ops = || Require::that(|staff: &Staff| staff.team == "ops");
    let other_type = || Require::that(|claims: &Claims| claims.sub.is_none());
    vec![
        from("https://id.example", id(json!({})), (200, NONE, 0)),
        from("https://id.example/", id(json!({})), (403, NONE, 7)),
        from("https://ID.example", id(json!({})), (403, NONE, 7)),
        from("https://id.example", Caller::Token("partner", json!({})), (403, NONE, 7)),
        from(
            "https://id.example",
            Caller::Token("id", json!({ "iss": "https://partner.example" })),
            (401, INVALID, 16),
        ),
        row(ops(), id(json!({ "team": "ops" })), (200, NONE, 0)),
        row(ops(), id(json!({ "team": "dev" })), (403, NONE, 7)),
        row(ops(), id(json!({ "team": 1 })), (401, INVALID, 16)),
        row(other_type(), id(json!({})), (500, NONE, 13)),
        row(Require::not(other_type()), id(json!({})), (500, NONE, 13)),
    ]
}

fn freshness() -> Vec<Row> {
    let five_minutes = || Require::max_auth_age(Duration::from_secs(300));
    let fresh =
        |auth_time: Value, expected| row(five_minutes(), id(json!({ "auth_time": auth_time })), expected);
    let gold = |claims, expected| row(Require::acr(["gold", "silver"]), id(claims), expected);
    let both = || Require::all([five_minutes(), Require::acr(["gold"])]);
    vec![
        fresh(json!(NOW - 1), (200, NONE, 0)),
        fresh(json!(NOW - 300), (200, NONE, 0)),
        fresh(json!(NOW - 301), (401, step_up!("max_age=\"300\""), 16)),
        fresh(json!(NOW as f64 - 300.5), (401, step_up!("max_age=\"300\""), 16)),
        row(five_minutes(), id(json!({})), (401, step_up!("max_age=\"300\""), 16)),
        fresh(json!(NOW.to_string()), (401, step_up!("max_age=\"300\""), 16)),
        // The clock of the issuer may be ahead by the leeway, and no more.
        fresh(json!(NOW + 30), (200, NONE, 0)),
        fresh(json!(NOW + 31), (401, step_up!("max_age=\"300\""), 16)),
        fresh(json!(253_402_300_799_u64), (401, step_up!("max_age=\"300\""), 16)),
        gold(json!({ "acr": "gold" }), (200, NONE, 0)),
        gold(json!({ "acr": "silver" }), (200, NONE, 0)),
        gold(json!({ "acr": "bronze" }), (401, step_up!("acr_values=\"gold silver\""), 16)),
        gold(json!({ "acr": "gold silver" }), (401, step_up!("acr_values=\"gold silver\""), 16)),
        gold(json!({ "acr": "Gold" }), (401, step_up!("acr_values=\"gold silver\""), 16)),
        gold(json!({ "acr": ["gold"] }), (401, step_up!("acr_values=\"gold silver\""), 16)),
        gold(json!({}), (401, step_up!("acr_values=\"gold silver\""), 16)),
        row(both(), id(json!({ "acr": "gold", "auth_time": NOW })), (200, NONE, 0)),
        row(both(), id(json!({})), (401, step_up!("acr_values=\"gold\", max_age=\"300\""), 16)),
        // All that is demanded is named, so that the next authentication will do.
        row(
            both(),
            id(json!({ "acr": "gold" })),
            (401, step_up!("acr_values=\"gold\", max_age=\"300\""), 16),
        ),
        // Written wrong.
        row(Require::acr([""; 0]), id(json!({ "acr": "gold" })), (500, NONE, 13)),
        row(Require::acr([""]), id(json!({ "acr": "" })), (500, NONE, 13)),
        row(Require::acr(["gold silver"]), id(json!({ "acr": "gold silver" })), (500, NONE, 13)),
    ]
}

fn questions() -> Vec<Row> {
    let yes = || answering("yes", Ok(true));
    let no = || answering("no", Ok(false));
    let down = || answering("down", Err(Reason::RevocationUnavailable));
    // As a question says that asks for a claim which the token lacks.
    let odd = || answering("missing_claim", Err(Reason::MissingClaim));
    let nobody = || Require::any([]);
    let of = |policy, expected| row(policy, id(json!({ "scope": "read" })), expected);
    vec![
        of(yes(), (200, NONE, 0)),
        of(no(), (403, NONE, 7)),
        of(down(), (503, NONE, 14)),
        of(silent(), (503, NONE, 14)),
        of(odd(), (401, INVALID, 16)),
        of(Require::not(no()), (200, NONE, 0)),
        of(Require::not(yes()), (403, NONE, 7)),
        of(Require::not(down()), (503, NONE, 14)),
        of(Require::not(silent()), (503, NONE, 14)),
        of(Require::not(odd()), (401, INVALID, 16)),
        of(Require::not(Require::any([nobody(), odd()])), (401, INVALID, 16)),
        of(Require::not(Require::any([no(), down()])), (503, NONE, 14)),
        of(Require::not(Require::all([yes(), silent()])), (503, NONE, 14)),
        of(Require::any([down(), yes()]), (200, NONE, 0)),
        of(Require::any([Require::scope("read"), silent()]), (200, NONE, 0)),
        of(Require::any([Require::scope("write"), no()]), (403, scope!("write"), 7)),
        of(Require::all([Require::scope("read"), no()]), (403, NONE, 7)),
        of(Require::all([Require::scope("write"), silent()]), (403, scope!("write"), 7)),
        of(Require::all([yes(), Require::any([no(), yes()])]), (200, NONE, 0)),
    ]
}

fn nests() -> Vec<Row> {
    let everybody = Require::authenticated;
    let nobody = || Require::any([]);
    let (a, b) = (|| Require::scope("a"), || Require::scope("b"));
    let admin = || Require::role("admin");
    let of = |policy, claims, expected| row(policy, id(claims), expected);
    let bare = |policy, claims, expected| row(policy, Caller::Token("bare", claims), expected);
    vec![
        of(Require::authenticated(), json!({}), (200, NONE, 0)),
        of(Require::not(Require::authenticated()), json!({}), (403, NONE, 7)),
        of(everybody(), json!({}), (200, NONE, 0)),
        of(nobody(), json!({}), (403, NONE, 7)),
        of(Require::not(everybody()), json!({}), (403, NONE, 7)),
        of(Require::not(nobody()), json!({}), (200, NONE, 0)),
        // An empty list of demands is a mistake, and no permission.
        of(Require::all([]), json!({}), (500, NONE, 13)),
        of(Require::not(Require::all([])), json!({}), (500, NONE, 13)),
        of(Require::role(""), json!({ "roles": "" }), (500, NONE, 13)),
        of(Require::issuer(""), json!({}), (500, NONE, 13)),
        of(Require::all([everybody(), nobody()]), json!({}), (403, NONE, 7)),
        of(Require::any([everybody(), nobody()]), json!({}), (200, NONE, 0)),
        of(Require::not(Require::not(a())), json!({ "scope": "a" }), (200, NONE, 0)),
        of(Require::not(Require::not(a())), json!({ "scope": "b" }), (403, NONE, 7)),
        of(Require::not(a()), json!({ "scope": "a" }), (403, NONE, 7)),
        of(Require::not(a()), json!({ "scope": "b" }), (200, NONE, 0)),
        of(Require::all([a(), b()]), json!({ "scope": "a b" }), (200, NONE, 0)),
        of(Require::all([a(), b()]), json!({ "scope": "a" }), (403, scope!("a b"), 7)),
        of(Require::all([a(), admin()]), json!({ "roles": "admin" }), (403, scope!("a"), 7)),
        of(Require::all([a(), admin()]), json!({}), (403, NONE, 7)),
        of(Require::any([admin(), a()]), json!({ "scope": "a" }), (200, NONE, 0)),
        of(Require::any([admin(), a()]), json!({}), (403, scope!("a"), 7)),
        of(
            Require::all([a(), Require::any([admin(), b()])]),
            json!({ "scope": "a" }),
            (403, scope!("a b"), 7),
        ),
        of(Require::not(Require::all([a(), admin()])), json!({ "scope": "a" }), (200, NONE, 0)),
        bare(Require::any([admin(), a()]), json!({ "scope": "a" }), (200, NONE, 0)),
        bare(Require::any([admin(), a()]), json!({}), (500, NONE, 13)),
        bare(Require::all([nobody(), admin()]), json!({}), (500, NONE, 13)),
        bare(Require::not(Require::any([nobody(), admin()])), json!({}), (500, NONE, 13)),
        of(Require::not(Require::scope("")), json!({}), (500, NONE, 13)),
        of(Require::not(Require::all([a(), Require::scope("")])), json!({}), (500, NONE, 13)),
        of(Require::any([Require::scope(""), nobody()]), json!({}), (500, NONE, 13)),
    ]
}

fn strangers() -> Vec<Row> {
    let policies = || {
        [
            Require::authenticated(),
            Require::all([]),
            Require::any([]),
            Require::not(Require::any([])),
            Require::not(Require::authenticated()),
            Require::scope("read"),
            answering("owner", Ok(true)),
        ]
    };
    let anonymous = policies().map(|policy| row(policy, Caller::Anonymous, (401, PLAIN, 16)));
    let no_layer = policies().map(|policy| row(policy, Caller::NoLayer, (500, NONE, 13)));
    anonymous.into_iter().chain(no_layer).collect()
}
