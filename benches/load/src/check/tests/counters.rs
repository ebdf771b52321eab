//! Counters: one good history, and it again with one thing wrong.

use serde_json::json;

use super::super::elle::Elle;
use super::super::memory::By;
use super::*;

const OURS: fn(u64) -> By = |op| By::Op(RUN, op);

/// An add of 5, two of 1 at the same time and later, a read, an add that was answered only the second
/// time, one that was overloaded, and one that nobody knows of and that is there.
fn good() -> (Memory, Vec<Entry>) {
    let mut memory = Memory::default();
    let adds = [(OURS(8), 5), (OURS(0), 1), (OURS(1), 1), (OURS(3), 1), (OURS(5), 1)];
    memory.counter("c-1", &adds);
    let timed_out = Entry { outcome: Outcome::TimedOut, sequence: 0, value: 0, ..add(3, 0, 0) };
    let again = Entry { attempt: 1, sent: 31_500_000, done: 32_000_000, ..add(3, 4, 8) };
    let again = Entry { repeated: true, ..again };
    let entries = vec![
        add(0, 2, 6),
        add(1, 3, 7),
        read(2, 3, 7),
        timed_out,
        again,
        Entry { outcome: Outcome::Overloaded, ..add(4, 0, 0) },
        Entry { outcome: Outcome::Broken, ..add(5, 0, 0) },
        Entry { outcome: Outcome::TimedOut, ..add(6, 0, 0) },
        read(7, 5, 9),
        // By somebody else, while the first of these went on.
        Entry { session: 1, amount: 5, intended: 0, sent: 0, done: 100, ..add(8, 1, 5) },
    ];
    (memory, entries)
}

#[tokio::test]
async fn what_is_right_passes_and_every_check_has_looked() {
    let (memory, entries) = good();
    let verdict = judged(&memory, &entries).await;
    assert!(verdict.is_sound(), "{verdict:#?}");
    let summary = (verdict.unknown_applied, verdict.unknown_absent, verdict.foreign);
    assert_eq!(summary, (1, 1, 0));
    let examined = |check| verdict.checks[&check].examined;
    assert_eq!([examined(Check::Lost), examined(Check::WrongValue)], [4, 6]);
    assert_eq!([examined(Check::Stale), examined(Check::Session)], [7, 2]);
    assert_eq!([examined(Check::Gap), examined(Check::Chain)], [5, 4]);
    assert_eq!(examined(Check::NotApplied), 1);
    assert!(!verdict.checks.contains_key(&Check::Repetition), "nothing was repeated");
}

/// Judges the good history with its journal and its entries spoilt.
async fn spoilt(spoil: impl FnOnce(&mut Memory, &mut Vec<Entry>)) -> Vec<Check> {
    let (mut memory, mut entries) = good();
    spoil(&mut memory, &mut entries);
    found(&judged(&memory, &entries).await)
}

#[tokio::test]
async fn an_acknowledged_add_that_is_gone_is_lost() {
    let gone = |memory: &mut Memory, _: &mut Vec<Entry>| {
        let adds = [(OURS(8), 5), (OURS(0), 1), (OURS(3), 1), (OURS(5), 1)];
        memory.counter("c-1", &adds);
    };
    let found = spoilt(gone).await;
    assert_eq!(found[0], Check::Lost, "{found:?}");
}

#[tokio::test]
async fn an_add_that_is_there_again_is_doubled() {
    let doubled = |memory: &mut Memory, _: &mut Vec<Entry>| {
        let data = json!({ "n": 1 });
        memory.event("counter", "c-1", OURS(1), "counter.added.v1", &data);
    };
    assert_eq!(spoilt(doubled).await, [Check::Doubled]);
}

#[tokio::test]
async fn an_unknown_add_that_is_there_twice_is_doubled() {
    let doubled = |memory: &mut Memory, _: &mut Vec<Entry>| {
        let data = json!({ "n": 1 });
        memory.event("counter", "c-1", OURS(5), "counter.added.v1", &data);
    };
    assert_eq!(spoilt(doubled).await, [Check::Doubled]);
}

