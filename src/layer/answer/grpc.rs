//! Whether a request speaks gRPC or gRPC-Web, by its method and content type.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Version};

/// The content type to answer with, if the request is a gRPC call.
///
/// A refusal in gRPC is HTTP 200, so this must not be guessed: only a POST with a gRPC content type counts, and
/// native gRPC only over HTTP/2.
pub(super) fn content_type(request: &Parts) -> Option<HeaderValue> {
    if request.method != Method::POST {
        return None;
    }
    let mut lines = request.headers.get_all(CONTENT_TYPE).iter();
    let line = lines.next()?;
    if lines.next().is_some() {
        return None;
    }
    let text = line.to_str().ok()?;
    let (essence, parameters) = text.split_once(';').map_or((text, None), |(e, p)| (e.trim_end(), Some(p)));
    let rest = strip_prefix_ignoring_case(essence, "application/grpc")?;
    let (message_format, web) = match strip_prefix_ignoring_case(rest, "-web") {
        None => (rest, false),
        Some(rest) => (strip_prefix_ignoring_case(rest, "-text").unwrap_or(rest), true),
    };
    let well_formed = match message_format.strip_prefix('+') {
        None => message_format.is_empty(),
        Some(format) => {
            !format.is_empty() && format.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    // HTTP/2 or later: `Version` has no other order.
    if !well_formed || (!web && request.version < Version::HTTP_2) {
        return None;
    }
    match parameters {
        None => Some(line.clone()),
        Some(_) => HeaderValue::from_str(essence).ok(),
    }
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn answered(method: Method, version: Version, content_types: &[&str]) -> Option<String> {
        let mut request = Request::builder().method(method).version(version);
        for content_type in content_types {
            request = request.header(CONTENT_TYPE, *content_type);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        content_type(&parts).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_a_real_grpc_call_is_answered_in_grpc() {
        let native = |content_type| answered(Method::POST, Version::HTTP_2, &[content_type]);
        for content_type in [
            "application/grpc",
            "application/grpc+proto",
            "Application/GRPC+json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
            "application/grpc+x.y-z_1",
        ] {
            assert_eq!(native(content_type).as_deref(), Some(content_type));
        }
        assert_eq!(
            native("application/grpc+proto ; charset=utf-8").as_deref(),
            Some("application/grpc+proto")
        );
        for content_type in [
            "application/json",
            "application/grpcx",
            "application/grpc-text",
            "application/grpc+",
            "application/grpc-web+a b",
            "text/application/grpc",
            "application/grp",
            "",
        ] {
            assert_eq!(native(content_type), None, "{content_type}");
        }
    }

    #[test]
    fn method_version_and_a_second_line_count() {
        for method in [Method::GET, Method::PUT, Method::OPTIONS, Method::HEAD, Method::CONNECT] {
            assert_eq!(answered(method, Version::HTTP_2, &["application/grpc"]), None);
        }
        let at = |version, content_type| answered(Method::POST, version, &[content_type]).is_some();
        assert!(!at(Version::HTTP_11, "application/grpc"));
        assert!(!at(Version::HTTP_10, "application/grpc+proto"));
        assert!(at(Version::HTTP_3, "application/grpc"));
        assert!(at(Version::HTTP_11, "application/grpc-web"));
        assert_eq!(answered(Method::POST, Version::HTTP_2, &["application/grpc", "text/plain"]), None);
        assert_eq!(answered(Method::POST, Version::HTTP_2, &[]), None);
    }
}
