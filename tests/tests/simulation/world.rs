//! One run: a world made from its seed, what happens in it, and the end.

use std::sync::Arc;
use std::time::Duration;

use coppice_runtime::task::spawn;
use coppice_testkit::{History, Random};
use coppice_tests::profile::mend;
use tokio::time::{Instant, sleep, timeout};

use crate::checks::Checks;
use crate::clients::{AskedOf, Client};
use crate::fate::Fate;
use crate::nodes::{Nodes, Planted};
use crate::operator::Operator;
use crate::outside::Outside;
use crate::sim::Sim;

/// Longer than any run may take, in its own time.
const RUN_MAX: Duration = Duration::from_secs(3_600);
/// How long everything that is owed may take once nothing is in the way.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);

/// Longer than any call that began before the calm.
const STILL_UNDER_WAY: Duration = Duration::from_secs(4);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// The first thing found wrong.
    pub(crate) verdict: Result<(), String>,
    /// Of every step with its time.
    pub(crate) trace: u64,
    pub(crate) steps: u64,
    pub(crate) events: usize,
    pub(crate) calls: u64,
    pub(crate) computed: usize,
    pub(crate) lines: Vec<String>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, planted: Planted, keeps_lines: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    // Whoever had this thread before may have left it otherwise.
    mend(false);
    let outside = Outside::seeded(seed ^ 0x00b0_0b1e);
    let sim = runtime.block_on(async {
        let sim = Arc::new(Sim::new(keeps_lines));
        let live = live(seed, &sim, &outside, planted);
        if timeout(RUN_MAX, Box::pin(live)).await.is_err() {
            sim.blame("the run hangs".to_owned());
        }
        sim
    });
    // Its tasks go with it.
    drop(runtime);
    report(&sim, &outside)
}

fn report(sim: &Arc<Sim>, outside: &Outside) -> Report {
    let events = sim.database.look(<[_]>::len);
    let verdict = sim.verdict().and_then(|()| nothing_outlives(sim));
    let mut trace = sim.trace();
    let lines = trace.take_lines();
    let (hash, steps) = (trace.hash(), trace.steps());
    let (calls, computed) = (outside.count(), outside.computed());
    Report { verdict, trace: hash, steps, events, calls, computed, lines }
}

/// Every node holds the run, so one that is still in memory shows here.
fn nothing_outlives(sim: &Arc<Sim>) -> Result<(), String> {
    match Arc::strong_count(sim) - 1 {
        0 => Ok(()),
        kept => Err(format!("the run is over and still held in {kept} places")),
    }
}

async fn live(seed: u64, sim: &Arc<Sim>, outside: &Outside, planted: Planted) {
    let mut random = Random::seeded(seed);
    let mut nodes = Nodes::new(sim, outside, &mut random, planted);
    let mut fate = Fate::new(sim, Random::seeded(random.bits()));
    nodes.take_over(0, || fate.faults()).await;
    let (history, asked) = (History::default(), AskedOf::default());
    let clients = 2 + random.below(4);
    let clients: Vec<_> = (0..clients)
        .map(|number| {
            let client = Client {
                sim: Arc::clone(sim),
                number: u32::try_from(number).unwrap_or_default(),
                board: nodes.board(),
                history: history.clone(),
                asked: Arc::clone(&asked),
                random: Random::seeded(random.bits()),
            };
            spawn(client.run(4 + random.below(8)))
        })
        .collect();
    let operator = Operator {
        sim: Arc::clone(sim),
        board: nodes.board(),
        outside: outside.clone(),
        asked: Arc::clone(&asked),
        random: Random::seeded(random.bits()),
    };
    let operator = spawn(operator.run(random.below(12)));
    for _ in 0..random.below(12) {
        fate.pass().await;
        fate.strike(&mut nodes).await;
        if sim.verdict().is_err() {
            return;
        }
    }
    for client in clients.into_iter().chain([operator]) {
        if let Err(error) = client.await {
            sim.blame(format!("a client ended: {error}"));
        }
    }
    calm(sim, outside, &mut nodes).await;
    let checks = Checks { sim, outside, history: &history, asked: &asked };
    checks.all(&nodes).await;
    // What is read back from the journal alone is the same.
    for place in [0, 1] {
        nodes.crash(place);
    }
    nodes.take_over(0, Default::default).await;
    checks.all(&nodes).await;
    nodes.crash(0);
}

/// Nothing is in the way any more, and every timer is due: whatever is owed gets settled.
async fn calm(sim: &Arc<Sim>, outside: &Outside, nodes: &mut Nodes) {
    nodes.clear_faults();
    outside.calm();
    if !nodes.lives(nodes.owner()) {
        nodes.take_over(nodes.owner(), Default::default).await;
    }
    let due_max = sim.books().due_max();
    if let Some(due) = due_max {
        sim.clock.clock.set(due.max(sim.clock.shown_max()));
    }
    sim.note(format_args!("calm"));
    // What was under way may still fail.
    sleep(STILL_UNDER_WAY).await;
    let until = Instant::now() + SETTLED_WITHIN;
    loop {
        let owed = crate::checks::owed(sim).await;
        if owed.is_empty() || sim.verdict().is_err() {
            // What is done too much shows a little later.
            return sleep(STILL_UNDER_WAY).await;
        }
        if Instant::now() > until {
            let (count, first) = (owed.len(), &owed[0]);
            return sim.blame(format!("{count} things are owed for ever, the first: {first}"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}
