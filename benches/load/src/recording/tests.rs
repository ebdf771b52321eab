//! What is written comes back, in its order or by key; what is damaged is named.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::record::{Entry, Operation, Outcome};

fn entry() -> impl Strategy<Value = Entry> {
    let operation = prop_oneof![Just(Operation::Add), Just(Operation::Read), Just(Operation::Void)];
    let outcome = prop_oneof![Just(Outcome::Acknowledged), Just(Outcome::TimedOut)];
    let times = (any::<u64>(), any::<u64>(), any::<u64>());
    let answer = (any::<u16>(), any::<u64>(), any::<i64>(), any::<bool>());
    let names = (any::<u64>(), any::<u16>(), any::<u32>(), any::<bool>());
    let what = (0..5_u64, any::<u64>(), any::<i64>());
    (operation, outcome, times, answer, names, what).prop_map(
        |(operation, outcome, (intended, sent, done), answer, names, what)| {
            let (status, sequence, value, repeated) = answer;
            let (op, attempt, session, keyed) = names;
            let (key, other, amount) = what;
            Entry {
                op,
                attempt,
                session,
                operation,
                keyed,
                key,
                other,
                amount,
                intended,
                sent,
                done,
                outcome,
                status,
                sequence,
                value,
                repeated,
            }
        },
    )
}

fn header() -> Header {
    Header { run: 7, seed: 8, prefix: "load-7".to_owned() }
}

fn written(entries: &[Entry]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let recording = Recording::begin(directory.path(), &header()).unwrap();
    let mut recorder = recording.recorder();
    entries.iter().for_each(|entry| recorder.record(*entry));
    drop(recorder);
    let (path, count) = recording.end().unwrap();
    assert_eq!(count, entries.len() as u64);
    (directory, path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn entries_come_back_as_they_went_and_by_key_none_is_missing(
        entries in prop::collection::vec(entry(), 0..200), at_once in 1..60_usize
    ) {
        let (directory, path) = written(&entries);
        let history = History::open(&path).unwrap();
        prop_assert_eq!(history.header(), &header());
        let read: Vec<Entry> = history.map(Result::unwrap).collect();
        prop_assert_eq!(&read, &entries);
        let sorted = History::open(&path).unwrap().by_key(at_once).unwrap();
        let sorted: Vec<Entry> = sorted.map(Result::unwrap).collect();
        let mut expected = entries;
        expected.sort_by_key(|entry| (entry.key, entry.sent, entry.op, entry.attempt));
        let ranks = |entries: &[Entry]| -> Vec<_> {
            entries.iter().map(|entry| (entry.key, entry.sent, entry.op, entry.attempt)).collect()
        };
        prop_assert_eq!(ranks(&sorted), ranks(&expected));
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        prop_assert_eq!(left, 1, "the sorted pieces stay behind");
    }
}

#[test]
fn what_is_no_history_and_what_is_damaged_is_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let tree = entry().new_tree(&mut runner).unwrap();
    let (_directory, path) = written(&[proptest::strategy::ValueTree::current(&tree)]);
    let whole = std::fs::read(&path).unwrap();
    let broken = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        History::open(&path).and_then(|history| history.collect::<Result<Vec<_>, _>>())
    };
    assert!(matches!(broken(&whole[..63]), Err(HistoryError::Foreign { .. })));
    let mut other = whole.clone();
    other[7] = b'2';
    assert!(matches!(broken(&other), Err(HistoryError::Foreign { .. })));
    let cut = &whole[..whole.len() - 1];
    assert!(matches!(broken(cut), Err(HistoryError::Damaged { number: 0, .. })));
    let mut odd = whole.clone();
    odd[64 + 80] = 99;
    assert!(matches!(broken(&odd), Err(HistoryError::Damaged { number: 0, .. })));
    assert_eq!(broken(&whole).unwrap().len(), 1);
}
