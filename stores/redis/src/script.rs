//! The scripts: whatever has to be atomic is one of them.
//!
//! Each touches keys of one slot only, all of which are named in `KEYS`. What only reads is a script too: a client that sends reads to
//! replicas sends scripts to the primary.

use std::sync::LazyLock;

/// A script, and the name by which a server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) code: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("lua/", $file))),+)));
    };
}

script!(INSERT_RECORD, "clock.lua", "write_record.lua", "insert_record.lua");
script!(SWAP_RECORD, "clock.lua", "write_record.lua", "swap_record.lua");
script!(LOAD_RECORDS, "load_records.lua");
script!(REMOVE_RECORDS, "remove_records.lua");
script!(LIST_IDS, "clock.lua", "list_ids.lua");
script!(FORGET_IDS, "forget_ids.lua");
script!(LOAD_DOCUMENT, "load_document.lua");
script!(SWAP_DOCUMENT, "swap_document.lua");
script!(NOTE_NAME, "note_name.lua");
script!(APPEND, "clock.lua", "log.lua", "append.lua");
script!(READ, "clock.lua", "log.lua", "read.lua");
script!(SWEEP, "clock.lua", "log.lua", "sweep.lua");
