//! The application as its clients see it.

mod api;
mod browser;
mod limits;
mod support;
mod whole;
