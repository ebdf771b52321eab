//! One run from its beginning to its end.

mod capacity;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bell::Bell;
use crate::check::effects::Ear;
use crate::coordinate::{Alone, Company, CoordinateError};
use crate::drive::{Deeds, DriveError, Driver, SetupError, open_accounts};
use crate::faults::{
    self, Due, FaultError, Hands, Operator, Reached, Starter, StarterError, Until, schedule,
};
use crate::measured::{Fault, Generator, Measured, Peak, Phase, busiest};
use crate::measuring::{Sight, Tally};
use crate::plan::{Slice, Stretch, nanos};
use crate::proxy::Proxy;
use crate::record::Nanos;
use crate::recording::{Header, HistoryError, Recording};
use crate::scenario::{Arrivals, Phase as Planned, Scenario};
use crate::scrape::{Scraped, scrape};
use crate::stop::Stop;
use crate::wire::{Target, TargetError, connect};

pub use self::capacity::timeline;
use self::capacity::{capacity_phases, peak, rates};

/// Files of one connection: two ends in a proxy and one here, and one for a phase that still drains.
const PER_CONNECTION: u64 = 4;
/// Files that are open beside connections: those of the node, and of the run.
const OTHER_FILES: u64 = 256;

/// The setting of a node of the harness's own that says where its alarms ring.
const BELL_URL: &str = "COPPICE_EFFECTS__BELL_URL";
/// How long a target may take to prove that it is the one that is meant.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A run that could not be carried out.
#[derive(Debug, Error)]
pub enum RunError {
    /// The target did not come up.
    #[error("the target could not be started")]
    Starter(#[from] StarterError),
    /// It can't be asked.
    #[error("the target can't be asked")]
    Target(#[from] TargetError),
    /// No TLS with it.
    #[error("no connection over TLS could be made to the target")]
    Untrusted(#[source] std::io::Error),
    /// Nobody knows where its effects go.
    #[error(
        "the scenario sets alarms: --bell must say where effects.bell_url of the target leads to"
    )]
    NoBell,
    /// The scenario has a fault that this target can't have.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// What the run needs could not be set up on the target.
    #[error("the run could not be set up")]
    Setup(#[from] SetupError),
    /// The history could not be written.
    #[error("the history could not be kept")]
    History(#[from] HistoryError),
    /// Threads.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// The system.
    #[error("{doing} failed")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Fewer files may be open than the scenario has connections.
    #[error("the run needs {needed} open files, and the system allows {allowed} (ulimit -n)")]
    Files {
        /// How many it needs.
        needed: u64,
        /// How many it may have.
        allowed: u64,
    },
    /// Those who carry it out together fell apart.
    #[error(transparent)]
    Company(#[from] CoordinateError),
    /// Somebody wanted so.
    #[error("the run was ended before its time")]
    Stopped,
    /// Rates are shares of a capacity, and nothing was acknowledged while it was measured.
    #[error("nothing was acknowledged while the capacity was measured")]
    NoCapacity,
}

/// What a run is called. Those who carry one out together call it the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunName {
    /// In correlation ids.
    pub run: u64,
    /// What the ids of its entities begin with.
    pub prefix: String,
}

impl RunName {
    /// One that no other run has.
    #[must_use]
    pub fn drawn() -> Self {
        let run = Uuid::new_v4().as_u64_pair().1;
        Self { run, prefix: format!("load-{:08x}", run & 0xffff_ffff) }
    }
}

/// How a run is carried out, beside its scenario.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files go: a directory that is made where it isn't there.
    pub out: PathBuf,
    /// Threads that send.
    pub threads: u32,
    /// Which part of the plan is this generator's.
    pub slice: Slice,
    /// What it is called.
    pub name: RunName,
    /// Whoever looks on.
    pub onlooker: Option<SyncSender<Sight>>,
    /// Whoever may want it to end before its time.
    pub stop: Stop,
}

/// A run that was carried out.
#[derive(Debug)]
pub struct Finished {
    /// What it was to do.
    pub scenario: Scenario,
    /// What it measured.
    pub measured: Measured,
    /// Its history.
    pub history: PathBuf,
    /// How many tries stand in it.
    pub tries: u64,
    /// When its clocks began.
    pub began: SystemTime,
    /// Whoever hears what the target does to the outside, where the scenario has it do anything.
    pub ear: Option<Ear>,
    /// The target, which still serves.
    pub reached: Reached,
}

/// A part of the run beside its load: it ends when its sender is dropped.
struct Beside<'scope, T> {
    going: Sender<()>,
    thread: thread::ScopedJoinHandle<'scope, T>,
}

impl<'scope, T: Send + 'scope> Beside<'scope, T> {
    fn start<'env>(
        scope: &'scope thread::Scope<'scope, 'env>,
        name: &str,
        part: impl FnOnce(Receiver<()>) -> T + Send + 'scope,
    ) -> Result<Self, RunError> {
        let (going, over) = channel();
        let thread = thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn_scoped(scope, move || part(over));
        let thread = thread.map_err(system("starting a thread"))?;
        Ok(Self { going, thread })
    }

    fn end(self) -> T {
        drop(self.going);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn system(doing: &'static str) -> impl Fn(std::io::Error) -> RunError {
    move |source| RunError::System { doing, source }
}

/// Carries a scenario out, alone.
///
/// # Errors
///
/// As [`run_in`].
///
/// # Panics
///
/// As [`run_in`].
pub fn run(
    scenario: Scenario,
    starter: &mut dyn Starter,
    options: &Options,
) -> Result<Finished, RunError> {
    run_in(scenario, starter, options, &mut Alone)
}

/// Carries a slice of a scenario out, beside others who do the rest.
///
/// # Errors
///
/// Where it could not be: what a target does wrong meanwhile is what is measured, and no error.
///
/// # Panics
///
/// Where a thread of the harness did.
pub fn run_in(
    scenario: Scenario,
    starter: &mut dyn Starter,
    options: &Options,
    company: &mut dyn Company,
) -> Result<Finished, RunError> {
    std::fs::create_dir_all(&options.out).map_err(system("making the run's directory"))?;
    make_room_for_files(&scenario)?;
    // Told before anything is started: a fault that can't be carried out.
    let due = schedule(&scenario, 0);
    let bell = scenario.sets_alarms().then(|| listen(starter)).transpose()?;
    let mut environment = scenario.server.environment.clone();
    environment.extend(bell.iter().map(|one| (BELL_URL.to_owned(), one.url())));
    let reached = starter.start(&environment)?;
    faults::check(&due, starter)?;
    let direct = reached.target()?;
    if direct.tls.is_some() {
        is_trusted(&direct)?;
    }
    let proxy = due.iter().any(|one| one.kind.is_of_the_network());
    let proxy = proxy.then(|| Proxy::start(direct.address)).transpose();
    let proxy = proxy.map_err(system("starting the proxy"))?;
    let way = proxy.as_ref().map_or(direct.address, Proxy::address);
    let RunName { run, prefix } = options.name.clone();
    let deeds = Arc::new(Deeds::new(&scenario, run, prefix.clone()));
    if scenario.moves_money() && company.is_first() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("starting a runtime"))?;
        runtime.block_on(open_accounts(&deeds, scenario.keys.count(), &direct))?;
    }
    let header = Header { run, seed: scenario.seed, prefix };
    let recording = Recording::begin(&options.out, &header)?;
    let rising = capacity_phases(&scenario);
    let counts = rising.iter().map(|_| false).chain(scenario.phases.iter().map(|one| one.counts));
    // All is ready; from here on clocks run.
    let clock = company.begin()?;
    let began = SystemTime::now();
    let driver = Driver {
        deeds,
        target: direct.by_way_of(way),
        clock,
        timeout: scenario.timeout_ms * 1_000_000,
        in_flight_max: scenario.in_flight_max,
        connections_max: scenario.connections_max,
        idempotency: scenario.idempotency,
        threads: options.threads.max(1),
        slice: options.slice,
        counts: counts.collect(),
        stop: options.stop.clone(),
    };
    let course = Course { scenario: &scenario, driver: &driver, recording: &recording, options };
    let ran = course.run(&rising, starter, company, proxy.as_ref(), &direct)?;
    let (history, tries) = recording.end()?;
    let measured = ran.measured(&scenario, &driver, header);
    let struck = measured.faults.iter().filter(|fault| fault.failed.is_none());
    let faults = struck.map(|fault| (fault.from, fault.to)).collect();
    let ear = bell.map(|bell| Ear::new(bell, driver.clock, faults));
    Ok(Finished { scenario, measured, history, tries, began, ear, reached })
}