#[tokio::test]
async fn what_nobody_asked_for_is_invented() {
    let elsewhere = OURS(99);
    for by in [elsewhere, By::Other] {
        let invented = |memory: &mut Memory, _: &mut Vec<Entry>| {
            memory.event("counter", "c-1", by, "counter.added.v1", &json!({ "n": 1 }));
        };
        assert_eq!(spoilt(invented).await, [Check::Invented], "{by:?}");
    }
}

#[tokio::test]
async fn what_was_there_before_the_runs_first_is_invented_too() {
    let mut memory = Memory::default();
    memory.counter("c-1", &[(By::Other, 5), (OURS(0), 1)]);
    let entries = [add(0, 2, 6)];
    assert_eq!(found(&judged(&memory, &entries).await), [Check::Invented]);
    let verdict = judged_by(&Options { alone: false, ..options() }, &memory, &entries).await;
    assert!(verdict.is_sound(), "{verdict:#?}");
}

#[tokio::test]
async fn others_may_add_where_the_run_is_not_alone() {
    let (mut memory, entries) = good();
    memory.event("counter", "c-1", By::Other, "counter.added.v1", &json!({ "n": 1 }));
    let verdict = judged_by(&Options { alone: false, ..options() }, &memory, &entries).await;
    assert!(verdict.is_sound(), "{verdict:#?}");
    assert_eq!(verdict.foreign, 1);
}

#[tokio::test]
async fn another_amount_is_altered() {
    let altered = |_: &mut Memory, entries: &mut Vec<Entry>| entries[1].amount = 2;
    assert_eq!(spoilt(altered).await, [Check::Altered]);
}

#[tokio::test]
async fn what_was_not_applied_and_is_there_is_found() {
    let there = |_: &mut Memory, entries: &mut Vec<Entry>| {
        entries[6].outcome = Outcome::Overloaded;
    };
    assert_eq!(spoilt(there).await, [Check::NotApplied]);
}

#[tokio::test]
async fn another_sequence_is_misplaced() {
    let misplaced = |_: &mut Memory, entries: &mut Vec<Entry>| {
        (entries[0].sequence, entries[0].value) = (1, 5);
    };
    assert_eq!(spoilt(misplaced).await, [Check::Misplaced]);
}

#[tokio::test]
async fn another_value_is_wrong_for_adds_and_reads() {
    for at in [0, 2] {
        let wrong = |_: &mut Memory, entries: &mut Vec<Entry>| entries[at].value += 1;
        assert_eq!(spoilt(wrong).await, [Check::WrongValue], "{at}");
    }
}

#[tokio::test]
async fn a_read_of_what_is_not_in_the_journal_is_a_wrong_value() {
    let ahead = |_: &mut Memory, entries: &mut Vec<Entry>| {
        (entries[8].sequence, entries[8].value) = (6, 10);
    };
    assert_eq!(spoilt(ahead).await, [Check::WrongValue]);
}

#[tokio::test]
async fn gaps_and_broken_links_are_found() {
    let gap = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.events_of("counter", "c-1").last_mut().unwrap().sequence = 6;
    };
    let found = spoilt(gap).await;
    assert!(found.contains(&Check::Gap), "{found:?}");
    let link = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.events_of("counter", "c-1")[2].previous_hash = "other".to_owned();
    };
    assert_eq!(spoilt(link).await, [Check::Chain]);
}

#[tokio::test]
async fn another_state_than_the_fold_is_found() {
    let other = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.serve("counter", "c-1", 5, &json!({ "value": 8 }));
    };
    assert_eq!(spoilt(other).await, [Check::Served]);
    let ahead = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.serve("counter", "c-1", 6, &json!({ "value": 9 }));
    };
    assert_eq!(spoilt(ahead).await, [Check::Served]);
}

