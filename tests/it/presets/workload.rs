//! Identities of programs: GitHub Actions, GitLab CI, Kubernetes, SPIFFE, Cloudflare Access.

use serde_json::json;
use tower_jwt_auth::{Algorithm, Reason, TestIssuer, provider};

use super::{Provider, has_no_place_of_roles, jwk, rsa};

use Reason::{InvalidClaim, MissingClaim, UnknownIssuer, WrongAudience};

#[tokio::test]
async fn github_takes_jobs_of_the_owner_and_no_prefix_of_a_name() {
    let claims = json!({
        "jti": "j", "sub": "repo:octo@9919/hello@74:ref:refs/heads/main", "aud": "https://deploy.example.com",
        "ref": "refs/heads/main", "repository": "octo/hello", "repository_owner": "octo",
        "repository_owner_id": "9919", "repository_id": "74", "run_id": "1", "event_name": "push",
        "job_workflow_ref": "octo/hello/.github/workflows/ci.yml@refs/heads/main",
    });
    let github = Provider::discovered(
        || provider::github_actions("9919").audience("https://deploy.example.com"),
        "https://token.actions.githubusercontent.com",
        claims,
    );
    assert!(has_no_place_of_roles(&github.good().await));
    github.accepts(json!({ "sub": "repo:octo/hello:environment:production" })).await;
    let squatter = json!({
        "sub": "repo:octo/hello:ref:refs/heads/main", "repository": "octo/hello", "repository_owner": "octo",
        "repository_owner_id": "666",
    });
    github
        .refuses(&[
            ("name that changed hands", squatter, InvalidClaim, "repository_owner_id"),
            (
                "prefix of the id",
                json!({ "repository_owner_id": "99190" }),
                InvalidClaim,
                "repository_owner_id",
            ),
            ("number", json!({ "repository_owner_id": 9919 }), InvalidClaim, "repository_owner_id"),
            ("no owner", json!({ "repository_owner_id": null }), MissingClaim, "repository_owner_id"),
            ("no repository", json!({ "repository_id": null }), MissingClaim, "repository_id"),
            ("default audience", json!({ "aud": "https://github.com/octo" }), WrongAudience, "aud"),
            (
                "enterprise",
                json!({ "iss": "https://token.actions.githubusercontent.com/octo" }),
                UnknownIssuer,
                "iss",
            ),
        ])
        .await;
}

#[tokio::test]
async fn gitlab_takes_jobs_of_the_namespace() {
    let claims = json!({
        "namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project",
        "user_id": "1", "pipeline_id": "574", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_protected": "true", "jti": "j", "sub": "project_path:my-group/my-project:ref_type:branch:ref:main",
        "aud": "https://deploy.example.com",
    });
    let gitlab = Provider::discovered(
        || provider::gitlab_ci("https://gitlab.com", "72").audience("https://deploy.example.com"),
        "https://gitlab.com",
        claims,
    );
    assert!(has_no_place_of_roles(&gitlab.good().await));
    let login = json!({ "namespace_id": null, "project_id": null, "job_id": null, "nonce": "n" });
    gitlab
        .refuses(&[
            ("other namespace", json!({ "namespace_id": "73" }), InvalidClaim, "namespace_id"),
            ("prefix of the id", json!({ "namespace_id": "720" }), InvalidClaim, "namespace_id"),
            ("login of a user", login, MissingClaim, "project_id"),
            ("no job", json!({ "job_id": null }), MissingClaim, "job_id"),
            ("other GitLab", json!({ "iss": "https://gitlab.example.com" }), UnknownIssuer, "iss"),
            ("other audience", json!({ "aud": "https://gitlab.com" }), WrongAudience, "aud"),
        ])
        .await;
}

#[tokio::test]
async fn kubernetes_takes_accounts_of_the_namespace() {
    let of =
        |namespace: &str| json!({ "namespace": namespace, "serviceaccount": { "name": "web", "uid": "u" } });
    let claims = json!({
        "aud": ["orders-api"], "sub": "system:serviceaccount:payments:web", "jti": "j",
        "kubernetes.io": of("payments"),
    });
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let kubernetes = Provider::discovered(
        || {
            provider::kubernetes("https://kubernetes.default.svc.cluster.local", "payments")
                .audience("orders-api")
        },
        issuer,
        claims,
    )
    .publishing(json!({ "alg": "RS256", "kid": "k" }), &[jwk(rsa(), &json!({ "kid": "k" }))]);
    assert!(has_no_place_of_roles(&kubernetes.good().await));
    let elsewhere = |namespace: &str| json!({ "sub": format!("system:serviceaccount:{namespace}:web"), "kubernetes.io": of(namespace) });
    let legacy = json!({
        "iss": "kubernetes/serviceaccount", "aud": null, "exp": null, "kubernetes.io": null,
        "kubernetes.io/serviceaccount/namespace": "payments",
    });
    kubernetes
        .refuses(&[
            ("other namespace", elsewhere("default"), InvalidClaim, "kubernetes.io"),
            ("namespace with this prefix", elsewhere("payments-test"), InvalidClaim, "kubernetes.io"),
            ("subject alone", json!({ "kubernetes.io": of("default") }), InvalidClaim, "kubernetes.io"),
            ("claim alone", json!({ "sub": "system:serviceaccount:default:web" }), InvalidClaim, "sub"),
            ("no account", json!({ "sub": "system:serviceaccount:payments:" }), InvalidClaim, "sub"),
            ("no details", json!({ "kubernetes.io": null }), MissingClaim, "kubernetes.io"),
            (
                "details of another type",
                json!({ "kubernetes.io": "payments" }),
                InvalidClaim,
                "kubernetes.io",
            ),
            ("for the API server", json!({ "aud": [issuer] }), WrongAudience, "aud"),
            ("legacy", legacy, UnknownIssuer, "iss"),
        ])
        .await;
}

