//! Each violation planted and found. A sound history is made with [`Story`], and then one thing
//! about it is made wrong.

use coppice_core::envelope::EventBody;
use coppice_core::{CorrelationId, EntityId, EntityKind, EventRecord, StreamKey, Timestamp};
use uuid::Uuid;

use super::*;
use crate::history::{Completion, History, OpId};

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn route(counter: &str) -> String {
    format!("/v1/entities/counter/{counter}/add")
}

fn stream(counter: &str) -> StreamKey {
    StreamKey::new(tenant(), EntityKind::new(KIND).unwrap(), EntityId::new(counter).unwrap())
}

fn event(counter: &str, key: &str, payload: &str, head: StreamHead) -> EventRecord {
    EventRecord::chain(
        head,
        EventBody {
            event_type: ADDED.into(),
            payload: payload.into(),
            recorded_at: Timestamp::EPOCH,
            causation: CommandId::from_idempotency_key(&tenant(), &route(counter), key),
            correlation: CorrelationId(Uuid::nil()),
            workflow: None,
            policy_bundle: None,
            subject: None,
            key_id: None,
        },
    )
}

/// A history and a journal in the making.
#[derive(Default)]
struct Story {
    history: History,
    journal: Vec<StoredEvent>,
    served: BTreeMap<String, i64>,
}