/// Somebody who hears the target's effects, before there is any.
fn listen(starter: &dyn Starter) -> Result<Bell, RunError> {
    let at = starter.bell().ok_or(RunError::NoBell)?;
    Bell::start(at).map_err(system("listening for effects"))
}

/// Whether the target proves to be the one that is meant. Found out before the run: in it, nothing would
/// be sent, and nobody told why.
fn is_trusted(target: &Target) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("starting a runtime"))?;
    let connected = runtime.block_on(async { timeout(CONNECT_MAX, connect(target)).await });
    let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    connected.map(drop).map_err(RunError::Untrusted)
}

/// Lets this process, and the server that it may start, have as many files open as the scenario has
/// connections.
fn make_room_for_files(scenario: &Scenario) -> Result<(), RunError> {
    let of_phase = |phase: &Planned| match phase.arrivals {
        Arrivals::Closed { sessions, .. } => sessions,
        _ => scenario.connections_max,
    };
    let rising = scenario.capacity.iter().flat_map(|one| one.sessions.iter().copied());
    let most = scenario.phases.iter().map(of_phase).chain(rising).max().unwrap_or_default();
    let needed = u64::from(most) * PER_CONNECTION + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let allowed = limit.maximum.unwrap_or(needed);
    let raised = Rlimit { current: Some(needed.min(allowed)), maximum: limit.maximum };
    if allowed < needed || setrlimit(Resource::Nofile, raised).is_err() {
        return Err(RunError::Files { needed, allowed });
    }
    Ok(())
}

