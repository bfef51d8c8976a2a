//! Traces and logs: one span for each request, which continues the caller's trace.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Status, TraceContextExt, TracerProvider};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Instrument, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

/// What goes into traces, whatever the log leaves out: the level `debug` of the layer says why each request was refused, and what
/// each accepted one was judged by. The exporter's own requests are no matter of ours.
const TRACED: &str = "info,tower_jwt_auth=debug,hyper=off,opentelemetry=off,reqwest=off";

/// The span of one request, which continues the trace of the header `traceparent` if that is well-formed (W3C Trace Context).
///
/// Whoever may call may choose the trace's id and ask that it be recorded. Where callers are strangers, let the proxy in front
/// remove the header, or sample by a rule that does not ask the parent (`OTEL_TRACES_SAMPLER=traceidratio`).
pub async fn continue_trace(request: Request, next: Next) -> Response {
    // The route as it is written in the code: a path from outside would be a name without bounds.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str);
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => method,
        _ => "_OTHER",
    };
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        trace_id = Empty,
    );
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    if span.set_parent(parent).is_ok() {
        // For the log, so that one finds the trace of a line.
        let context = span.context();
        span.record("trace_id", tracing::field::display(context.span().span_context().trace_id()));
    }
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if response.status().is_server_error() {
        span.set_status(Status::error(""));
    }
    response
}

/// Where spans go: to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, such as `http://localhost:4318`, and to nobody
/// without it. Spans have ids all the same, so the log has them.
///
/// # Errors
/// If the endpoint is no URL.
pub fn provider() -> Result<SdkTracerProvider, ExporterBuildError> {
    let builder = SdkTracerProvider::builder();
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
        return Ok(builder.build());
    }
    // The name of the service and all else is read from the usual variables: `OTEL_SERVICE_NAME` and so on.
    let exporter = SpanExporter::builder().with_http().build()?;
    Ok(builder.with_batch_exporter(exporter).build())
}

/// Logs as JSON, a line for each event, and spans to this provider. `filter` is for the log alone, and as in `RUST_LOG`.
///
/// # Errors
/// If the filter cannot be read.
pub fn subscriber<W>(
    provider: &SdkTracerProvider,
    filter: &str,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, tracing_subscriber::filter::ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("observability"));
    // One span is enough: the list of all repeats it.
    let lines = tracing_subscriber::fmt::layer().json().with_span_list(false).with_writer(writer);
    let (spans, lines) =
        (spans.with_filter(EnvFilter::new(TRACED)), lines.with_filter(EnvFilter::try_new(filter)?));
    Ok(tracing_subscriber::registry().with(spans).with(lines))
}
