//! What befalls the nodes: faults of the store, crashes, lost leases, jumps of the clock.

use std::sync::Arc;
use std::time::Duration;

use coppice_core::ShardId;
use coppice_testkit::{Action, Faults, Point, Random, Times};
use coppice_tests::node::SHARDS;
use tokio::time::{sleep, timeout};

use crate::nodes::Nodes;
use crate::sim::Sim;

/// Where a read or a count of tries can fail.
const READS: [Point; 6] = [
    Point::Entity,
    Point::ReadStream,
    Point::Commands,
    Point::Snapshot,
    Point::Scan,
    Point::DeadLetters,
];

/// Longer than all parts of a node may take in a row.
const STOPPED_WITHIN: Duration = Duration::from_secs(120);

pub(crate) struct Fate {
    pub(crate) sim: Arc<Sim>,
    pub(crate) random: Random,
    /// How rough the run is: its faults' chances per mille.
    rough: [u16; 5],
}

fn rare(random: &mut Random, most: u64) -> u16 {
    u16::try_from(random.below(most)).unwrap_or_default()
}

impl Fate {
    pub(crate) fn new(sim: &Arc<Sim>, mut random: Random) -> Self {
        let rough = [250, 150, 250, 80, 200].map(|most| rare(&mut random, most));
        Self { sim: Arc::clone(sim), random, rough }
    }

    /// The faults of a node that starts.
    pub(crate) fn faults(&mut self) -> Faults {
        let faults = Faults::seeded(self.random.bits());
        self.arm(&faults);
        faults
    }

    fn arm(&mut self, faults: &Faults) {
        let [append, full, answer, read, count] = self.rough;
        let jitter = |ms| Action::Jitter(Duration::from_millis(ms));
        faults.arm(Point::BeforeAppend, jitter(6), Times::Always);
        faults.arm(Point::BeforeAppend, Action::Unavailable, Times::PerMille(append));
        faults.arm(Point::BeforeAppend, Action::Full, Times::PerMille(full));
        let answers = Point::AfterAppendBeforeAnswer;
        faults.arm(answers, jitter(6), Times::PerMille(500));
        faults.arm(answers, Action::Unavailable, Times::PerMille(answer));
        for point in READS {
            faults.arm(point, jitter(3), Times::PerMille(300));
            faults.arm(point, Action::Unavailable, Times::PerMille(read));
        }
        for point in [Point::BeforeAttempts, Point::AfterAttempts] {
            faults.arm(point, jitter(3), Times::PerMille(300));
            faults.arm(point, Action::Unavailable, Times::PerMille(count));
        }
        faults.arm(Point::SaveSnapshots, Action::Unavailable, Times::PerMille(300));
    }

    /// One blow.
    pub(crate) async fn strike(&mut self, nodes: &mut Nodes) {
        match self.random.below(100) {
            0..12 => self.crash(nodes).await,
            12..28 => self.crash_in_append(nodes).await,
            28..40 => self.stop(nodes).await,
            40..48 => self.take_over(nodes).await,
            48..54 => {
                let owner = nodes.owner();
                nodes.take_over(owner, || self.faults()).await;
            }
            54..66 => self.fell_writer(nodes).await,
            66..77 => self.lapse(nodes).await,
            77..87 => self.jump(),
            87..95 => self.outage(nodes).await,
            _ => self.hold(nodes).await,
        }
    }

    /// A time to pass, mostly short.
    pub(crate) async fn pass(&mut self) {
        let up_to_ms = match self.random.below(10) {
            0..6 => 40,
            6..9 => 400,
            _ => 4_000,
        };
        self.wait(up_to_ms).await;
    }

    async fn wait(&mut self, up_to_ms: u64) {
        sleep(Duration::from_micros(self.random.below(up_to_ms * 1_000 + 1))).await;
    }

    async fn crash(&mut self, nodes: &mut Nodes) {
        let place = if self.random.chance(800) { nodes.owner() } else { nodes.other() };
        nodes.crash(place);
        self.succeed(nodes).await;
    }

    /// Somebody owns the shards again, some time after.
    async fn succeed(&mut self, nodes: &mut Nodes) {
        let down_ms = if self.random.chance(150) { 3_000 } else { 20 };
        self.wait(down_ms).await;
        if nodes.lives(nodes.owner()) {
            return;
        }
        let place = if self.random.chance(700) { nodes.owner() } else { nodes.other() };
        nodes.take_over(place, || self.faults()).await;
    }

