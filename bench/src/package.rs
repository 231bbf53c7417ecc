//! The size of the packages.

use std::fs;

use crate::peers::Place;
use crate::results::{Goal, Section, Table};

pub(crate) const TITLE: &str = "Package";

/// The size of the second article's Go proxy, in bytes.
const GO: f64 = 2_770_000.0;

/// Reads the sizes of the zips in `dist`.
pub(crate) fn measure(place: &Place, _: usize) -> anyhow::Result<Section> {
    let mut table = Table::new(&["package", "bytes", "ratio to the Go proxy's"]);
    let mut goals = Vec::new();
    for (name, most) in [("ask.zip", 1_200_000.0), ("ask-web.zip", 2_000_000.0)] {
        let Ok(file) = fs::metadata(place.dist.join(name)) else { continue };
        let bytes = file.len() as f64;
        table.row(name, [format!("{bytes}"), format!("{:.2}", bytes / GO)]);
        goals.push(Goal::at_most(&format!("MB of `{name}`"), bytes / 1e6, most / 1e6));
    }
    table.row("the second article's Go proxy", [format!("{GO}"), "1.00".to_owned()]);
    Ok(Section { title: TITLE, how: "As uploaded.".to_owned(), table, goals })
}
