//! The fault table: a failure of the upstream, for a client of some kind, in one format.
//!
//! A row has one [`Fault`], one [`Client`], one [`Format`], and the [`Transport`] to the upstream.
//! Expected of each: the client gets exactly one response, the right one and in time, or the cut
//! that is promised; the log has one line for it; the upstream sees the right requests and no
//! more; the next question is answered. In the end the process holds no more than at first.
//!
//! To run one row or some: `ROWS='In(InHead, Reset) / Plain' cargo test -p ask-web faults`. The
//! value is a part of the name that a failure shows.
//!
//! A new fault is an entry of [`FAULTS`], its bytes go into `script.rs`, and what is promised for
//! it into `expected.rs`. It then meets every format, and every client in one of them.

mod client;
mod expected;
mod row;
mod script;
mod upstream;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::Value;
use testkit::http::excerpt;
use testkit::table::{assert_no_failures, expect, failures, is_selected};
use testkit::{Resources, all_pairs};

use self::client::{CLIENTS, Client, Received, health};
use self::expected::{FORMATS, Format, LATE};
use self::row::{NEXT, Row, SOON, TIMEOUT};
use self::script::{FAULTS, FailureMode, Fault, Stage};
use self::upstream::{FaultyUpstream, Transport};
use crate::support::{App, Instance};

/// Rows at a time.
const WORKERS: usize = 32;

/// Returns each fault in each format for a plain client, and a choice in which any two values meet.
fn rows() -> Vec<Row> {
    let each = (0..FAULTS.len()).flat_map(|fault| {
        (0..FORMATS.len()).map(move |format| [fault, 0, format, (fault + format) % 2])
    });
    let chosen = all_pairs([FAULTS.len(), CLIENTS.len(), FORMATS.len(), 2]);
    let row = |(number, [fault, client, format, tls]): (usize, [usize; 4])| {
        let (fault, client, format) = (FAULTS[fault], CLIENTS[client], FORMATS[format]);
        let transport = match fault {
            Fault::Connect(failure) => Transport::Blocked(failure),
            // Megabytes take long in an unoptimized build.
            Fault::In(Stage::AfterHead | Stage::InBody, FailureMode::TooLarge) => {
                Transport::Unlimited
            }
            _ if tls == 1 => Transport::Tls,
            _ => Transport::Plain,
        };
        Row { number, fault, client, format, transport }
    };
    (1..).zip(each.chain(chosen)).map(row).collect()
}

/// An upstream, an app before it, and the rows that they serve.
struct Group {
    upstream: FaultyUpstream,
    app: Instance,
    rows: Vec<Row>,
    /// The resources of the app before the first row.
    before: Resources,
}

impl Group {
    fn start(transport: Transport, rows: Vec<Row>) -> Self {
        let upstream = FaultyUpstream::start(transport);
        let mut app = App::at(&upstream.url).set("ASK_OWN_KEYS", "");
        if transport != Transport::Unlimited {
            app = app.set("ASK_TIMEOUT", TIMEOUT.as_secs().to_string());
        }
        if let Some(roots) = &upstream.roots {
            app = app.set("SSL_CERT_FILE", roots.path());
        }
        let app = app.start();
        // The first connection allocates what stays. It is open while the resources are counted.
        let mut first = app.send(&health("next").replace("close", "keep-alive"));
        first.head();
        let before = Resources::of(app.id()).unwrap();
        let before = Resources { sockets: before.sockets - 1, ..before };
        Self { upstream, app, rows, before }
    }

    /// Checks one row, as far as client and upstream see it.
    fn check(&self, row: &Row) -> Result<(), String> {
        let received = self.ask(row);
        let ended = Instant::now();
        self.upstream.observed.wait(row.number, |observed| observed.open == 0);
        row.check_response(&received).map_err(|why| {
            let Received { bytes, end, .. } = &received;
            format!("{why}\n    got {} bytes, {end:?}: {:?}", bytes.len(), excerpt(bytes))
        })?;
        let took = ended.elapsed();
        expect(took < SOON, format!("the end of the upstream's connection, {took:?}"))?;
        match row.transport {
            Transport::Blocked(_) => self.check_health("next"),
            _ => self.check_answer(row.format, row.transport),
        }
    }

    fn ask(&self, row: &Row) -> Received {
        row.client.ask(self.app.address, &row.question(), row.last(), || {
            self.upstream.observed.wait(row.number, |observed| observed.sent > 0);
        })
    }

    /// Asks a question without a fault, on a connection of its own.
    fn check_answer(&self, format: Format, transport: Transport) -> Result<(), String> {
        let (fault, client) = (Fault::None, Client::Plain);
        let row = Row { number: NEXT, fault, client, format, transport };
        row.check_response(&self.ask(&row)).map_err(|why| format!("the next question: {why}"))
    }

    fn check_health(&self, id: &str) -> Result<(), String> {
        let response = self.app.send(&health(id)).rest();
        expect(response.starts_with("HTTP/1.1 200 "), format!("health: {response}"))
    }

    /// Checks resources, log and requests once all clients have left. Returns the failures.
    fn end(&self) -> Vec<String> {
        let mut failures = Vec::new();
        // All lines are written once all connections have ended.
        let released = self.before.wait_for_release(self.app.id());
        failures.extend(released.err().map(|error| error.to_string()));
        failures.extend(self.check_health("end").err());
        let mut lines: HashMap<String, Vec<Value>> = HashMap::new();
        while !lines.contains_key("end") {
            let line = self.app.log_line();
            lines.entry(line["request_id"].as_str().unwrap().to_owned()).or_default().push(line);
        }
        for row in &self.rows {
            let lines = lines.remove(&row.id()).unwrap_or_default();
            let observed = self.upstream.observed.of(row.number);
            let checked = row.check_log(&lines).and_then(|()| row.check_requests(&observed));
            failures.extend(checked.err().map(|why| format!("{}: {why}", row.name())));
        }
        let known = ["next", "end", &format!("row-{NEXT}")];
        let others = lines.into_keys().filter(|id| !known.contains(&id.as_str()));
        failures.extend(others.map(|id| format!("a line in the log for an unknown request {id}")));
        self.upstream.unblock();
        let answers =
            FORMATS.iter().filter_map(|&format| self.check_answer(format, Transport::Plain).err());
        failures.extend(answers.map(|why| format!("in the end: {why}")));
        failures
    }
}

#[test]
fn promises_are_kept_whatever_fails_on_either_side() {
    let mut rows = rows();
    rows.retain(|row| is_selected(&row.name()));
    let count = rows.len();
    let mut groups = Vec::new();
    while let Some(&Row { transport, .. }) = rows.first() {
        let (of_this, others) = rows.into_iter().partition(|row| row.transport == transport);
        groups.push(Group::start(transport, of_this));
        rows = others;
    }
    let mut queue: Vec<(&Group, &Row)> =
        groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row))).collect();
    // The longest first.
    queue.sort_by_key(|(_, row)| Reverse((row.expected() == LATE, row.format == Format::Proxied)));
    let failures =
        failures(WORKERS, &queue, |(_, row)| row.name(), |(group, row)| group.check(row));
    let failures = Mutex::new(failures);
    thread::scope(|scope| {
        for group in &groups {
            scope.spawn(|| {
                let at_the_end = group.end();
                failures.lock().unwrap().extend(at_the_end);
            });
        }
    });
    assert_no_failures(count, failures.into_inner().unwrap());
}
