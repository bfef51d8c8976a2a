use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header::AUTHORIZATION};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tower_jwt_auth::{ClaimsType, Decision, JwtAuthLayer, Principal, Verifier};

/// `app` still has its old authentication, which decides. `report` hears of each token about which the two differ.
pub fn side_by_side<C, F>(app: Router, verifier: Verifier<C>, report: F) -> Router
where
    C: ClaimsType,
    F: Fn(String) + Clone + Send + Sync + 'static,
{
    let reasons = |decision: &Decision| {
        if let Some(reason) = decision.reason() {
            println!("new: {reason}, claim {:?}, authority {:?}", decision.claim(), decision.authority());
        }
    };
    app.layer(from_fn(move |request, next| compare(request, next, report.clone())))
        .layer(JwtAuthLayer::new(verifier).insecure_report_only().on_decision(reasons))
}

async fn compare(request: Request, next: Next, report: impl Fn(String)) -> Response {
    let has_token = request.headers().contains_key(AUTHORIZATION);
    let accepted = matches!(Principal::optional(request.extensions()), Ok(Some(_)));
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    if has_token && accepted == (status == StatusCode::UNAUTHORIZED) {
        let new = if accepted { "accepts" } else { "refuses" };
        report(format!("{path}: {} before, and the new layer {new} the token", status.as_u16()));
    }
    response
}
