//! Linked appends, neighbours in a batch, and writers that meet.

use std::sync::Arc;

use coppice_core::envelope::EventBody;
use coppice_core::{EntityKind, Epoch, Position, Sequence};
use coppice_persistence::{
    CommandRecord, DeadLetter, DocumentChange, ParkedEvent, Progress, Refusal, Store, StoreError,
    Unit,
};
use tokio::task::JoinSet;

use crate::fixture::*;

/// Several streams, of several shards, in one unit.
pub(crate) async fn linked_appends_commit_together(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys: Vec<_> = (0..20).map(|number| key(&format!("c{number}"))).collect();
    let unit = linked(keys.iter().map(|key| pen.begin(key).events(2).command(1)));
    commit(&*store, &[unit]).await;
    for key in &keys {
        assert_eq!(stream(&*store, key).await.len(), 2);
        assert!(store.command(key, command_id(1)).await.unwrap().is_some());
    }
}

/// One append at fault takes its unit along and no other; every append at fault is named.
pub(crate) async fn one_refusal_takes_its_whole_unit_and_no_neighbour(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    write(&*store, &pen, &key("taken"), 1).await;
    let fresh = |id: &str| pen.begin(&key(id)).event("1").command(1);
    let units = [
        fresh("before").unit(),
        linked([fresh("x"), fresh("taken"), fresh("y"), fresh("z").epoch(Epoch(77))]),
        linked([fresh("after"), fresh("later")]),
        fresh("last").epoch(Epoch(77)).unit(),
    ];
    let outcomes = store.append(&units).await.unwrap();
    let expected = [
        Committed,
        Refused(vec![(1, Refusal::Head), (3, Refusal::Epoch)]),
        Committed,
        Refused(vec![(0, Refusal::Epoch)]),
    ];
    assert_eq!(outcomes, expected);
    for (id, count) in [
        ("before", 1),
        ("x", 0),
        ("taken", 1),
        ("y", 0),
        ("z", 0),
        ("after", 1),
        ("later", 1),
        ("last", 0),
    ] {
        assert_eq!(stream(&*store, &key(id)).await.len(), count, "{id}");
        assert_eq!(store.entity(&key(id)).await.unwrap().is_some(), count > 0, "{id}");
        let answered = store.command(&key(id), command_id(1)).await.unwrap().is_some();
        assert_eq!(answered, count > 0 && id != "taken", "{id}");
    }
}

/// A linked append that would have been a repeat of an answered command.
pub(crate) async fn a_duplicate_takes_its_whole_unit(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let first = pen.begin(&key("c")).event("1").command(1);
    commit(&*store, &[first.clone().unit()]).await;
    let unit = linked([
        pen.begin(&key("d")).event("1").command(1),
        pen.at(&key("c"), first.head()).event("2").command(1),
    ]);
    refuse(&*store, unit, &[(1, Refusal::Duplicate(vec![command_id(1)]))]).await;
    assert_eq!(store.entity(&key("d")).await.unwrap(), None);
}

/// What the caller must not hand in is an error of its own, and nothing of the batch is written.
pub(crate) async fn what_breaks_the_rules_is_invalid(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let draft = pen.begin(&key("c")).event("1");
    let next = pen.at(&key("c"), draft.head()).event("2");
    let good = || pen.begin(&key("good")).event("1").unit();
    let broken: [(&str, Vec<Unit>); 4] = [
        ("a stream in two units", vec![good(), draft.clone().unit(), next.clone().unit()]),
        ("a stream twice in one unit", vec![good(), linked([draft.clone(), next])]),
        ("a unit without appends", vec![good(), Unit { appends: Vec::new() }]),
        ("an append with nothing in it", vec![good(), pen.begin(&key("c")).unit()]),
    ];
    for (what, units) in broken {
        let outcome = store.append(&units).await;
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{what} gave {outcome:?}");
    }
    assert_eq!(journal(&*store).await, []);
    commit(&*store, &[good()]).await;
}

/// One command can't have two answers, not even in one append.
pub(crate) async fn a_command_twice_in_one_append_is_invalid(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let unit = pen.begin(&key("c")).event("1").command(1).event("2").command(1).unit();
    let outcome = store.append(&[unit]).await;
    assert!(matches!(outcome, Err(StoreError::Invalid(_))), "got {outcome:?}");
    assert_eq!(journal(&*store).await, []);
}