    /// Ends a node whose append is on its way, before or after it is durable; the append itself
    /// may come in much later.
    async fn crash_in_append(&mut self, nodes: &mut Nodes) {
        let Some(faults) = nodes.faults() else { return };
        let points = [Point::BeforeAppend, Point::AfterAppendBeforeAnswer];
        let hold = faults.hold(points[usize::from(self.random.chance(500))], Times::Next(1));
        let patience = Duration::from_millis(self.random.below(200));
        let is_reached = timeout(patience, hold.reached(1)).await.is_ok();
        self.sim.note(format_args!("an append is held: {is_reached}"));
        self.wait(10).await;
        nodes.crash(nodes.owner());
        if self.random.chance(500) {
            hold.release();
            self.succeed(nodes).await;
        } else {
            self.succeed(nodes).await;
            self.wait(30).await;
            hold.release();
        }
    }

    /// Stops a node in order while it is asked, and starts one again.
    async fn stop(&mut self, nodes: &mut Nodes) {
        let place = if self.random.chance(800) { nodes.owner() } else { nodes.other() };
        let is_hurried = self.random.chance(150);
        let grace = match is_hurried {
            true => Duration::from_micros(self.random.below(30_000)),
            false => STOPPED_WITHIN,
        };
        nodes.stop(place, grace).await;
        self.succeed(nodes).await;
    }

    /// The owner's writer ends, perhaps in the middle of an append while other tickets wait.
    async fn fell_writer(&mut self, nodes: &Nodes) {
        let Some(faults) = nodes.faults() else { return };
        let points = [Point::BeforeAppend, Point::AfterAppendBeforeAnswer];
        let point = points[usize::from(self.random.chance(500))];
        let hold = self.random.chance(700).then(|| faults.hold(point, Times::Next(1)));
        if let Some(hold) = &hold {
            let patience = Duration::from_millis(self.random.below(200));
            let is_reached = timeout(patience, hold.reached(1)).await.is_ok();
            self.sim.note(format_args!("an append is held: {is_reached}"));
            self.wait(10).await;
        }
        nodes.fell_writer().await;
        let is_late = self.random.chance(300);
        if is_late {
            self.wait(200).await;
        }
        drop(hold);
        match self.random.chance(750) {
            true => nodes.made_whole().await,
            false => nodes.shake(),
        }
    }

    async fn take_over(&mut self, nodes: &mut Nodes) {
        let place = nodes.other();
        nodes.take_over(place, || self.faults()).await;
    }

    /// The owner's lease runs out and is renewed after all, in time before anybody else claims.
    async fn lapse(&mut self, nodes: &Nodes) {
        let all = self.random.chance(500);
        let lost: Vec<_> =
            (0..SHARDS).map(ShardId).filter(|_| all || self.random.chance(300)).collect();
        nodes.lapse(lost);
        let up_to_ms = if self.random.chance(200) { 3_000 } else { 60 };
        self.wait(up_to_ms).await;
        nodes.renew();
    }

    fn jump(&mut self) {
        let up_to_s = if self.random.chance(200) { 3_600 } else { 5 };
        let by = Duration::from_micros(self.random.below(up_to_s * 1_000_000));
        let clock = &self.sim.clock.clock;
        let is_back = self.random.chance(500);
        self.sim.note(format_args!("the clock jumps, back {is_back}, by {by:?}"));
        if is_back { clock.jump_back(by) } else { clock.advance(by) }
    }

    /// The store gives no answer at all for a while.
    async fn outage(&mut self, nodes: &Nodes) {
        let Some(faults) = nodes.faults() else { return };
        self.sim.note(format_args!("the store is away"));
        let points = READS.into_iter().chain([Point::BeforeAppend, Point::BeforeAttempts]);
        points.for_each(|point| faults.arm(point, Action::Unavailable, Times::Always));
        self.wait(1_500).await;
        faults.clear();
        self.arm(&faults);
    }

    /// Some call takes long.
    async fn hold(&mut self, nodes: &Nodes) {
        let Some(faults) = nodes.faults() else { return };
        let points = [Point::BeforeAppend, Point::AfterAppendBeforeAnswer, Point::Entity];
        let point = points[usize::try_from(self.random.below(3)).unwrap_or_default()];
        let hold = faults.hold(point, Times::Next(1));
        self.wait(1_000).await;
        hold.release();
    }
}
