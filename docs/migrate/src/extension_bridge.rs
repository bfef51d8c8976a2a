use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tower_jwt_auth::{AuthError, ClaimsType, Jwt};

/// Inside of the layer, so that handlers go on to take `Extension<C>`.
pub async fn claims_as_extension<C>(mut request: Request, next: Next) -> Result<Response, AuthError>
where
    C: ClaimsType + Clone,
{
    if let Some(user) = Jwt::<C>::optional(request.extensions())? {
        request.extensions_mut().insert((*user).clone());
    }
    Ok(next.run(request).await)
}