#[tokio::test]
async fn what_can_not_be_read_is_found() {
    let other = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.event("counter", "c-1", By::Other, "counter.removed.v1", &json!({ "n": 1 }));
    };
    assert_eq!(spoilt(other).await, [Check::Unreadable]);
}

#[tokio::test]
async fn an_order_against_real_time_is_stale() {
    // Operation 1 began after the answer to 0, and stands before it.
    let swapped = |memory: &mut Memory, entries: &mut Vec<Entry>| {
        let adds = [(OURS(8), 5), (OURS(1), 1), (OURS(0), 1), (OURS(3), 1), (OURS(5), 1)];
        memory.counter("c-1", &adds);
        (entries[0].sequence, entries[0].value) = (3, 7);
        (entries[1].sequence, entries[1].value) = (2, 6);
    };
    assert_eq!(spoilt(swapped).await, [Check::Stale]);
}

#[tokio::test]
async fn an_old_read_is_stale_for_all_and_for_its_session() {
    let old = |sequence, value, session| {
        move |_: &mut Memory, entries: &mut Vec<Entry>| {
            let read = &mut entries[8];
            (read.sequence, read.value, read.session) = (sequence, value, session);
        }
    };
    assert_eq!(spoilt(old(2, 6, 0)).await, [Check::Stale, Check::Session]);
    assert_eq!(spoilt(old(2, 6, 9)).await, [Check::Stale]);
    // Nobody knows when operation 5 took effect.
    assert_eq!(spoilt(old(4, 8, 0)).await, []);
    let nothing = |_: &mut Memory, entries: &mut Vec<Entry>| {
        (entries[8].outcome, entries[8].status) = (Outcome::Refused, 404);
    };
    assert_eq!(spoilt(nothing).await, [Check::Stale, Check::Session]);
}

#[tokio::test]
async fn a_read_of_an_add_that_had_not_begun_is_stale() {
    let (memory, mut entries) = good();
    // Operation 5 begins at 50 ms; the read was over at 21.
    (entries[2].sequence, entries[2].value) = (5, 9);
    let found = found(&judged(&memory, &entries).await);
    assert_eq!(found, [Check::Stale]);
}

#[tokio::test]
async fn an_add_does_not_stand_where_a_read_before_it_had_seen_something() {
    let mut memory = Memory::default();
    memory.counter("c-1", &[(OURS(0), 1), (OURS(2), 1)]);
    // The read was over at 11 ms; the second add begins at 20, and is what it saw.
    let entries = [add(0, 1, 1), read(1, 2, 2), add(2, 2, 2)];
    assert_eq!(found(&judged(&memory, &entries).await), [Check::Stale]);
}

#[tokio::test]
async fn clocks_of_two_generators_may_differ_by_so_much() {
    let mut memory = Memory::default();
    // Operations 0 and 4 are of two generators, where there are two; 39 ms lie between them.
    memory.counter("c-1", &[(OURS(4), 1), (OURS(0), 1)]);
    let entries = [add(0, 2, 2), add(4, 1, 1)];
    for (generators, skew_ms, stale) in [(2, 38, 1), (2, 40, 0), (1, 40, 1)] {
        let options = Options { generators, skew: skew_ms * 1_000_000, ..options() };
        let verdict = judged_by(&options, &memory, &entries).await;
        assert_eq!(verdict.count(Check::Stale), stale, "{generators} {skew_ms}");
    }
}

#[tokio::test]
async fn sessions_of_two_generators_may_have_one_number() {
    let mut memory = Memory::default();
    memory.counter("c-1", &[(OURS(1), 1), (OURS(2), 1)]);
    // Operation 4 is of the other generator, whose clock is ahead; both call their session 0.
    let entries = [add(1, 1, 1), add(2, 2, 2), read(4, 1, 1)];
    let one = [Check::Stale, Check::Session];
    for (generators, wrong) in [(1, one.as_slice()), (2, &[])] {
        let options = Options { generators, skew: 60_000_000, ..options() };
        let verdict = judged_by(&options, &memory, &entries).await;
        assert_eq!(found(&verdict), wrong, "{generators}");
    }
}

