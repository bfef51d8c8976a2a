//! The page: files that are compiled in, so that the program is one file.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;

/// The routes of the page and its parts.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../static/index.html")))
        .route("/style.css", file("text/css; charset=utf-8", include_str!("../static/style.css")))
        .route("/app.js", file("text/javascript; charset=utf-8", include_str!("../static/app.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("../static/icon.svg")))
}

fn file<S: Clone + Send + Sync + 'static>(
    media_type: &'static str,
    text: &'static str,
) -> axum::routing::MethodRouter<S> {
    get(move || async move { ([(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")], text) })
}
