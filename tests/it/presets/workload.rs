//! Identities of programs: GitHub Actions, GitLab CI, Kubernetes, SPIFFE.

use serde_json::json;
use tower_jwt_auth::provider::Pod;
use tower_jwt_auth::{Algorithm, Claims, Reason, TestIssuer, Verifier, provider};

use super::{Provider, has_no_place_of_roles, jwk, rsa, verify};
use crate::tls::PrivateCa;

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

/// A pod's files, and an API server that answers to its certificate authority and its token alone.
#[tokio::test]
async fn a_pod_has_all_that_is_needed() {
    const CLUSTER: &str = "https://oidc.eks.eu-west-1.amazonaws.com/id/D48675832CA65BD10A532F597OIDCID";
    let cluster = TestIssuer::new(CLUSTER).audience("orders-api");
    let account = |namespace: &str| {
        let sub = format!("system:serviceaccount:{namespace}:orders");
        json!({ "sub": sub, "kubernetes.io": { "namespace": namespace } })
    };
    let ca = PrivateCa::new();
    let server = ca.serve(false).await;
    let folder = tempfile::tempdir().unwrap();
    let own = cluster.sign(account("shop"));
    std::fs::write(folder.path().join("token"), &own).unwrap();
    std::fs::write(folder.path().join("ca.crt"), ca.pem()).unwrap();
    server.publish_for(&own, "/openid/v1/jwks", cluster.jwks());

    let pod = Pod::new().files_in(folder.path()).api_server(&server.url);
    let authority = || provider::kubernetes_in_cluster(&pod, "payments").audience("orders-api");
    let verifier = Verifier::<Claims>::new(authority()).unwrap();
    verifier.warm().await.unwrap();
    assert!(verify(&verifier, &cluster.sign(account("payments"))).await.is_ok());
    let of_shop = verify(&verifier, &cluster.sign(account("shop"))).await.err();
    assert_eq!(of_shop, Some((InvalidClaim, "kubernetes.io".to_owned())));
    let other = json!({ "iss": "https://kubernetes.default.svc" });
    let other = super::merged(&account("payments"), &other);
    assert_eq!(verify(&verifier, &cluster.sign(other)).await.err().unwrap().0, UnknownIssuer);
    assert_eq!(server.requests().len(), 1, "no discovery document is needed");

    // The kubelet writes another token: it is what is sent from then on.
    let rotated = cluster.sign(super::merged(&account("shop"), &json!({ "jti": "2" })));
    server.publish_for(&rotated, "/openid/v1/jwks", cluster.jwks());
    let verifier = Verifier::<Claims>::new(authority()).unwrap();
    assert!(verifier.warm().await.unwrap_err().to_string().contains("answered 401"));
    std::fs::write(folder.path().join("token"), &rotated).unwrap();
    Verifier::<Claims>::new(authority()).unwrap().warm().await.unwrap();

    // Another authority's certificate is not believed, whatever the system trusts.
    std::fs::write(folder.path().join("ca.crt"), PrivateCa::new().pem()).unwrap();
    let error = Verifier::<Claims>::new(authority()).unwrap().warm().await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}

#[test]
fn what_lacks_in_a_pod_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |pod: &Pod| {
        let authority = provider::kubernetes_in_cluster(pod, "payments").audience("orders-api");
        Verifier::<Claims>::new(authority).unwrap_err().to_string()
    };
    let pod = Pod::new().files_in(folder.path());
    let error = problem(&pod);
    assert!(error.contains("pod") && error.contains("token:") && error.contains("files_in"), "{error}");
    std::fs::write(folder.path().join("ca.crt"), PrivateCa::new().pem()).unwrap();
    for token in ["", "opaque", "a.b.c", "e30.e30.e30"] {
        std::fs::write(folder.path().join("token"), token).unwrap();
        assert!(problem(&pod).contains("the pod's own token names no issuer"), "{token}");
    }
    std::fs::write(folder.path().join("token"), TestIssuer::new("https://cluster.example").sign(json!({})))
        .unwrap();
    let error = problem(&pod);
    assert!(error.contains("KUBERNETES_SERVICE_HOST is not set") && error.contains("api_server"), "{error}");
    let error = problem(&pod.clone().api_server("kubernetes.default.svc"));
    assert!(error.contains("api_server") && error.contains("https://kubernetes.default.svc"), "{error}");
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    assert!(problem(&pod.api_server("https://kubernetes.default.svc")).contains("root_certificates"));
}