#[tokio::test]
async fn a_repetition_is_answered_as_the_first_was() {
    let repeated = |value, repeated| {
        move |_: &mut Memory, entries: &mut Vec<Entry>| {
            let again =
                Entry { attempt: 1, sent: 15_000_000, done: 16_000_000, ..add(1, 3, value) };
            entries.push(Entry { repeated, ..again });
        }
    };
    assert_eq!(spoilt(repeated(7, true)).await, []);
    assert_eq!(spoilt(repeated(8, true)).await, [Check::Repetition]);
    assert_eq!(spoilt(repeated(7, false)).await, [Check::Repetition]);
    let refused = |_: &mut Memory, entries: &mut Vec<Entry>| {
        let again = Entry { attempt: 1, sent: 15_000_000, done: 16_000_000, ..add(1, 0, 0) };
        entries.push(Entry { outcome: Outcome::Refused, status: 422, ..again });
    };
    assert_eq!(spoilt(refused).await, [Check::Repetition]);
}

#[tokio::test]
async fn without_a_key_each_try_may_take_effect() {
    let mut memory = Memory::default();
    memory.counter("c-1", &[(OURS(0), 1), (OURS(0), 1)]);
    let lost = Entry { outcome: Outcome::Broken, keyed: false, ..add(0, 0, 0) };
    let again = Entry { attempt: 1, keyed: false, ..add(0, 2, 2) };
    assert!(judged(&memory, &[lost, again]).await.is_sound());
    let keyed = [lost, again].map(|entry| Entry { keyed: true, ..entry });
    let found_keyed = found(&judged(&memory, &keyed).await);
    assert_eq!(found_keyed, [Check::Doubled]);
    memory.counter("c-1", &[(OURS(0), 1), (OURS(0), 1), (OURS(0), 1)]);
    assert_eq!(found(&judged(&memory, &[lost, again]).await), [Check::Doubled]);
    let sure = Entry { attempt: 1, sent: 1, ..add(0, 1, 1) };
    let both = [Entry { keyed: false, ..sure }, Entry { keyed: false, ..add(0, 2, 2) }];
    memory.counter("c-1", &[(OURS(0), 1)]);
    let found_both = found(&judged(&memory, &both).await);
    assert_eq!(found_both[0], Check::Lost);
}

#[tokio::test]
async fn every_counter_is_judged_by_itself() {
    let mut memory = Memory::default();
    memory.counter("c-1", &[(OURS(0), 1)]);
    memory.counter("c-2", &[(OURS(1), 1), (OURS(0), 1)]);
    let entries = [add(0, 1, 1), Entry { key: 2, ..add(1, 1, 1) }];
    let verdict = judged(&memory, &entries).await;
    assert_eq!(found(&verdict), [Check::Invented]);
    assert_eq!(verdict.checks[&Check::Invented].first[0].entity, "counter/c-2");
}

#[tokio::test]
async fn the_history_for_elle_has_lists_in_the_journals_order() {
    let (memory, entries) = good();
    let mut elle = Elle::default();
    check(&memory, &options(), sound(&entries), Some(&mut elle)).await.unwrap();
    let mut out = Vec::new();
    elle.write(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2 * 9);
    assert_eq!(
        lines[0],
        "{:index 0, :time 0, :type :invoke, :process 0, :f :txn, :value \
         [[:append \"counter/c-1\" 0]]}"
    );
    let has = |end: &str| assert!(lines.iter().any(|line| line.ends_with(end)), "{end}: {text}");
    has(":type :ok, :process 2, :f :txn, :value [[:r \"counter/c-1\" [8 0 1]]]}");
    has(":type :ok, :process 7, :f :txn, :value [[:r \"counter/c-1\" [8 0 1 3 5]]]}");
    has(":type :fail, :process 4, :f :txn, :value [[:append \"counter/c-1\" 4]]}");
    has(":type :info, :process 6, :f :txn, :value [[:append \"counter/c-1\" 6]]}");
}
