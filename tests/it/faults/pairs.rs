//! Pairs instead of the full product.

use std::collections::BTreeSet;

/// Chooses from three lists, given by their lengths, in which the first of each is no fault: each fault alone, and triples
/// in which any two of different lists come together at least once.
pub(super) fn pairs(lengths: [usize; 3]) -> Vec<[usize; 3]> {
    let alone = (0..3).flat_map(|list| {
        (0..lengths[list])
            .map(move |fault| std::array::from_fn(|at| if at == list { fault } else { 0 }))
    });
    let mut chosen: Vec<[usize; 3]> = BTreeSet::from_iter(alone).into_iter().collect();
    let pairs_of = |[a, b, c]: [usize; 3]| [[0, a, 1, b], [0, a, 2, c], [1, b, 2, c]];
    let mut covered: BTreeSet<_> = chosen.iter().copied().flat_map(pairs_of).collect();
    for a in 0..lengths[0] {
        for b in (0..lengths[1]).rev() {
            // That of the last list with which most comes together for the first time; of equals, another one each time.
            let news = |c: &usize| {
                pairs_of([a, b, *c]).iter().filter(|pair| !covered.contains(*pair)).count()
            };
            let turn = (0..lengths[2]).map(|c| (a + b + c) % lengths[2]);
            let Some(c) = turn.max_by_key(news) else { continue };
            if news(&c) > 0 {
                chosen.push([a, b, c]);
                covered.extend(pairs_of([a, b, c]));
            }
        }
    }
    chosen
}

#[test]
fn any_two_faults_come_together() {
    let lengths = [50, 12, 9];
    let chosen = pairs(lengths);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let together: BTreeSet<_> = chosen.iter().map(|row| (row[one], row[other])).collect();
        assert_eq!(together.len(), lengths[one] * lengths[other]);
    }
    assert!(chosen.len() < 50 * 12 + 50, "{}", chosen.len());
}
