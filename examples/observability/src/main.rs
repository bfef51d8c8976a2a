//! `cargo run -p observability`, then paste the `curl` lines that it prints. The settings are in `config.rs`.

use std::error::Error;

use observability::config::Config;
use observability::demo::Demo;
use observability::{Service, measurements, traces};
use tokio::net::TcpListener;
use tower_jwt_auth::{RemoteKeys, SystemClock, TestProvider, describe_metrics};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::read(|name| std::env::var(name).ok())?;
    let spans = traces::provider()?;
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info,tower_jwt_auth=debug".to_owned());
    tracing::subscriber::set_global_default(traces::subscriber(&spans, &filter, std::io::stderr)?)?;

    let recorder = measurements::recorder()?;
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    describe_metrics(); // after the recorder is there
    tokio::spawn(measurements::upkeep(metrics.clone()));

    let (keys, demo) = match &config.issuer {
        Some(issuer) => (RemoteKeys::new(issuer), None),
        None => {
            let provider = TestProvider::on_loopback().await;
            (provider.oidc_keys(), Some(Demo::new(provider, &config.audience)?))
        }
    };
    let service = Service::new(config.authority(keys), metrics, demo, SystemClock)?;
    // Not an error: the service asks again, and `/readyz` says when it is ready.
    if let Err(error) = service.verifier.warm().await {
        tracing::warn!(%error, "there are no keys yet");
    }

    let listener = TcpListener::bind(config.listen).await?;
    let admin = TcpListener::bind(config.admin).await?;
    let (url, admin_url) =
        (format!("http://{}", listener.local_addr()?), format!("http://{}", admin.local_addr()?));
    if let Some(demo) = &service.demo {
        println!("# A good token, for ten minutes; other ones are at {admin_url}/demo/tokens");
        println!("curl -i {url}/api/orders -H 'Authorization: Bearer {}'", demo.token());
        println!("# An outage of the provider, and its end");
        println!("curl -X POST {admin_url}/demo/provider/down");
        println!("curl -X POST {admin_url}/demo/provider/up");
    }
    println!("status {admin_url}/status");
    println!("listening on {url}");
    tokio::try_join!(
        axum::serve(admin, service.admin()).with_graceful_shutdown(stopped()).into_future(),
        axum::serve(listener, service.public()).with_graceful_shutdown(stopped()).into_future(),
    )?;
    // What is not sent yet is sent now.
    Ok(spans.shutdown()?)
}

async fn stopped() {
    // Without a handler for Ctrl-C the system ends the process, which is safe at any time.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
