//! What rustc says of mistakes that users make. `TRYBUILD=overwrite cargo test -p glue` writes the texts anew, which a new
//! version of rustc may need.

#[test]
fn the_messages_name_the_remedy() {
    trybuild::TestCases::new().compile_fail("tests/compile_errors/*.rs");
}
