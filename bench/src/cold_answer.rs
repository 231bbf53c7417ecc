//! A whole cold answer: from exec to the first reply over TLS.

use std::time::Duration;

use crate::api::Api;
use crate::delay;
use crate::exchange::Exchange;
use crate::peers::{Peer, Place, ROOT};
use crate::results::{Goal, Section, Table};
use crate::stats::{median, micros, percentile, ratio};
use crate::upstream::Upstream;

pub(crate) const TITLE: &str = "Cold answer over TLS";

/// The delay of a round trip, when round trips are counted.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The round trips of TCP, which a forwarder on this machine cannot delay.
const TCP: f64 = 1.0;

/// The measurements of one function, in microseconds.
#[derive(Default)]
struct Measured {
    times: Vec<f64>,
    cpu: Vec<f64>,
}

/// Starts each in turn, many times, and asks once.
pub(crate) fn measure(place: &Place, rounds: usize) -> anyhow::Result<Section> {
    let peers = [Peer::Ask, Peer::Lean, Peer::Lambda, Peer::Node, Peer::Python];
    let upstream = Upstream::start_tls(Exchange::Light.answer(), &place.built.join(ROOT))?;
    let forwarder = delay::start(upstream.address(), ROUND_TRIP);
    let far = format!("https://{}/v1", forwarder.address());

    let mut measured = [const { Measured { times: Vec::new(), cpu: Vec::new() } }; 5];
    for _ in 0..rounds {
        for (peer, measured) in peers.into_iter().zip(&mut measured) {
            let (time, cpu) = answer_once(peer, place, &upstream.url)?;
            measured.times.push(micros(time));
            measured.cpu.push(micros(cpu));
        }
    }
    let mut table = Table::new(&[
        "function",
        "p50 ms",
        "p99 ms",
        "ratio of p50",
        "CPU ms",
        "ratio of CPU",
        "round trips",
    ]);
    let mut trips = Vec::new();
    for (peer, measured_peer) in peers.into_iter().zip(&measured) {
        let (near, base) = (&measured_peer.times, &measured[0]);
        let (time, _) = answer_once(peer, place, &far)?;
        let by_delay = (micros(time) - median(near)) / micros(ROUND_TRIP);
        trips.push(by_delay.round() + TCP);
        table.row(
            peer.name(),
            [
                format!("{:.2}", median(near) / 1000.0),
                format!("{:.2}", percentile(near, 99) / 1000.0),
                format!("{:.2}", ratio(near, &base.times)),
                format!("{:.2}", median(&measured_peer.cpu) / 1000.0),
                format!("{:.2}", ratio(&measured_peer.cpu, &base.cpu)),
                format!("{:.0}", trips[trips.len() - 1]),
            ],
        );
    }
    let [ask, lean, ..] = &measured;
    Ok(Section {
        title: TITLE,
        how: format!(
            "From exec to the first reply, over TLS 1.3 with an intermediate certificate; {rounds} starts of each in \
             turn. CPU is that of all threads, until `next` is asked again. Round trips are counted by a delay of \
             {} ms, TCP's own included.",
            ROUND_TRIP.as_millis()
        ),
        table,
        goals: vec![
            Goal::at_most("CPU ms of `ask`", median(&ask.cpu) / 1000.0, 1.5),
            Goal::at_most("CPU of `ask` to the lean peer", ratio(&ask.cpu, &lean.cpu), 1.0),
            // One for TCP, one for TLS 1.3, one for HTTP.
            Goal::at_most("round trips of `ask`", trips[0], 3.0),
        ],
    })
}

/// Starts a function, asks once, and returns the time from its start and its CPU time.
fn answer_once(peer: Peer, place: &Place, upstream: &str) -> anyhow::Result<(Duration, Duration)> {
    let mut api = Api::start(Exchange::Light);
    let process = peer.start(place, &api, upstream)?;
    let start = api.first_next()? - process.started;
    let answer: Duration = api.round(1)?.into_iter().sum();
    Ok((start + answer, process.cpu()?))
}
