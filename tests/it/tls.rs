//! A private certificate authority, and servers with its certificates on loopback.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// An authority that nobody trusts unless told.
pub(crate) struct PrivateCa(CertifiedIssuer<'static, KeyPair>);

impl PrivateCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a client, and its key.
    pub(crate) fn client(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["orders".into()]).unwrap().signed_by(&key, &self.0);
        certificate.unwrap().pem() + &key.serialize_pem()
    }

    fn server_config(&self, wants_client_certificate: bool) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let provider: Arc<CryptoProvider> = aws_lc_rs::default_provider().into();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if wants_client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }

    /// Serves over TLS, with a certificate for `localhost` and `127.0.0.1`.
    pub(crate) async fn serve(&self, wants_client_certificate: bool) -> Documents {
        let acceptor = TlsAcceptor::from(Arc::new(self.server_config(wants_client_certificate)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let pages = Pages::default();
        let served = pages.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, pages) = (acceptor.clone(), served.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        pages.serve(stream).await;
                    }
                });
            }
        });
        Documents { url, pages, task: task.abort_handle() }
    }
}

/// A server of documents, ended when it is dropped.
pub(crate) struct Documents {
    /// Scheme, host and port.
    pub(crate) url: String,
    pages: Pages,
    task: AbortHandle,
}

/// What is at each path, and the requests that came.
#[derive(Clone, Default)]
struct Pages(Arc<Mutex<Site>>);

#[derive(Default)]
struct Site {
    pages: HashMap<String, Page>,
    requests: Vec<(String, HeaderMap)>,
}

#[derive(Clone)]
struct Page {
    body: String,
    /// The bearer token that is demanded.
    token: Option<String>,
}

impl Documents {
    /// Serves without TLS.
    pub(crate) async fn plain() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pages = Pages::default();
        let served = pages.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pages = served.clone();
                tokio::spawn(async move { pages.serve(stream).await });
            }
        });
        Self { url, pages, task: task.abort_handle() }
    }

    /// Serves at a Unix socket.
    #[cfg(unix)]
    pub(crate) fn at_socket(path: &std::path::Path) -> Self {
        let listener = tokio::net::UnixListener::bind(path).unwrap();
        let pages = Pages::default();
        let served = pages.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pages = served.clone();
                tokio::spawn(async move { pages.serve(stream).await });
            }
        });
        Self { url: "http://localhost".to_owned(), pages, task: task.abort_handle() }
    }

    pub(crate) fn publish(&self, path: &str, body: impl Into<String>) {
        self.put(path, Page { body: body.into(), token: None });
    }

    /// Answers 401 to others.
    pub(crate) fn publish_for(&self, token: &str, path: &str, body: impl Into<String>) {
        self.put(path, Page { body: body.into(), token: Some(token.to_owned()) });
    }

    fn put(&self, path: &str, page: Page) {
        self.pages.0.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// Path and headers of each request so far.
    pub(crate) fn requests(&self) -> Vec<(String, HeaderMap)> {
        self.pages.0.lock().unwrap().requests.clone()
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pages {
    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        // A client that goes away is its own affair.
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Site { pages, requests } = &mut *self.0.lock().unwrap();
        // A proxy is asked for the whole URL.
        let asked = request.uri().to_string();
        requests.push((asked.clone(), request.headers().clone()));
        let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let (status, body) = match pages.get(&asked) {
            None => (StatusCode::NOT_FOUND, String::new()),
            Some(Page { token: Some(token), .. }) if sent != Some(&format!("Bearer {token}")) => {
                (StatusCode::UNAUTHORIZED, String::new())
            }
            Some(page) => (StatusCode::OK, page.body.clone()),
        };
        let answer = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
        answer.body(Full::new(body.into())).unwrap()
    }
}
