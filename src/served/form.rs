//! The fields of a form that was posted (RFC 6749 appendix B).

use http::HeaderMap;
use http_body::Body;

use super::body::{BodyError, BodyLimits, has_media_type, read_body};

/// A form, as it came. It may hold secrets, so it has no `Debug`.
pub(crate) struct Form(Vec<u8>);

/// Why a form, or a field of it, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormError {
    Body(BodyError),
    /// The body is no form by its media type.
    MediaType,
    /// The field is not there, or is empty, which is the same (RFC 6749 section 3.1).
    Missing(&'static str),
    /// The field is there more than once.
    Repeated(&'static str),
}

impl Form {
    /// Reads the body of a POST. A body of another media type is left alone.
    pub(crate) async fn read<B: Body>(
        headers: &HeaderMap,
        body: B,
        limits: BodyLimits,
    ) -> Result<Self, FormError> {
        if !has_media_type(headers, "application/x-www-form-urlencoded") {
            return Err(FormError::MediaType);
        }
        read_body(body, limits).await.map(Self).map_err(FormError::Body)
    }

    /// The one value of a field that has to be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<String, FormError> {
        self.optional(name)?.ok_or(FormError::Missing(name))
    }

    /// The one value of a field, if it is there.
    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<String>, FormError> {
        let mut values = form_urlencoded::parse(&self.0).filter(|(one, _)| one == name);
        let first = values.next();
        if values.next().is_some() {
            return Err(FormError::Repeated(name));
        }
        Ok(first.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form(text.as_bytes().to_vec())
    }

    #[test]
    fn a_field_has_one_value() {
        let form = form("a=1&b=x%20y+z&c=&d&&=e&%66=7");
        assert_eq!(form.required("a").unwrap(), "1");
        assert_eq!(form.required("b").unwrap(), "x y z");
        assert_eq!(form.required("f").unwrap(), "7", "names are encoded as well");
        for missing in ["c", "d", "g", "A"] {
            assert_eq!(form.required(missing), Err(FormError::Missing(missing)));
            assert_eq!(form.optional(missing), Ok(None));
        }
    }

    #[test]
    fn a_field_that_is_repeated_has_none() {
        for repeated in ["t=1&t=2", "t=1&t=1", "t=&t=1", "t=1&x=2&%74=3", "t&t=1"] {
            assert_eq!(form(repeated).required("t"), Err(FormError::Repeated("t")), "{repeated}");
            assert_eq!(form(repeated).optional("t"), Err(FormError::Repeated("t")), "{repeated}");
        }
    }

    #[test]
    fn other_media_types_are_no_form() {
        let limits = BodyLimits { bytes: 10, deadline: std::time::Duration::from_secs(1) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = |media_type: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(media_type));
            let body = super::super::DocumentBody(Some("t=1".into()));
            runtime.block_on(Form::read(&headers, body, limits))?.required("t")
        };
        assert_eq!(read("application/x-www-form-urlencoded; charset=UTF-8").unwrap(), "1");
        assert_eq!(read("multipart/form-data; boundary=x"), Err(FormError::MediaType));
        assert_eq!(read("application/json"), Err(FormError::MediaType));
    }
}