impl Story {
    /// Writes an add to the journal; its sequence and the value after it.
    fn write(&mut self, counter: &str, key: &str, n: i64) -> (Sequence, i64) {
        let of_counter = self.journal.iter().rev().find(|event| event.key == stream(counter));
        let genesis = || StreamHead::genesis(&stream(counter));
        let head = of_counter.map_or_else(genesis, |event| event.record.head());
        let record = event(counter, key, &format!(r#"{{"n":{n}}}"#), head);
        let sequence = record.sequence;
        let position = Position(self.journal.len() as u64 + 1);
        self.journal.push(StoredEvent { position, key: stream(counter), record });
        let value = self.served.entry(counter.to_owned()).or_default();
        *value += n;
        (sequence, *value)
    }

    fn invoke(&self, counter: &str, key: &str, n: i64) -> OpId {
        self.history.invoke(0, counter, Op::Add { n, idempotency_key: key.to_owned() })
    }

    fn complete(&self, id: OpId, (sequence, value): (Sequence, i64)) {
        self.history.complete(id, Completion::Ok { sequence, value });
    }

    /// An add from its request to its answer.
    fn add(&mut self, counter: &str, key: &str, n: i64) -> OpId {
        let id = self.invoke(counter, key, n);
        let answer = self.write(counter, key, n);
        self.complete(id, answer);
        id
    }

    /// An add that ended otherwise, whether or not it was written.
    fn fail(&self, counter: &str, key: &str, n: i64, completion: Completion) -> OpId {
        let id = self.invoke(counter, key, n);
        self.history.complete(id, completion);
        id
    }

    fn read(&self, counter: &str, sequence: u64, value: i64) -> OpId {
        let id = self.history.invoke(1, counter, Op::Read);
        self.complete(id, (Sequence(sequence), value));
        id
    }

    fn check(&self) -> Result<Summary, Violation> {
        let attempts = self.history.attempts();
        Checker::new(&tenant(), route, attempts, self.journal.clone())?.check(&self.served)
    }
}

/// Some adds and reads on two counters, all as it should be.
fn sound() -> Story {
    let mut story = Story::default();
    story.read("a", 0, 0);
    story.add("a", "k1", 5);
    story.add("b", "k1", 7);
    story.add("a", "k2", -2);
    story.read("a", 2, 3);
    story
}

#[test]
fn a_sound_history_passes_and_is_summed_up() {
    let mut story = sound();
    story.fail("a", "k3", 1, Completion::Rejected);
    story.fail("a", "k4", 1, Completion::Unknown);
    story.fail("a", "k5", 1, Completion::Unknown);
    story.write("a", "k5", 1);
    // Not applied first, then unknown and applied, then repeated with its first answer.
    story.fail("b", "k6", 1, Completion::NotApplied);
    story.fail("b", "k6", 1, Completion::Unknown);
    let answer = story.write("b", "k6", 1);
    story.add("b", "k7", 1);
    let again = story.invoke("b", "k6", 1);
    story.complete(again, answer);
    let expected = Summary {
        acknowledged: 5,
        unknown_applied: 1,
        unknown_absent: 1,
        not_applied: 1,
        attempts: 12,
        events: 6,
    };
    assert_eq!(story.check(), Ok(expected));
}

#[test]
fn a_client_that_was_killed_may_or_may_not_have_added() {
    let mut story = sound();
    story.invoke("a", "k8", 4);
    assert_eq!(story.check().map(|summary| summary.unknown_absent), Ok(1));
    story.write("a", "k8", 4);
    assert_eq!(story.check().map(|summary| summary.unknown_applied), Ok(1));
}

#[test]
fn a_lost_acknowledged_add_is_found() {
    let story = sound();
    let id = story.invoke("a", "lost", 1);
    story.complete(id, (Sequence(3), 4));
    let lost = Violation::Lost { counter: "a".into(), op: id, sequence: Sequence(3) };
    assert_eq!(story.check(), Err(lost));
}

#[test]
fn a_doubled_add_is_found() {
    let mut story = sound();
    story.write("a", "k1", 5);
    let found = story.check();
    assert!(
        matches!(found, Err(Violation::Doubled { first: Sequence(1), second: Sequence(3), .. })),
        "got {found:?}"
    );
}

#[test]
fn an_add_that_nobody_sent_is_found() {
    let mut story = sound();
    story.write("a", "ghost", 1);
    assert!(matches!(story.check(), Err(Violation::NobodyAsked { sequence: Sequence(3), .. })));
}

#[test]
fn an_add_that_was_not_applied_by_its_answers_is_found() {
    for completion in [Completion::NotApplied, Completion::Rejected] {
        let mut story = sound();
        let op = story.fail("a", "k9", 1, completion);
        story.write("a", "k9", 1);
        let sequence = Sequence(3);
        let violation = Violation::AppliedAfterAll { counter: "a".into(), op, sequence };
        assert_eq!(story.check(), Err(violation));
    }
}

#[test]
fn a_number_other_than_asked_is_found() {
    let mut story = sound();
    let op = story.invoke("a", "k9", 1);
    let answer = story.write("a", "k9", 2);
    story.complete(op, answer);
    let violation = Violation::Altered { counter: "a".into(), op, asked: 1, found: 2 };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn an_answer_at_another_sequence_is_found() {
    let mut story = sound();
    let op = story.invoke("a", "k9", 1);
    let (_, value) = story.write("a", "k9", 1);
    story.complete(op, (Sequence(2), value));
    let (answered, found) = (Sequence(2), Sequence(3));
    let violation = Violation::Misplaced { counter: "a".into(), op, answered, found };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_repeat_with_another_answer_is_found() {
    let mut story = sound();
    let first = story.add("a", "k9", 1);
    let second = story.invoke("a", "k9", 1);
    story.complete(second, (Sequence(3), 5));
    let violation = Violation::Contradicted { counter: "a".into(), first, second };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_refusal_after_the_acceptance_is_found() {
    let mut story = sound();
    let first = story.add("a", "k9", 1);
    let second = story.fail("a", "k9", 1, Completion::Rejected);
    let violation = Violation::RefusedAfterAccepted { counter: "a".into(), first, second };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_gap_in_the_positions_is_found() {
    let mut story = sound();
    story.journal.remove(1);
    let violation = Violation::Position { expected: Position(2), found: Position(3) };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_gap_in_a_stream_is_found() {
    let mut story = sound();
    story.journal.remove(0);
    for (position, event) in (1..).zip(&mut story.journal) {
        event.position = Position(position);
    }
    assert!(
        matches!(story.check(), Err(Violation::Chain { stream, .. }) if stream.ends_with("/a"))
    );
}

#[test]
fn an_altered_event_is_found() {
    let mut story = sound();
    story.journal[2].record.body.payload = r#"{"n":-3}"#.into();
    assert!(
        matches!(story.check(), Err(Violation::Chain { stream, .. }) if stream.ends_with("/a"))
    );
}

#[test]
fn an_event_that_is_no_add_is_found() {
    let mut story = sound();
    story.journal[2].record.body.payload = r#"{"m":1}"#.into();
    assert!(matches!(story.check(), Err(Violation::Unreadable { sequence: Sequence(2), .. })));
}

#[test]
fn a_served_value_that_is_not_the_fold_is_found() {
    let mut story = sound();
    story.served.insert("a".into(), 4);
    let violation = Violation::Served { counter: "a".into(), folded: 3, served: 4 };
    assert_eq!(story.check(), Err(violation));
    story.served.remove("a");
    assert_eq!(story.check(), Err(Violation::NotServed { counter: "a".into() }));
}

#[test]
fn a_value_that_is_not_the_sum_of_its_adds_is_found() {
    let mut story = sound();
    story.write("a", "ghost", 1);
    let attempts = story.history.attempts();
    let checker = Checker::new(&tenant(), route, attempts, story.journal.clone()).unwrap();
    assert_eq!(checker.check_served(&story.served), Ok(()));
    let violation = Violation::Sum { counter: "a".into(), expected: 3, served: 4 };
    assert_eq!(checker.check_sums(&story.served), Err(violation));
}

#[test]
fn a_stale_read_is_found() {
    let mut story = sound();
    let earlier = story.add("a", "k9", 1);
    let later = story.read("a", 2, 3);
    let violation = Violation::Stale {
        counter: "a".into(),
        earlier,
        earlier_at: Sequence(3),
        later,
        later_at: Sequence(2),
    };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_read_that_goes_back_behind_another_read_is_found() {
    let mut story = sound();
    // Its client never learns, so only the reads tell.
    story.invoke("a", "k9", 1);
    story.write("a", "k9", 1);
    story.read("a", 3, 4);
    assert!(story.check().is_ok());
    story.read("a", 2, 3);
    assert!(matches!(story.check(), Err(Violation::Stale { later_at: Sequence(2), .. })));
}

#[test]
fn concurrent_operations_may_stand_in_either_order() {
    let mut story = sound();
    let read = story.history.invoke(1, "a", Op::Read);
    story.add("a", "k9", 1);
    story.complete(read, (Sequence(2), 3));
    assert!(story.check().is_ok());
}

#[test]
fn an_add_that_stands_before_what_was_over_when_it_began_is_found() {
    let mut story = Story::default();
    let early = story.write("a", "late", 1);
    story.add("a", "k1", 2);
    let late = story.invoke("a", "late", 1);
    story.complete(late, early);
    assert!(matches!(
        story.check(),
        Err(Violation::Stale { later_at: Sequence(1), earlier_at: Sequence(2), .. })
    ));
}

#[test]
fn an_unanswered_add_that_stands_before_what_was_over_when_it_began_is_found() {
    let mut story = Story::default();
    story.write("a", "late", 1);
    story.add("a", "k1", 2);
    story.invoke("a", "late", 1);
    assert!(matches!(story.check(), Err(Violation::Stale { later_at: Sequence(1), .. })));
}

#[test]
fn a_try_that_was_not_applied_does_not_make_its_command_older() {
    let mut story = Story::default();
    story.fail("a", "late", 1, Completion::NotApplied);
    let early = story.write("a", "late", 1);
    story.add("a", "k1", 2);
    let late = story.invoke("a", "late", 1);
    story.complete(late, early);
    assert!(matches!(story.check(), Err(Violation::Stale { later_at: Sequence(1), .. })));
}

#[test]
fn a_wrong_value_is_found() {
    let story = sound();
    let op = story.read("a", 1, 6);
    let violation =
        Violation::Value { counter: "a".into(), op, sequence: Sequence(1), answered: 6, folded: 5 };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_read_ahead_of_the_journal_is_found() {
    let story = sound();
    let op = story.read("a", 3, 4);
    let violation = Violation::Ahead { counter: "a".into(), op, sequence: Sequence(3) };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn one_key_for_two_different_adds_is_a_fault_of_the_history() {
    let mut story = sound();
    let first = story.add("a", "k9", 1);
    let second = story.invoke("a", "k9", 2);
    let violation = Violation::KeyUsedTwice { counter: "a".into(), first, second };
    assert_eq!(story.check(), Err(violation));
}

#[test]
fn a_hundred_thousand_operations_are_checked_in_one_sweep() {
    let mut story = Story::default();
    let mut head = StreamHead::genesis(&stream("a"));
    for number in 1..=50_000_i64 {
        let key = format!("k{number}");
        let id = story.invoke("a", &key, 1);
        let record = event("a", &key, r#"{"n":1}"#, head);
        head = record.head();
        let position = Position(number.cast_unsigned());
        story.journal.push(StoredEvent { position, key: stream("a"), record });
        story.complete(id, (head.sequence, number));
        story.read("a", number.cast_unsigned(), number);
    }
    story.served.insert("a".into(), 50_000);
    assert_eq!(story.check().map(|summary| summary.acknowledged), Ok(50_000));
}

#[test]
fn an_add_that_an_entity_told_is_expected_and_a_lost_or_altered_one_is_found() {
    let mut story = Story::default();
    story.write("a", "told", 1);
    let command = |key| CommandId::from_idempotency_key(&tenant(), &route("a"), key);
    let check = |n, key| {
        let told = Told { n, is_settled: true };
        let checker = Checker::new(&tenant(), route, Vec::new(), story.journal.clone()).unwrap();
        let checker = checker.told([("a".to_owned(), command(key), told)]);
        checker
            .check_acknowledged()
            .and_then(|()| checker.check_told())
            .and_then(|()| checker.check_sums(&story.served))
    };
    assert_eq!(check(1, "told"), Ok(()));
    assert!(matches!(check(2, "told"), Err(Violation::ToldOther { told: 2, found: 1, .. })));
    assert!(matches!(check(1, "other"), Err(Violation::NobodyAsked { .. })));
    let sound = Checker::new(&tenant(), route, Vec::new(), Vec::new()).unwrap();
    let told = Told { n: 1, is_settled: true };
    let lost = sound.told([("a".to_owned(), command("told"), told)]).check_told();
    assert!(matches!(lost, Err(Violation::Untold { .. })));
}
