//! The same seed gives the same history, to the microsecond.

use std::time::Duration;

use coppice_supervisors::backoff::Jitter;
use coppice_supervisors::{Backoff, ChildHandle, ChildSpec, Strategy, SupervisorSpec, Tree};

use crate::probe::{Do, Manner, probe_that};
use crate::record::{Record, ms, pass, secs};

const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const LINKED: [&str; 9] = ["la", "lb", "lc", "ld", "le", "lf", "lg", "lh", "li"];

fn below(choice: &mut Jitter, count: u64) -> u64 {
    choice.draw() % count
}

fn one_of<'a, T>(choice: &mut Jitter, all: &'a [T]) -> &'a T {
    let place = below(choice, all.len() as u64);
    &all[usize::try_from(place).expect("a place in a slice")]
}

fn child(name: &'static str, record: &Record, choice: &mut Jitter) -> ChildSpec {
    let manner = Manner {
        start: ms(below(choice, 30)),
        stop: ms(below(choice, 50)),
        record: Some(record.clone()),
        ..Manner::default()
    };
    probe_that(name, manner).backoff(Backoff::exponential(ms(5), ms(500)))
}

/// Three supervisors of three children under one root, two minutes of random trouble.
async fn history(seed: u64) -> Vec<(Duration, String)> {
    let record = Record::new();
    let mut choice = Jitter::seeded(seed);
    let mut handles = Vec::new();
    let mut root = SupervisorSpec::new("root", Strategy::RestForOne).intensity(10_000, secs(60));
    let strategies = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne];
    for (group, (names, strategy)) in NAMES.chunks(3).zip(strategies).enumerate() {
        // Now and then one gives up and takes others along.
        let name = ["x", "y", "z"][group];
        let mut spec = SupervisorSpec::new(name, strategy).intensity(5, secs(3));
        for name in names {
            let child = child(name, &record, &mut choice);
            handles.push(child.handle());
            spec = spec.child(child);
        }
        root = root.child(ChildSpec::supervisor(spec));
    }
    let children: Vec<_> = handles.into_iter().zip(LINKED).collect();
    let tree = Tree::start(root, record.seeded(seed)).await.expect("the tree must start");
    for _ in 0..400 {
        pass(ms(below(&mut choice, 600))).await;
        let (child, linked) = one_of(&mut choice, &children);
        let what = match below(&mut choice, 7) {
            0 => Do::Fail,
            1 => Do::Panic,
            // Who is killed while it is idle takes its brood along in ractor's order, a hash map's.
            2 if NAMES[..3].contains(&child.id().as_str()) => Do::Brood,
            2 => Do::BeKilled,
            3 => Do::StopNormally,
            4 => Do::Work(ms(below(&mut choice, 2_000))),
            _ => Do::Link(linked),
        };
        do_if_up(child, what);
    }
    tree.shutdown().await;
    record.timed()
}

fn do_if_up(child: &ChildHandle, what: Do) {
    let Some(actor) = child.actor::<Do>() else { return };
    if what == Do::BeKilled {
        actor.kill();
    } else {
        // It may be ending.
        actor.cast(what).ok();
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(history(seed))
    };
    let mut lines = Vec::new();
    for seed in 0..10 {
        let [first, second] = [run(seed), run(seed)];
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}: {:?} {:?}", first.last(), second.last());
        assert_eq!(first.len(), second.len());
        assert!(first.len() > 500, "seed {seed}: {} lines show little", first.len());
        lines.extend(first.into_iter().map(|(_, line)| line));
    }
    for what in ["gives up", "(killed)", "restarts", "brood", "exit (gave up)"] {
        assert!(lines.iter().any(|line| line.contains(what)), "no {what}: the runs show little");
    }
    assert_ne!(run(1), run(2));
}
