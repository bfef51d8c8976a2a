//! Two probes, for two questions.

use axum::Router;
use axum::routing::get;
use tower_jwt_auth::Verifier;

/// `/healthz`: does the process answer at all? It never looks at the provider: to restart a service does not mend a provider, and
/// a restart during an outage loses the keys that still serve.
///
/// `/readyz`: can it judge tokens? 200 with `ok` or `stale`, 503 with `unavailable`, and in the body what is known of each
/// source of keys. Stale keys still serve, so they are a matter for an alert, not for the load balancer.
pub fn routes<C: Send + Sync + 'static>(verifier: &Verifier<C>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route_service("/readyz", verifier.health_service().with_details())
}
