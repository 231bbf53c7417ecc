//! Everything that fails on either side, as a table: one row a fault, a caller and a shape of answer. Each row is held
//! against the same promises: the caller gets exactly one reply, the right one and in time, or the break that is promised;
//! there is exactly one line for it in the log; the provider sees what it should and no more; the next question is
//! answered; and at the end the process holds what it held before.

mod callers;
mod expected;
mod holder;
mod load;
mod pairs;
mod provider;
mod recorder;
mod replies;
mod reply;
mod row;
mod script;
mod smuggling;
mod state;
mod stops;

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use self::callers::{CALLERS, Caller, Got};
use self::expected::{LATE, SHAPES, Shape, is};
use self::provider::{Provider, Way};
use self::reply::shown;
use self::row::{NEXT, Row, SOON, TIMEOUT};
use self::script::{FAULTS, Fault, How, Stage};
use self::state::Held;
use crate::support::{KEY, PATIENCE, Server, TOKEN};

/// So many rows are tried at a time.
const AT_A_TIME: usize = 32;

/// Each fault in each shape for a caller who just asks, and a choice of all else.
fn table() -> Vec<Row> {
    let each = FAULTS.iter().enumerate().flat_map(|(fault, _)| {
        SHAPES.iter().enumerate().map(move |(shape, _)| [fault, 0, shape, (fault + shape) % 2])
    });
    let chosen = pairs::pairs([FAULTS.len(), CALLERS.len(), SHAPES.len(), 2]);
    let row = |(number, [fault, caller, shape, tls]): (usize, [usize; 4])| {
        let (fault, caller, shape) = (FAULTS[fault], CALLERS[caller], SHAPES[shape]);
        let way = match fault {
            Fault::Connect(how) => Way::Blocked(how),
            // As much as that takes its time where nothing is optimized.
            Fault::In(Stage::AfterHead | Stage::InBody, How::TooLarge) => Way::Unhurried,
            _ if tls == 1 => Way::Tls,
            _ => Way::Plain,
        };
        Row { number, fault, caller, shape, way }
    };
    (1..).zip(each.chain(chosen)).map(row).collect()
}

/// A provider, a server before it, and the rows that are tried on them.
struct Group {
    provider: Provider,
    server: Server,
    rows: Vec<Row>,
    /// By the server, before the first row.
    held: Held,
}

impl Group {
    fn start(way: Way, rows: Vec<Row>) -> Self {
        let provider = Provider::start(way);
        let time =
            if way == Way::Unhurried { String::new() } else { TIMEOUT.as_secs().to_string() };
        let roots = provider.roots.as_ref().map(|file| file.to_str().unwrap().to_owned());
        let server = Server::start(&[
            ("OPENAI_API_KEY", KEY),
            ("ASK_TOKEN", TOKEN),
            ("OPENAI_BASE_URL", &provider.url),
            ("ASK_TIMEOUT", &time),
            ("SSL_CERT_FILE", roots.as_deref().unwrap_or_default()),
        ]);
        // What is there from the first connection on is not counted, and it is still open.
        let mut first = server.send(&callers::health("next").replace("close", "keep-alive"));
        first.head();
        let held = Held::by(server.id());
        let held = Held { descriptors: held.descriptors - 1, ..held };
        Self { provider, server, rows, held }
    }

    /// Tries one row, as far as caller and provider see it.
    fn try_row(&self, row: &Row) -> Result<(), String> {
        let got = self.ask(row);
        let left = Instant::now();
        self.provider.sights.wait(row.number, PATIENCE, |sight| sight.open == 0);
        row.check_reply(&got).map_err(|why| {
            format!(
                "{why}\n    got {} bytes, {:?}: {:?}",
                got.bytes.len(),
                got.end,
                shown(&got.bytes)
            )
        })?;
        is(left.elapsed() < SOON, true, &format!("the provider is let go, {:?}", left.elapsed()))?;
        match row.way {
            Way::Blocked(_) => self.is_healthy("next"),
            Way::Plain | Way::Tls | Way::Unhurried => self.is_answered(row.shape, row.way),
        }
    }

    fn ask(&self, row: &Row) -> Got {
        row.caller.ask(self.server.address, &row.question(), row.last(), || {
            self.provider.sights.wait(row.number, PATIENCE, |sight| sight.said > 0);
        })
    }

    /// A question on a connection of its own, to a provider that does nothing wrong.
    fn is_answered(&self, shape: Shape, way: Way) -> Result<(), String> {
        let row = Row { number: NEXT, fault: Fault::None, caller: Caller::Plain, shape, way };
        row.check_reply(&self.ask(&row)).map_err(|why| format!("the next question: {why}"))
    }

    fn is_healthy(&self, id: &str) -> Result<(), String> {
        let mut caller = self.server.send(&callers::health(id));
        let reply = caller.rest();
        is(reply.starts_with("HTTP/1.1 200 "), true, &format!("healthy: {reply}"))
    }

    /// Whether all has ended as it should once there are no callers; what is wrong, if anything.
    fn end(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        // Once all connections have ended, all lines have been written.
        if let Err(held) = self.held.is_back(self.server.id(), PATIENCE) {
            wrong.push(format!("{held:?} are held, not {:?}", self.held));
        }
        wrong.extend(self.is_healthy("end").err());
        let mut lines: HashMap<String, Vec<Value>> = HashMap::new();
        while !lines.contains_key("end") {
            let line = self.server.log();
            lines.entry(line["request_id"].as_str().unwrap().to_owned()).or_default().push(line);
        }
        for row in &self.rows {
            let lines = lines.remove(&row.id()).unwrap_or_default();
            let sight = self.provider.sights.of(row.number);
            let checked = row.check_log(&lines).and_then(|()| row.check_requests(&sight));
            wrong.extend(checked.err().map(|why| format!("{row:?}: {why}")));
        }
        let others = lines
            .into_keys()
            .filter(|id| !["next", "end", &format!("row-{NEXT}")].contains(&id.as_str()));
        wrong.extend(others.map(|id| format!("a line in the log for {id}, and nobody asked")));
        self.provider.mend();
        let questions =
            SHAPES.iter().filter_map(|&shape| self.is_answered(shape, Way::Plain).err());
        wrong.extend(questions.map(|why| format!("after all: {why}")));
        wrong
    }
}

#[test]
fn whatever_fails_on_either_side_the_promises_are_kept() {
    let mut rows = table();
    let count = rows.len();
    let mut groups = Vec::new();
    while let Some(&Row { way, .. }) = rows.first() {
        let (of_this, others) = rows.into_iter().partition(|row| row.way == way);
        groups.push(Group::start(way, of_this));
        rows = others;
    }
    let mut queue: Vec<(&Group, &Row)> =
        groups.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row))).collect();
    // Those that take longest first: the last ones are taken first.
    queue.sort_by_key(|(_, row)| (row.expected() == LATE, row.shape == Shape::Proxied));
    let (queue, wrong) = (Mutex::new(queue), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((group, row)) = { queue.lock().unwrap().pop() } {
                    if let Err(why) = group.try_row(row) {
                        wrong.lock().unwrap().push(format!("{row:?}: {why}"));
                    }
                }
            });
        }
    });
    thread::scope(|scope| {
        for group in &groups {
            scope.spawn(|| {
                let at_the_end = group.end();
                wrong.lock().unwrap().extend(at_the_end);
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {count} rows:\n{}", wrong.len(), wrong.join("\n"));
}