/// What the two parts of a run have in common.
struct Course<'a> {
    scenario: &'a Scenario,
    driver: &'a Driver,
    recording: &'a Recording,
    options: &'a Options,
}

/// What came of both.
struct Ran {
    tally: Tally,
    phases: Vec<Phase>,
    faults: Vec<Fault>,
    scraped: Scraped,
    capacity: Option<Peak>,
    elapsed: Nanos,
    processor: Nanos,
}

impl Course<'_> {
    fn run(
        &self,
        rising: &[Planned],
        starter: &mut dyn Starter,
        company: &mut dyn Company,
        proxy: Option<&Proxy>,
        direct: &Target,
    ) -> Result<Ran, RunError> {
        let clock = self.driver.clock;
        thread::scope(|scope| {
            let scraper =
                Beside::start(scope, "load-scraper", |over| scrape(direct, clock, &over))?;
            let (first, stretches) = self.stage(rising, 0, 0.0, clock.now())?;
            self.goes_on()?;
            let capacity = match &self.scenario.capacity {
                None => None,
                Some(capacity) => {
                    let all = company.sum(rates(&first, rising))?;
                    Some(peak(&capacity.sessions, &all).ok_or(RunError::NoCapacity)?)
                }
            };
            let (base, processor) = (clock.now(), processor_time());
            let due: Vec<Due> = schedule(self.scenario, base);
            let onlooker = self.options.onlooker.as_ref();
            let operator = Operator { deeds: &self.driver.deeds, target: direct, clock };
            let faults = Beside::start(scope, "load-faults", move |over| {
                let mut hands = Hands { starter, proxy, operator: Some(operator) };
                let until = Until { clock, run_is_over: &over, stop: &self.driver.stop };
                faults::carry_out(&due, &mut hands, &until, onlooker)
            })?;
            let per_s = capacity.map_or(0.0, |peak| peak.per_s);
            let (mut tally, more) = self.stage(&self.scenario.phases, rising.len(), per_s, base)?;
            let elapsed = clock.now() - base;
            let processor = processor_time() - processor;
            let faults = faults.end();
            let scraped = scraper.end().map_err(system("looking at the target's figures"))?;
            tally.merge(first);
            let phases = stretches.into_iter().chain(more).collect();
            self.goes_on()?;
            Ok(Ran { tally, phases, faults, scraped, capacity, elapsed, processor })
        })
    }

    fn goes_on(&self) -> Result<(), RunError> {
        if self.driver.stop.is_asked() { Err(RunError::Stopped) } else { Ok(()) }
    }

    /// Some phases, one after the other.
    fn stage(
        &self,
        planned: &[Planned],
        first: usize,
        capacity: f64,
        base: Nanos,
    ) -> Result<(Tally, Vec<Phase>), RunError> {
        let mut from = 0;
        let mut stretches = Vec::new();
        let mut phases = Vec::new();
        for (place, phase) in planned.iter().enumerate() {
            let stretch = Stretch::new(phase, first + place, from, capacity);
            from = stretch.to();
            phases.push(Phase {
                name: phase.name.clone(),
                from: base + stretch.from,
                to: base + stretch.to(),
                counts: phase.counts,
            });
            stretches.push(stretch);
        }
        let onlooker = self.options.onlooker.as_ref();
        if let Some(onlooker) = onlooker {
            let _missed = onlooker.try_send(Sight::Begun { first, from: base });
        }
        Ok((self.driver.run(&stretches, base, self.recording, onlooker)?, phases))
    }
}

impl Ran {
    fn measured(self, scenario: &Scenario, driver: &Driver, header: Header) -> Measured {
        let mut tally = self.tally;
        for (second, figures) in self.scraped {
            tally.reach(second + 1);
            tally.seconds[second].server = figures;
        }
        let busiest = busiest(&self.phases, self.capacity, &tally.seconds);
        Measured {
            run: header.run,
            seed: header.seed,
            phases: self.phases,
            cells: tally.cells,
            seconds: tally.seconds,
            lag: tally.lag,
            dropped: tally.dropped,
            faults: self.faults,
            codes: tally.codes,
            without_retry_after: tally.without_retry_after,
            prefix: header.prefix,
            capacity: self.capacity,
            generator: Generator {
                threads: driver.threads,
                processor: self.processor,
                elapsed: self.elapsed,
                lag_p99_max_us: scenario.lag_p99_max_ms * 1_000,
                lag_p99_us: tally.lag_p99_us,
                busiest,
            },
        }
    }
}

/// Processor time of this process so far.
fn processor_time() -> Nanos {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let whole = u64::try_from(time.tv_sec).unwrap_or_default() * nanos(1.0);
    whole + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Where a run's files go if nobody says: a directory of its own among the temporary ones.
#[must_use]
pub fn default_out(scenario: &Scenario) -> PathBuf {
    let name = format!("coppice-load-{}-{}", scenario.name, Uuid::new_v4().simple());
    Path::new(&std::env::temp_dir()).join(name)
}
