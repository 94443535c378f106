use proptest::prelude::*;

use super::super::stream::{Beginning, MAX_BYTES, MAX_PIECES};

/// Takes whole pieces of a text at their places.
fn taken(start: u32, text: &[u8], places: &[(usize, usize)]) -> Beginning {
    let mut beginning = Beginning::default();
    for (from, to) in places {
        let bytes = &text[*from..*to];
        beginning.take(start.wrapping_add(u32::try_from(*from).unwrap()), bytes, bytes.len());
    }
    beginning
}

#[test]
fn repeated_overlapping_and_out_of_order() {
    let text = b"0123456789";
    for start in [0, 1000, u32::MAX - 4, u32::MAX] {
        for places in [
            &[(0, 10)][..],
            &[(0, 5), (5, 10)],
            &[(5, 10), (0, 5)],
            &[(0, 5), (0, 5), (3, 10), (5, 10)],
            &[(8, 10), (4, 6), (0, 4), (5, 9)],
            &[(2, 4), (6, 8), (0, 10)],
            &[(2, 4), (0, 10), (1, 9)],
        ] {
            assert_eq!(taken(start, text, places).prefix(), text, "{start} {places:?}");
        }
        assert_eq!(taken(start, text, &[(0, 4), (5, 10)]).prefix(), b"0123");
    }
}

#[test]
fn the_start_is_the_lowest_unless_it_is_known() {
    let mut beginning = Beginning::default();
    assert_eq!(beginning.prefix(), b"");
    beginning.take(105, b"five", 4);
    assert_eq!(beginning.prefix(), b"five");
    beginning.take(100, b"01234", 5);
    assert_eq!(beginning.prefix(), b"01234five");
    beginning.starts_at(103);
    assert_eq!(beginning.prefix(), b"34five");
    beginning.take(100, b"xxxxxx", 6);
    assert_eq!(beginning.prefix(), b"34five");

    let mut beginning = Beginning::default();
    beginning.starts_at(100);
    beginning.take(105, b"five", 4);
    assert_eq!(beginning.prefix(), b"");
    beginning.take(99, b"-01234", 6);
    assert_eq!(beginning.prefix(), b"01234five");
}

#[test]
fn a_cut_ends_it() {
    let mut beginning = Beginning::default();
    beginning.take(0, b"0123", 8);
    assert!(beginning.ends_at_cut());
    beginning.take(8, b"89", 2);
    assert_eq!(beginning.prefix(), b"0123");
    // It came again, in other pieces.
    beginning.take(4, b"4567", 4);
    assert_eq!((beginning.prefix(), beginning.ends_at_cut()), (&b"0123456789"[..], false));

    let mut beginning = Beginning::default();
    beginning.take(0, b"", 10);
    assert!(beginning.ends_at_cut());
}

#[test]
fn no_more_than_there_is_room_for() {
    let mut beginning = Beginning::default();
    beginning.starts_at(0);
    beginning.take(0, &[1; 2 * MAX_BYTES], 2 * MAX_BYTES);
    assert_eq!((beginning.prefix().len(), beginning.is_full()), (MAX_BYTES, true));
    beginning.take(MAX_BYTES as u32, &[2; 10], 10);
    assert_eq!(beginning.prefix().len(), MAX_BYTES);
    beginning.skip(10);
    beginning.take(MAX_BYTES as u32, &[2; 10], 10);
    assert_eq!((beginning.prefix().len(), beginning.is_full()), (MAX_BYTES - 10, true));

    // Every other byte: the last pieces go.
    let mut beginning = Beginning::default();
    for at in 0..1000 {
        beginning.take(2 * at, b"x", 1);
    }
    for at in 0..1000 {
        beginning.take(2 * at + 1, b"x", 1);
    }
    assert!(beginning.prefix().len() >= 2 * MAX_PIECES);
}

#[test]
fn what_is_skipped_does_not_come_again() {
    let mut beginning = Beginning::default();
    beginning.take(u32::MAX - 1, b"0123456789", 10);
    beginning.skip(4);
    assert_eq!(beginning.prefix(), b"456789");
    beginning.take(u32::MAX - 1, b"0123456789abc", 13);
    assert_eq!(beginning.prefix(), b"456789abc");
    // Nor what was never seen.
    beginning.skip(11);
    beginning.take(11, b"defg", 4);
    assert_eq!(beginning.prefix(), b"fg");
}

proptest! {
    #[test]
    fn every_order_gives_the_same(
        start: u32,
        text in proptest::collection::vec(any::<u8>(), 1..2000),
        places in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..400), 1..20),
        keys in proptest::collection::vec(any::<u32>(), 20),
        known: bool,
    ) {
        let places: Vec<_> = places
            .iter()
            .map(|(at, length)| (at.index(text.len()), at.index(text.len()) + length))
            .map(|(from, to)| (from, to.min(text.len())))
            .filter(|(from, to)| from < to)
            .collect();
        let mut other: Vec<_> = places.iter().copied().zip(&keys).collect();
        other.sort_by_key(|(_, key)| **key);
        let other: Vec<_> = other.into_iter().map(|(place, _)| place).collect();
        let [mut one, mut other] = [&places, &other].map(|places| taken(start, &text, places));
        if known {
            one.starts_at(start);
            other.starts_at(start);
        }
        prop_assert_eq!(one.prefix(), other.prefix());
        let first = if known { 0 } else { places.iter().map(|(from, _)| *from).min().unwrap_or(0) };
        prop_assert!(text[first..].starts_with(one.prefix()));
    }

    #[test]
    fn anything_stays_within_the_limits(
        pieces in proptest::collection::vec(
            (prop_oneof![0_u32..40_000, any::<u32>()], 0_usize..5000, 0_usize..100, 0_usize..3000), 1..60),
    ) {
        let mut beginning = Beginning::default();
        for (sequence, length, more, skipped) in pieces {
            beginning.take(sequence, &vec![7; length], length + more);
            prop_assert!(beginning.prefix().len() <= MAX_BYTES);
            if skipped % 10 == 0 {
                beginning.skip(skipped);
            }
            if skipped % 100 == 1 {
                beginning.starts_at(sequence);
            }
        }
    }
}
