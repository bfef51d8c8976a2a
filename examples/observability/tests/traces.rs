//! The caller's trace goes on, and what the layer says belongs to it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::Value;

use crate::support::{Site, run};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The spans and the log of a scenario.
fn traced(scenario: impl AsyncFnOnce(Site)) -> (Vec<SpanData>, Vec<Value>) {
    logging("info,tower_jwt_auth=debug", scenario)
}

fn logging(filter: &str, scenario: impl AsyncFnOnce(Site)) -> (Vec<SpanData>, Vec<Value>) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let log = Log::default();
    let lines = log.clone();
    let writer = move || lines.clone();
    let subscriber = observability::traces::subscriber(&provider, filter, writer).unwrap();
    tracing::subscriber::with_default(subscriber, || run(scenario));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (exporter.get_finished_spans().unwrap(), lines)
}

fn requests(spans: &[SpanData]) -> Vec<&SpanData> {
    spans.iter().filter(|span| span.name == "GET /api/orders").collect()
}

fn id(span: &SpanData) -> String {
    span.span_context.trace_id().to_string()
}

/// The values of an attribute of the events of a span.
fn told(span: &SpanData, attribute: &str) -> Vec<String> {
    let attributes = span.events.iter().flat_map(|event| event.attributes.iter());
    attributes.filter(|pair| pair.key.as_str() == attribute).map(|pair| pair.value.to_string()).collect()
}

fn attribute(span: &SpanData, name: &str) -> String {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).unwrap().value.to_string()
}

#[test]
fn the_span_of_a_request_continues_the_callers_trace() {
    let header = format!("00-{TRACE}-{PARENT}-01");
    let (spans, log) = traced(async |site| {
        assert_eq!(site.orders_with("good", &[("traceparent", &header)]).await, 200);
        assert_eq!(site.orders_with("expired", &[("traceparent", &header)]).await, 401);
    });
    let [accepted, refused] = requests(&spans)[..] else { panic!("{spans:?}") };
    for span in [accepted, refused] {
        assert_eq!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
        assert_eq!(span.parent_span_id, SpanId::from_hex(PARENT).unwrap());
    }
    assert_ne!(accepted.span_context.span_id(), refused.span_context.span_id());
    assert_eq!(attribute(accepted, "http.response.status_code"), "200");
    assert_eq!(attribute(refused, "http.response.status_code"), "401");
    // What the layer says is inside.
    assert_eq!(told(accepted, "outcome"), ["accepted"]);
    assert_eq!(told(refused, "reason"), ["expired"]);
    // And each line of the log names the trace.
    let of_requests = log.iter().filter(|line| line["span"]["name"] == "request");
    let traces: Vec<_> = of_requests.map(|line| line["span"]["trace_id"].as_str().unwrap()).collect();
    assert!(traces.len() >= 3 && traces.iter().all(|trace| *trace == TRACE), "{log:?}");
}

#[test]
fn a_malformed_or_missing_traceparent_begins_a_trace() {
    let headers = [
        String::new(),
        "00-".to_owned(),
        format!("00-{TRACE}-{PARENT}"),
        format!("00-{}-{PARENT}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
        format!("ff-{TRACE}-{PARENT}-01"),
        "<script>".to_owned(),
    ];
    let (spans, _) = traced(async |site| {
        assert_eq!(site.orders("good").await, 200);
        for header in &headers {
            assert_eq!(site.orders_with("good", &[("traceparent", header)]).await, 200, "{header}");
        }
    });
    let spans = requests(&spans);
    assert_eq!(spans.len(), headers.len() + 1);
    let mut traces: Vec<_> = spans.iter().map(|span| id(span)).collect();
    assert!(spans.iter().all(|span| span.parent_span_id == SpanId::INVALID), "{spans:?}");
    assert!(!traces.contains(&TRACE.to_owned()));
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), spans.len(), "each its own");
}

/// Many requests may wait for one fetch, so it belongs to none of them.
#[test]
fn a_fetch_of_keys_is_a_trace_of_its_own() {
    let (spans, _) = traced(async |site| {
        assert_eq!(site.orders("good").await, 200);
    });
    let fetch = spans.iter().find(|span| span.name == "fetch_keys").unwrap();
    assert_eq!(fetch.parent_span_id, SpanId::INVALID);
    assert_ne!(id(fetch), id(requests(&spans)[0]));
    assert_eq!(attribute(fetch, "source"), crate::support::ISSUER);
}

#[test]
fn a_quiet_log_does_not_end_the_traces() {
    let (spans, log) = logging("off", async |site| {
        assert_eq!(site.orders("expired").await, 401);
    });
    assert_eq!(told(requests(&spans)[0], "reason"), ["expired"]);
    assert!(log.is_empty(), "{log:?}");
}

#[test]
fn neither_spans_nor_logs_hold_a_token_or_what_a_client_makes_up() {
    let (spans, log) = traced(async |site| {
        for token in ["good", "expired", "forged", "unknown_key"] {
            site.orders(token).await;
        }
        let request = axum::http::Request::get("/made-up").method("BREW");
        crate::support::ask(site.service.public(), request).await;
    });
    for all in [format!("{spans:?}"), format!("{log:?}")] {
        assert!(!all.contains("eyJ") && !all.contains("made-up") && !all.contains("BREW"), "{all}");
        assert!(!all.contains("nobody-has-this"), "{all}");
    }
    assert!(spans.iter().any(|span| span.name == "_OTHER (none)"));
}
