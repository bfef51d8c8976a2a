//! What a request brings: its media type, and its body up to a size and a deadline.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body;

use crate::runtime::deadline::{NoAnswer, within};

/// How much of a body is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes: usize,
    /// For all of it, so that a sender of one byte now and then gains nothing.
    pub(crate) deadline: Duration,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    TooSlow,
    /// The connection broke, or there is no runtime to keep the deadline.
    Broken,
}

/// Frames that are taken without a pause: a body of empty ones must not hold the thread beyond the deadline.
const FRAMES_AT_ONCE: usize = 64;

/// Reads the whole body.
pub(crate) async fn read_body<B: Body>(body: B, limits: BodyLimits) -> Result<Vec<u8>, BodyError> {
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    match within(limits.deadline, collect(body, limits.bytes)).await {
        Ok(read) => read,
        Err(NoAnswer::TooLate(_)) => Err(BodyError::TooSlow),
        Err(NoAnswer::NoRuntime) => Err(BodyError::Broken),
    }
}

async fn collect<B: Body>(body: B, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    // The frames stay inside of the closure, so that `B::Data` need not be `Send`.
    poll_fn(|context| {
        for _ in 0..FRAMES_AT_ONCE {
            let frame = match ready!(body.as_mut().poll_frame(context)) {
                None => return Poll::Ready(Ok(std::mem::take(&mut read))),
                Some(Err(_)) => return Poll::Ready(Err(BodyError::Broken)),
                Some(Ok(frame)) => frame,
            };
            let Ok(mut data) = frame.into_data() else { continue };
            if data.remaining() > most - read.len() {
                return Poll::Ready(Err(BodyError::TooLarge));
            }
            while data.has_remaining() {
                let chunk = data.chunk();
                read.extend_from_slice(chunk);
                let taken = chunk.len();
                data.advance(taken);
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Whether the request has exactly this media type, whatever its parameters.
pub(crate) fn has_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(media_type.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::Context;

    use bytes::Bytes;
    use http::HeaderValue;
    use http_body::{Frame, SizeHint};

    use super::*;

    /// What a body does when it is polled.
    #[derive(Clone)]
    enum Step {
        Data(&'static [u8]),
        Trailers,
        Broken,
        Hang,
        /// Empty frames without an end.
        EmptyForEver,
    }

    struct Steps {
        steps: VecDeque<Step>,
        announced: u64,
    }

    impl Body for Steps {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(match self.steps.pop_front() {
                None => None,
                Some(Step::Data(data)) => Some(Ok(Frame::data(Bytes::from_static(data)))),
                Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
                Some(Step::Broken) => Some(Err("reset")),
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::EmptyForEver) => {
                    self.steps.push_front(Step::EmptyForEver);
                    Some(Ok(Frame::data(Bytes::new())))
                }
            })
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::default();
            hint.set_lower(self.announced);
            hint
        }
    }

    /// The clock of the runtime stands still, and moves on when everything waits.
    fn read(announced: u64, steps: impl Into<VecDeque<Step>>) -> Result<Vec<u8>, BodyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let limits = BodyLimits { bytes: 4, deadline: Duration::from_secs(10) };
        runtime.unwrap().block_on(read_body(Steps { steps: steps.into(), announced }, limits))
    }

    #[test]
    fn a_body_is_put_together() {
        assert_eq!(read(0, []), Ok(Vec::new()));
        assert_eq!(read(4, [Step::Data(b"ab"), Step::Data(b""), Step::Data(b"cd")]), Ok(b"abcd".to_vec()));
        assert_eq!(read(0, [Step::Data(b"a"), Step::Trailers]), Ok(b"a".to_vec()));
        assert_eq!(read(0, vec![Step::Data(b""); 1000]), Ok(Vec::new()));
    }

    #[test]
    fn a_body_that_is_too_large_is_not_read_on() {
        let over = [Step::Data(b"abc"), Step::Data(b"de"), Step::Hang];
        assert_eq!(read(0, over), Err(BodyError::TooLarge));
        assert_eq!(read(5, [Step::Hang]), Err(BodyError::TooLarge), "announced");
    }

    #[test]
    fn a_body_that_does_not_end_in_time_is_refused() {
        assert_eq!(read(0, [Step::Data(b"a"), Step::Hang]), Err(BodyError::TooSlow));
    }

    #[test]
    fn empty_frames_do_not_hold_the_thread() {
        // On the real clock: the deadline is over at once, and must be noticed.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let limits = BodyLimits { bytes: 4, deadline: Duration::from_millis(1) };
        let body = Steps { steps: [Step::EmptyForEver].into(), announced: 0 };
        assert_eq!(runtime.block_on(read_body(body, limits)), Err(BodyError::TooSlow));
    }

    #[test]
    fn a_body_that_breaks_is_refused() {
        assert_eq!(read(0, [Step::Data(b"a"), Step::Broken]), Err(BodyError::Broken));
        let limits = BodyLimits { bytes: 4, deadline: Duration::from_secs(10) };
        let mut outside = pin!(read_body(Steps { steps: VecDeque::new(), announced: 0 }, limits));
        let polled = outside.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert_eq!(polled, Poll::Ready(Err(BodyError::Broken)), "no runtime, no deadline");
    }

    #[test]
    fn media_types_are_compared_without_parameters_and_case() {
        let has = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_TYPE, HeaderValue::from_static(line));
            }
            has_media_type(&headers, "application/secevent+jwt")
        };
        assert!(has(&["application/secevent+jwt"]));
        assert!(has(&["Application/SecEvent+JWT ; charset=utf-8"]));
        for other in [
            &[][..],
            &[""],
            &["application/jwt"],
            &["application/secevent+jwts"],
            &["application/secevent"],
            &["application/secevent+jwt", "application/secevent+jwt"],
            &["application/json, application/secevent+jwt"],
        ] {
            assert!(!has(other), "{other:?}");
        }
    }
}
