//! A small choice of rows in which each value of a column meets each value of every other column.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Rows of as many columns as there are sizes, as indices: each pair of values is in at least one of them. The choice is
/// greedy, and the same at each call.
pub(crate) fn pairs<const COLUMNS: usize>(sizes: [usize; COLUMNS]) -> Vec<[usize; COLUMNS]> {
    let mut missing: BTreeSet<[(usize, usize); 2]> = BTreeSet::new();
    for (a, b) in (0..COLUMNS).flat_map(|b| (0..b).map(move |a| (a, b))) {
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
            let used =
                |value: usize| Reverse(rows.iter().filter(|row| row[column] == value).count());
            let best =
                (0..sizes[column]).max_by_key(|&value| (new_pairs(value), used(value))).unwrap();
            row[column].get_or_insert(best);
        }
        let row = row.map(Option::unwrap);
        for (a, b) in (0..COLUMNS).flat_map(|b| (0..b).map(move |a| (a, b))) {
            missing.remove(&[(a, row[a]), (b, row[b])]);
        }
        rows.push(row);
    }
    rows
}

fn ordered(one: (usize, usize), other: (usize, usize)) -> [(usize, usize); 2] {
    if one < other { [one, other] } else { [other, one] }
}

#[test]
fn each_pair_is_in_a_row_and_few_rows_are_needed() {
    let sizes = [5, 4, 3, 2];
    let rows = pairs(sizes);
    for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let seen: BTreeSet<_> = rows.iter().map(|row| (row[a], row[b])).collect();
        assert_eq!(seen.len(), sizes[a] * sizes[b], "{a} and {b}");
    }
    assert!(rows.len() <= 24, "{}", rows.len());
}
