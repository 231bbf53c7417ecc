//! Rows of a table, and the choice of rows.
//!
//! ```
//! use testkit::{all_pairs, run_table, table::expect};
//!
//! // Each pair of two values from different columns is in a row.
//! assert!(all_pairs([5, 4, 3, 2]).len() <= 24);
//!
//! run_table(1, &[1, 2, 3], |row| format!("row {row}"), |row| expect(*row < 4, row));
//! ```

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, thread};

/// The variable that restricts [`run_table`] to the rows whose names contain its value.
pub const FILTER: &str = "ROWS";

/// Returns whether `ROWS` selects a row of this name.
pub fn is_selected(name: &str) -> bool {
    !env::var(FILTER).is_ok_and(|filter| !name.contains(&filter))
}

/// Checks all rows that `ROWS` selects, `workers` at a time, and panics with all failures.
#[track_caller]
pub fn run_table<R: Sync, E: Display>(
    workers: usize,
    rows: &[R],
    name: impl Fn(&R) -> String + Sync,
    check: impl Fn(&R) -> Result<(), E> + Sync,
) {
    let count = rows.iter().filter(|row| is_selected(&name(row))).count();
    assert_no_failures(count, failures(workers, rows, name, check));
}

/// Checks all rows that `ROWS` selects, `workers` at a time, in their order. Returns the failures.
pub fn failures<R: Sync, E: Display>(
    workers: usize,
    rows: &[R],
    name: impl Fn(&R) -> String + Sync,
    check: impl Fn(&R) -> Result<(), E> + Sync,
) -> Vec<String> {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = name(row);
                    if !is_selected(&name) {
                        continue;
                    }
                    if let Err(error) = check(row) {
                        failures.lock().unwrap().push(format!("{name}: {error:#}"));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

/// Panics with these failures, if any, of a table with `rows` rows.
#[track_caller]
pub fn assert_no_failures(rows: usize, failures: Vec<String>) {
    let count = failures.len();
    assert!(failures.is_empty(), "{count} failures in {rows} rows:\n{}", failures.join("\n"));
    println!("{rows} rows");
}

/// Checks all rows at once, on a thread each. Most rows wait, and none for another.
pub fn each<T: Sync>(rows: &[T], check: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| check(row));
        }
    });
}

/// Compares two values.
///
/// # Errors
///
/// A sentence that names the values and their subject, if they differ.
pub fn expect_eq<T: PartialEq + Debug>(
    actual: T,
    expected: T,
    subject: &str,
) -> Result<(), String> {
    let is_equal = actual == expected;
    is_equal.then_some(()).ok_or_else(|| format!("{subject} is {actual:?}, not {expected:?}"))
}

/// Expects a condition.
///
/// # Errors
///
/// A sentence with the subject, if the condition is false.
pub fn expect(condition: bool, subject: impl Display) -> Result<(), String> {
    condition.then_some(()).ok_or_else(|| format!("unexpected: {subject}"))
}

/// Chooses rows of a table with columns of these sizes, as indices: each value of a column meets
/// each value of every other column. The choice is greedy, and the same at each call.
pub fn all_pairs<const COLUMNS: usize>(sizes: [usize; COLUMNS]) -> Vec<[usize; COLUMNS]> {
    let columns = || (0..COLUMNS).flat_map(|b| (0..b).map(move |a| (a, b)));
    let mut missing: BTreeSet<[(usize, usize); 2]> = BTreeSet::new();
    for (a, b) in columns() {
        missing.extend((0..sizes[a]).flat_map(|x| (0..sizes[b]).map(move |y| [(a, x), (b, y)])));
    }
    let mut rows: Vec<[usize; COLUMNS]> = Vec::new();
    while let Some(&[(a, x), (b, y)]) = missing.first() {
        let mut row = [None; COLUMNS];
        (row[a], row[b]) = (Some(x), Some(y));
        for column in 0..COLUMNS {
            let new_pairs = |value: usize| {
                let others = (0..COLUMNS).filter_map(|other| Some((other, row[other]?)));
                others.filter(|&other| missing.contains(&ordered((column, value), other))).count()
            };
            // Among equals, the one that is in the fewest rows.
            let used = |value| Reverse(rows.iter().filter(|row| row[column] == value).count());
            let best = (0..sizes[column]).max_by_key(|&value| (new_pairs(value), used(value)));
            row[column] = row[column].or(best);
        }
        let row = row.map(|value| value.expect("a column without values"));
        for (a, b) in columns() {
            missing.remove(&[(a, row[a]), (b, row[b])]);
        }
        rows.push(row);
    }
    rows
}

fn ordered(one: (usize, usize), other: (usize, usize)) -> [(usize, usize); 2] {
    if one < other { [one, other] } else { [other, one] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_in_a_row_and_few_rows_are_needed() {
        let sizes = [5, 4, 3, 2];
        let rows = all_pairs(sizes);
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let seen: BTreeSet<_> = rows.iter().map(|row| (row[a], row[b])).collect();
            assert_eq!(seen.len(), sizes[a] * sizes[b], "{a} and {b}");
        }
        assert!(rows.len() <= 24, "{}", rows.len());
    }
}
