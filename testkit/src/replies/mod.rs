//! The table of replies that both functions must read the same way.
//!
//! A row is the bytes of an upstream's reply, and its result by the contract: the text and the
//! finish reason, or the code of a failure with words that its message holds. Each row is asked in
//! every format, with and without `ASK_PARTIAL`, with lists of keys and models, and over TLS. The
//! whole response, the line in the access log and the requests to the upstream are checked.
//!
//! # Map
//!
//! - `row`, `parts`: a row, how to write one, and what rows share
//! - `whole`, `labels`: answers as JSON, and replies with wrong labels
//! - `streams`, `stream_errors`, `ends`: answers as events, what breaks them, and cut replies
//! - `accounts`, `models`, `refused`, `failed`, `behind_200`: errors, by what follows from them
//! - `signs`: errors with a code or a sentence alone
//! - `unreachable`: upstreams without a reply
//! - `setup`, `upstream`: the settings of a function, and the stand-in
//! - `check`, `content`: what a row expects of a response, and how its content is decoded
//!
//! To run one row or some: `ROWS='Zhipu' cargo test -p scf-ask --test it replies`. The value is a
//! part of the name that a failure shows.
//!
//! A new row is an entry in the file of its kind. Both suites run it.

mod accounts;
mod behind_200;
mod check;
mod content;
mod ends;
mod failed;
mod labels;
mod models;
mod parts;
mod refused;
mod row;
mod setup;
mod signs;
mod stream_errors;
mod streams;
mod unreachable;
mod upstream;
mod whole;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use self::check::Exchange;
use self::row::Row;
use self::setup::Setup;
use self::unreachable::Unreachable;
use self::upstream::TableUpstream;
use crate::Response;
use crate::table::{assert_no_failures, is_selected, run_table};

pub use self::setup::Format;

/// Adds the kind of rows to their names.
fn of_kind(kind: &str, rows: Vec<Row>) -> impl Iterator<Item = Row> {
    rows.into_iter().map(move |row| Row { name: format!("{kind}: {}", row.name), ..row })
}

/// Returns the rows that `ROWS` selects.
fn rows() -> Vec<Row> {
    let kinds = [
        ("whole", whole::rows()),
        ("labels", labels::rows()),
        ("stream", streams::rows()),
        ("stream error", stream_errors::rows()),
        ("end", ends::rows()),
        ("account", accounts::rows()),
        ("model", models::rows()),
        ("sign", signs::rows()),
        ("refused", refused::rows()),
        ("failed", failed::rows()),
        ("behind 200", behind_200::rows()),
    ];
    let table = kinds.into_iter().flat_map(|(kind, rows)| of_kind(kind, rows));
    let mut rows: Vec<Row> = table.collect();
    let mut names = HashSet::new();
    for row in &rows {
        assert!(names.insert(&row.name), "the name {:?} comes twice", row.name);
    }
    rows.retain(|row| is_selected(&row.name));
    rows
}

/// Checks each row in these formats, and panics with all failures.
///
/// `start` starts a function with these settings. It returns a function that asks in a format, and
/// returns the response and the line in the access log.
#[track_caller]
pub fn check_all<A>(formats: &[Format], start: impl Fn(&[(&'static str, String)]) -> A + Sync)
where
    A: Fn(&str, &str) -> (Response, Value),
{
    let rows: Arc<[Row]> = rows().into();
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for setup in Setup::ALL {
            for &format in setup.formats(formats) {
                let (rows, start, failures) = (&rows, &start, &failures);
                scope.spawn(move || {
                    let upstream = TableUpstream::start(setup, rows.clone());
                    let ask = start(&upstream.vars());
                    for row in rows.iter() {
                        let (response, log) = ask(format.name, &row.name);
                        let requests = upstream.take_requests(&row.name);
                        let exchange = Exchange { row, setup, format, response, log, requests };
                        if let Err(why) = exchange.check() {
                            failures.lock().unwrap().push(format!("{}: {why}", row.name));
                        }
                    }
                });
            }
        }
    });
    assert_no_failures(rows.len(), failures.into_inner().unwrap());
}

/// Checks each upstream that cannot be reached in these formats, and panics with all failures.
#[track_caller]
pub fn check_unreachable<A>(
    formats: &[Format],
    start: impl Fn(&[(&'static str, String)]) -> A + Sync,
) where
    A: Fn(&str, &str) -> (Response, Value),
{
    let rows = unreachable::rows();
    let name = |row: &Unreachable| row.row.name.clone();
    run_table(rows.len(), &rows, name, |Unreachable { row, vars, .. }| {
        let setup = Setup::Plain;
        let ask = start(&[setup.vars(), vars.clone()].concat());
        formats.iter().try_for_each(|&format| {
            let (response, log) = ask(format.name, &row.name);
            Exchange { row, setup, format, response, log, requests: Vec::new() }.check()
        })
    });
}
