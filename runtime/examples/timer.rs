//! A timer with state: counts its events for as long as the instance lives.
//!
//! ```text
//! cargo add scf-runtime -F events
//! ```

use scf_runtime::events::TimerEvent;
use scf_runtime::{Context, Failure};

fn main() -> Result<(), scf_runtime::Error> {
    let mut count = 0;
    scf_runtime::run(move |event: TimerEvent, context: &Context| {
        count += 1;
        let cold = if context.cold { " (cold)" } else { "" };
        Ok::<_, Failure>(format!("{}: event {count}{cold}", event.trigger_name))
    })
}