#[tokio::test]
async fn spiffe_takes_its_trust_domain_with_or_without_an_issuer() {
    let claims = json!({ "aud": ["orders-api"], "sub": "spiffe://example.org/web" });
    let keys = [
        jwk(rsa(), &json!({ "kid": "x", "use": "x509-svid", "alg": null, "x5c": ["MIIC"] })),
        jwk(rsa(), &json!({ "kid": "j", "use": "jwt-svid", "alg": null })),
    ];
    let spiffe = Provider::with_set_at(
        || provider::spiffe("example.org", "https://spire.example.org/bundle").audience("orders-api"),
        "https://spire.example.org/bundle",
        claims,
    )
    .publishing(json!({ "alg": "RS256", "kid": "j" }), &keys);
    assert!(has_no_place_of_roles(&spiffe.good().await));
    spiffe.accepts(json!({ "iss": "https://spire.example.org" })).await;
    spiffe
        .refuses(&[
            ("other domain", json!({ "sub": "spiffe://example.com/web" }), InvalidClaim, "sub"),
            (
                "domain with this prefix",
                json!({ "sub": "spiffe://example.org.evil.net/web" }),
                InvalidClaim,
                "sub",
            ),
            ("the domain itself", json!({ "sub": "spiffe://example.org/" }), InvalidClaim, "sub"),
            ("no SPIFFE ID", json!({ "sub": "web" }), InvalidClaim, "sub"),
            ("no subject", json!({ "sub": null }), MissingClaim, "sub"),
            ("no audience", json!({ "aud": null }), MissingClaim, "aud"),
            ("other audience", json!({ "aud": "billing-api" }), WrongAudience, "aud"),
        ])
        .await;
    let x509 = rsa().sign_with(json!({ "alg": "RS256", "kid": "x" }), spiffe.claims_with(&json!({})));
    assert_eq!(spiffe.verify(&x509).await.err().unwrap().0, Reason::UnknownKey);

    // The specification has no EdDSA.
    let edwards = TestIssuer::with_algorithm("https://unused.example", Algorithm::Ed25519);
    let token = edwards.sign_with(json!({ "kid": "e" }), spiffe.claims_with(&json!({})));
    let keys = [jwk(rsa(), &json!({ "kid": "j" })), jwk(&edwards, &json!({ "kid": "e", "alg": null }))];
    let spiffe = spiffe.publishing(json!({ "alg": "RS256", "kid": "j" }), &keys);
    assert_eq!(spiffe.verify(&token).await.err().unwrap().0, Reason::AlgorithmNotAllowed);
}

const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";

#[tokio::test]
async fn cloudflare_takes_tokens_of_one_application() {
    let claims = json!({
        "iss": "https://example.cloudflareaccess.com", "aud": [TAG], "email": "bob@example.com", "type": "app",
        "identity_nonce": "n", "sub": "7335d417-61da-459d-899c-0a01c76a2f94", "country": "US",
    });
    let cloudflare = Provider::with_set_at(
        || provider::cloudflare_access("example", TAG),
        "https://example.cloudflareaccess.com/cdn-cgi/access/certs",
        claims,
    );
    assert!(has_no_place_of_roles(&cloudflare.good().await));
    cloudflare.accepts(json!({ "sub": "", "common_name": "x.access", "email": null })).await;
    cloudflare
        .refuses(&[
            ("other application", json!({ "aud": ["0".repeat(64)] }), WrongAudience, "aud"),
            ("session of the team", json!({ "type": "org" }), InvalidClaim, "type"),
            ("no type", json!({ "type": null }), MissingClaim, "type"),
            ("other team", json!({ "iss": "https://evil.cloudflareaccess.com" }), UnknownIssuer, "iss"),
        ])
        .await;
}
