//! Prometheus: which recorder, and which buckets.

use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

/// Upper bounds in seconds. A decision takes some 10 microseconds to 2 milliseconds; one that waits for keys takes up to the time
/// set by `RemoteKeys::wait`, 2 seconds unless told.
pub const DECISION_BUCKETS: &[f64] = &[
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Upper bounds in seconds. A fetch takes as long as the network does, at most the time set by `RemoteKeys::fetch_time`, 5
/// seconds unless told.
pub const FETCH_BUCKETS: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A recorder with buckets for the durations. Without buckets the exporter writes summaries, whose quantiles cannot be added up
/// over several instances.
///
/// # Errors
/// Never, since the lists are not empty.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let decision = Matcher::Full("jwt_auth.decision.duration".to_owned());
    let fetch = Matcher::Full("jwt_auth.keys.fetch.duration".to_owned());
    let builder = PrometheusBuilder::new();
    let builder = builder.set_buckets_for_metric(decision, DECISION_BUCKETS)?;
    Ok(builder.set_buckets_for_metric(fetch, FETCH_BUCKETS)?.build_recorder())
}

/// Moves what was recorded into the buckets, again and again: if nobody scrapes, the samples would pile up.
pub async fn upkeep(handle: PrometheusHandle) {
    let mut moments = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        moments.tick().await;
        handle.run_upkeep();
    }
}