/// Of writers that meet at one head, one gets in; the others are refused, and nobody fails.
pub(crate) async fn of_competing_writers_exactly_one_wins(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let mut head = None;
    for round in 0..10 {
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let draft = head.map_or_else(|| pen.begin(&key("c")), |head| pen.at(&key("c"), head));
            let draft = draft.event(&format!("round {round} writer {writer}"));
            let store = Arc::clone(&store);
            writers.spawn(async move {
                let outcome = store.append(&[draft.clone().unit()]).await.unwrap();
                (draft.head(), outcome)
            });
        }
        let outcomes = writers.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) =
            outcomes.iter().partition(|(_, outcome)| *outcome == [Committed]);
        assert_eq!(won.len(), 1, "round {round}: {outcomes:?}");
        assert!(lost.iter().all(|(_, outcome)| *outcome == [Refused(vec![(0, Refusal::Head)])]));
        head = Some(won[0].0);
    }
    assert_eq!(stream(&*store, &key("c")).await.len(), 10);
}

/// Units over the same streams in opposite orders don't lock each other up.
pub(crate) async fn opposite_orders_of_streams_do_not_deadlock(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    for round in 0..20 {
        let ids: Vec<_> = (0..6).map(|number| format!("r{round}-{number}")).collect();
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let mut drafts: Vec<_> =
                ids.iter().map(|id| pen.begin(&key(id)).event(&format!("{writer}"))).collect();
            drafts.rotate_left(writer);
            if writer % 2 == 1 {
                drafts.reverse();
            }
            let store = Arc::clone(&store);
            writers.spawn(async move { store.append(&[linked(drafts)]).await.unwrap() });
        }
        let outcomes = writers.join_all().await;
        let won = outcomes.iter().filter(|outcome| **outcome == [Committed]).count();
        assert_eq!(won, 1, "round {round}: {outcomes:?}");
        let mut written = Vec::new();
        for id in &ids {
            written.push(stream(&*store, &key(id)).await[0].record.body.payload.clone());
        }
        written.dedup();
        assert_eq!(written.len(), 1, "round {round} is of several writers");
    }
}

/// Keys that differ only in their parts' lengths, or hold what a database might treat specially.
pub(crate) async fn keys_that_look_alike_are_apart(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let keys = [
        key_of("ab", "c", "d"),
        key_of("a", "bc", "d"),
        key_of("a", "b", "cd"),
        key_of("a_b", "c", "d"),
        key_of("a", "b", "CD"),
        key_of("a", "b", "_d"),
        key_of("a", "b", "cd~"),
    ];
    assert!(EntityKind::new("B").is_err(), "a kind has no capitals to mix up");
    let units: Vec<_> =
        keys.iter().map(|key| pen.begin(key).event(&key.to_string()).unit()).collect();
    commit(&*store, &units).await;
    for key in &keys {
        assert_eq!(payloads(&stream(&*store, key).await), [key.to_string()]);
    }
}

/// PostgreSQL keeps no NUL in a text. A store may refuse one as invalid, or the one append as
/// damaged; to call itself unavailable would have its caller try for ever.
pub(crate) async fn a_nul_is_kept_or_invalid(store: Arc<dyn Store>) {
    let pen = claim(&*store, "a").await;
    let payload = pen.begin(&key("payload")).event("\0");
    let workflow = EventBody { workflow: Some("a\0b".into()), ..body("{}") };
    let workflow = pen.begin(&key("workflow")).body(workflow);
    let reply = CommandRecord { reply: "\0".into(), ..record(1, Sequence(1)) };
    let reply = pen.begin(&key("reply")).event("{}").record(reply);
    for draft in [payload, workflow, reply] {
        match store.append(&[draft.clone().unit()]).await {
            Ok(outcomes) if outcomes == [Refused(vec![(0, Refusal::Damaged)])] => {}
            Ok(outcomes) => {
                assert_eq!(outcomes, [Committed]);
                let read = stream(&*store, &draft.append.key).await;
                assert_eq!(read[0].record, draft.append.events[0]);
            }
            Err(StoreError::Invalid(_)) => {}
            Err(other) => panic!("{}: {other:?}", draft.append.key),
        }
    }
    let change = DocumentChange {
        model: "m".into(),
        tenant: tenant("t"),
        id: "a\0b".into(),
        body: Some("\0".into()),
    };
    let parked = ParkedEvent {
        position: Position(1),
        stream: key("c").stream(),
        reason: "expected \0".into(),
        parked_at: NOW,
    };
    let step =
        |changes, parked| Progress { to: Position(0), changes, parked, ..Progress::default() };
    for step in [step(vec![change], vec![]), step(vec![], vec![parked])] {
        match store.advance("s", &step).await {
            Ok(taken) => assert!(taken),
            Err(StoreError::Invalid(_)) => {}
            Err(other) => panic!("{step:?}: {other:?}"),
        }
    }
    let letter =
        DeadLetter { detail: "panicked at \0".into(), ..crate::dead_letters::letter(1, "t") };
    match store.put_dead_letter(&letter).await {
        Ok(put) => assert!(put),
        Err(StoreError::Invalid(_)) => {}
        Err(other) => panic!("{letter:?}: {other:?}"),
    }
    commit(&*store, &[pen.begin(&key("after")).event("1").unit()]).await;
}
