//! A real HTTP client for the tests that talk to real servers, and the bytes of one gRPC message.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub(crate) struct HttpClient(Client<HttpConnector, Full<Bytes>>);

/// A response whose body was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl HttpClient {
    pub(crate) fn http1() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// HTTP/2 without TLS, from the first byte on.
    pub(crate) fn http2() -> Self {
        Self(Client::builder(TokioExecutor::new()).http2_only(true).build_http())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.0.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        Answer {
            status: head.status,
            version: head.version,
            headers: head.headers,
            body: body.to_bytes(),
            trailers,
        }
    }

    pub(crate) async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, url, headers, Bytes::new()).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let start = Request::builder().method(method).uri(url);
        let start = headers.iter().fold(start, |start, (name, value)| start.header(*name, *value));
        self.send(start.body(Full::new(body)).unwrap()).await
    }

    /// A gRPC call as it goes over the wire.
    pub(crate) async fn grpc(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        self.request(Method::POST, &format!("{url}/greeter.v1.Greeter/SayHello"), &headers, hello()).await
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Splits the answer into what most tests ask.
    pub(crate) fn parts(&self) -> (u16, Option<&str>, &str) {
        (self.status.as_u16(), self.header("www-authenticate"), self.text())
    }
}

/// A `HelloRequest` that says `Hello`, in a frame without compression.
fn hello() -> Bytes {
    Bytes::from_static(b"\0\0\0\0\x07\x0a\x05Hello")
}
