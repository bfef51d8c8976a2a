// The guide of `docs/guide` in the documentation, and the program as it is after each step as a doctest.
// `tests/it/guide.rs` holds the programs against the chapters, whose fragments would not compile by themselves.
//
// Where a link is defined twice, the first definition counts: `links.md` leads to modules, the chapters' own to files.
#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![cfg_attr(not(doctest), doc = include_str!("../../docs/guide/README.md"))]

#[cfg(not(doctest))]
macro_rules! chapters {
    ($($module:ident $file:literal)*) => {$(
        #[doc = include_str!("links.md")]
        #[doc = include_str!(concat!("../../docs/guide/", $file))]
        pub mod $module {}
    )*};
}

#[cfg(not(doctest))]
chapters! {
    password "01-password.md"
    token "02-token.md"
    where_the_client_keeps_it "03-where-the-client-keeps-it.md"
    bearer "04-bearer.md"
    roles "05-roles.md"
    refresh "06-refresh.md"
    logout "07-logout.md"
    cookies "08-cookies.md"
    keys "09-keys.md"
    tests "10-tests.md"
    what_can_go_wrong "11-what-can-go-wrong.md"
    production "12-production.md"
}

/// Programs, which are compiled and not run: they would serve for ever.
macro_rules! programs {
    ($($module:ident $title:literal $file:literal)*) => {$(
        #[doc = $title]
        #[doc = "```no_run"]
        #[doc = include_str!(concat!("../../docs/guide/", $file))]
        #[doc = "```"]
        pub mod $module {}
    )*};
}

programs! {
    shop "The whole `src/main.rs` after the last chapter.\n" "shop.rs"
}

#[cfg(doctest)]
programs! {
    after_01 "" "steps/01.rs"
    after_02 "" "steps/02.rs"
    after_04 "" "steps/04.rs"
    after_05 "" "steps/05.rs"
    after_06 "" "steps/06.rs"
    after_07 "" "steps/07.rs"
    after_08 "" "steps/08.rs"
    after_09 "" "steps/09.rs"
}
