//! What is full: a mailbox, the node, the store's own limit, and the disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use coppice_core::envelope::EventBody;
use coppice_core::{
    CommandId, CorrelationId, EntityId, EntityKind, Epoch, EventRecord, Position, Sequence,
    ShardId, StreamHead, StreamKey, Timestamp,
};
use coppice_persistence::{
    ClaimOutcome, Journal, Leases, Refusal, ShardClaim, SqlStore, SqliteOptions, StoreError,
    StreamAppend, Unit, UnitOutcome,
};
use coppice_testkit::client::completion_of;
use coppice_testkit::{
    Checker, Client, Completion, History, Op, Sandbox, binary, read_whole_journal,
};
use coppice_tests::clients::Clients;
use coppice_tests::node::{route, tenant};
use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::database;
use crate::wire::{ADD, PATIENCE, Wire, send};

/// The embedded store of a stopped node.
pub(crate) async fn open(data: &Path) -> SqlStore {
    SqlStore::open_sqlite(data, SqliteOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_loses_nothing() {
    const CLIENTS: usize = 64;
    // The entity may have two decisions open and four commands waiting.
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_RUNTIME__MAILBOX_CAPACITY", "4")
        .env("COPPICE_RUNTIME__TICKETS_OPEN_MAX", "2")
        .start()
        .await
        .unwrap();
    let wire = Wire::new(&sandbox);
    wire.add(1).await.is_accepted();
    // While somebody else writes to the file no commit ends, and the mailbox fills.
    let mut other = database::open(sandbox.data()).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (refused, mut refusals) = tokio::sync::mpsc::channel(CLIENTS);
    let asked = join_all((0..CLIENTS).map(|_| {
        let refused = refused.clone();
        let wire = &wire;
        async move {
            let answer = wire.add(1).await;
            if answer.status == 429 {
                refused.send(()).await.unwrap();
            }
            answer
        }
    }));
    let release = async {
        for _ in 0..CLIENTS - 8 {
            refusals.recv().await.unwrap();
        }
        // A read waits in the same mailbox.
        let read = send(wire.keyed(reqwest::Method::GET, "/v1/entities/counter/a")).await;
        read.is_problem(429, "mailbox_full");
        // Another entity has a mailbox of its own; it is only the commit that it waits for.
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let (answers, ()) = tokio::join!(asked, release);
    let mut accepted = 1;
    for answer in &answers {
        if answer.status == 200 {
            accepted += 1;
            continue;
        }
        let detail = answer.is_problem(429, "mailbox_full");
        assert!(detail.contains('4'), "{detail}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // All may arrive before the entity takes the first: then the mailbox is all that was free.
    assert!((5..=9).contains(&accepted), "{accepted} were accepted");
    assert_eq!(wire.value().await, accepted);
}

#[tokio::test]
async fn a_node_that_holds_all_the_entities_it_may_refuses_another() {
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_RUNTIME__RESIDENTS_MAX", "2")
        .start()
        .await
        .unwrap();
    let wire = Wire::new(&sandbox);
    wire.add(1).await.is_accepted();
    let add = |id: &str| wire.command(&format!("/v1/entities/counter/{id}/add"), "{\"n\":1}");
    send(add("b")).await.is_accepted();
    let answer = send(add("c")).await;
    answer.is_problem(503, "residents_full");
    assert_eq!(answer.header("retry-after"), Some("1"));
    wire.add(1).await.is_accepted();
    assert_eq!(wire.value().await, 2);
}

/// A client that asks and records until it has seen what it waits for.
struct Prober {
    client: Client,
    history: History,
    count: u32,
}

impl Prober {
    const NUMBER: u32 = 1_000;

    /// One add to a counter of its own; what came of it, by status and code.
    async fn add(&mut self) -> (u16, Option<String>) {
        self.count += 1;
        let key = format!("probe-{}", self.count);
        let asked = Op::Add { n: 1, idempotency_key: key.clone() };
        let op = self.history.invoke(Self::NUMBER, "probe", asked);
        let reply = self.client.add("probe", 1, Some(&key)).await;
        let completion = completion_of(&reply);
        self.history.complete(op, completion);
        let reply = reply.expect("there is an answer in time");
        match reply.status.as_u16() {
            200 => {}
            507 => {
                assert_eq!(reply.code(), Some("store_full"), "{reply:?}");
                assert_eq!(completion, Completion::NotApplied, "{reply:?}");
                assert_eq!(reply.content_type.as_deref(), Some("application/problem+json"));
            }
            _ => panic!("neither written nor full: {reply:?}"),
        }
        (reply.status.as_u16(), reply.code().map(str::to_owned))
    }

    /// Reads its counter: it is there, however full the store is.
    async fn read(&self) {
        let op = self.history.invoke(Self::NUMBER, "probe", Op::Read);
        let reply = self.client.get("probe").await;
        self.history.complete(op, completion_of(&reply));
        let reply = reply.expect("there is an answer in time");
        assert_eq!(reply.status.as_u16(), 200, "{reply:?}");
        assert!(reply.sequence() > Some(Sequence(0)), "{reply:?}");
    }

    /// Adds until `status` was the answer `times` times in a row.
    async fn until(&mut self, status: u16, times: u32) {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut in_a_row = 0;
        while in_a_row < times {
            assert!(Instant::now() < deadline, "never {status} {times} times in a row");
            in_a_row = if self.add().await.0 == status { in_a_row + 1 } else { 0 };
        }
    }
}

/// Clients at work, and a prober that records into the same history.
fn at_work(sandbox: &Sandbox) -> (Clients, Prober) {
    let client = Client::with_timeout(sandbox.url(), sandbox.key(), PATIENCE);
    let clients = Clients::start(client.clone(), 8, 6, 7);
    let history = clients.history.clone();
    (clients, Prober { client, history, count: 0 })
}

/// Stops the node and holds everything that was said against its journal.
async fn check(mut sandbox: Sandbox, clients: Clients, prober: Prober) {
    let (history, mut served) = clients.finish().await;
    let probed = prober.client.get("probe").await.unwrap().value().expect("it was added to");
    served.insert("probe".to_owned(), probed);
    assert!(sandbox.terminate().await.unwrap().success(), "{}", sandbox.log_tail());
    let store = open(sandbox.data()).await;
    let journal = read_whole_journal(&store).await.unwrap();
    store.close().await;
    let checker = Checker::new(&tenant(), route, history.attempts(), journal).unwrap();
    let summary = checker.check(&served).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(summary.acknowledged > 0 && summary.unknown_absent == 0, "{summary}");
    let verdict = database::verify(sandbox.data(), None);
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
}

#[tokio::test]
async fn a_store_at_its_own_limit_refuses_writes_and_goes_on_once_the_limit_is_raised() {
    const LIMIT: &str = "[store]\njournal_bytes_max = 524288\n";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("coppice.toml");
    std::fs::write(&file, LIMIT).unwrap();
    let mut sandbox = Sandbox::builder(binary())
        .own_key()
        .config(&file)
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "10")
        .start()
        .await
        .unwrap();
    let (clients, mut prober) = at_work(&sandbox);
    prober.until(507, 20).await;
    prober.read().await;
    // It starts again while it is full, and reads what it has.
    sandbox.terminate().await.unwrap();
    sandbox.restart().await.unwrap();
    prober.client = prober.client.at(sandbox.url());
    clients.moved_to(sandbox.url());
    prober.read().await;
    prober.until(507, 3).await;

    sandbox.terminate().await.unwrap();
    std::fs::write(&file, "").unwrap();
    sandbox.restart().await.unwrap();
    prober.client = prober.client.at(sandbox.url());
    clients.moved_to(sandbox.url());
    prober.until(200, 20).await;
    clients.progress(50).await;
    check(sandbox, clients, prober).await;
}

/// The setting below which a disk counts as nearly full; where it is 0, the disk itself refuses.
const FREE_MIN: &str = "COPPICE_STORE__DISK_FREE_MIN_BYTES";

/// A file system of a few megabytes in memory.
struct SmallDisk {
    place: PathBuf,
    _home: TempDir,
}

impl SmallDisk {
    /// # Panics
    /// Where it can't be mounted, which takes root.
    fn mount(size: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("data");
        std::fs::create_dir(&place).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size}"))
            .args(["tmpfs".as_ref(), place.as_os_str()]));
        Self { place, _home: home }
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.place).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        run(Command::new("mount").arg("-o").arg(options).arg(&self.place));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(&self.place).status();
        let unmounted = done.is_ok_and(|status| status.success());
        assert!(unmounted || std::thread::panicking(), "{} stays mounted", self.place.display());
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(
        done.status.success(),
        "{command:?} failed; this test fills a small disk of its own and must run as root: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_they_go_on_once_it_has_room() {
    // Before the sandbox, so that it is unmounted after the process is gone.
    let disk = SmallDisk::mount("3m");
    let sandbox = Sandbox::builder(binary())
        .data(&disk.place)
        .env(FREE_MIN, "0")
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "10")
        .start()
        .await
        .unwrap();
    let (clients, mut prober) = at_work(&sandbox);
    prober.until(507, 20).await;
    prober.read().await;
    // The page of the code says that it goes on by itself.
    disk.resize("64m");
    prober.until(200, 20).await;
    clients.progress(50).await;
    check(sandbox, clients, prober).await;
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_refuses_writes_before_it_is_full_and_reads_go_on() {
    const KEPT: u64 = 4 << 20;
    let disk = SmallDisk::mount("7m");
    let sandbox = Sandbox::builder(binary())
        .data(&disk.place)
        .env(FREE_MIN, KEPT.to_string())
        .env("COPPICE_RUNTIME__SNAPSHOT_EVERY", "10")
        .start()
        .await
        .unwrap();
    let (clients, mut prober) = at_work(&sandbox);
    prober.until(507, 20).await;
    prober.read().await;
    // The last batch that was taken, and what the read side writes, may go below it by a little.
    let free = disk.free();
    assert!((KEPT / 2..KEPT).contains(&free), "{free} bytes are free");
    let log = sandbox.log_tail();
    assert!(log.contains("disk is nearly full, refusing writes"), "{log}");
    disk.resize("64m");
    prober.until(200, 20).await;
    clients.progress(50).await;
    check(sandbox, clients, prober).await;
}

#[tokio::test]
async fn a_backup_onto_a_full_disk_is_refused_and_leaves_nothing_there() {
    let disk = SmallDisk::mount("16k");
    let sandbox = Sandbox::builder(binary()).start().await.unwrap();
    let wire = Wire::new(&sandbox);
    wire.add(1).await.is_accepted();
    let to = disk.place.join("backup");
    let done = sandbox.run("backup", ["--to", to.to_str().unwrap()]).unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no room for the copy"), "{said}");
    assert_eq!(std::fs::read_dir(&disk.place).unwrap().count(), 0);
    wire.add(1).await.is_accepted();
}

#[tokio::test]
async fn a_node_killed_on_a_full_disk_has_everything_that_it_acknowledged() {
    let disk = SmallDisk::mount("3m");
    let mut sandbox =
        Sandbox::builder(binary()).data(&disk.place).env(FREE_MIN, "0").start().await.unwrap();
    let (clients, mut prober) = at_work(&sandbox);
    prober.until(507, 20).await;
    sandbox.kill().unwrap();
    disk.resize("64m");
    sandbox.restart().await.unwrap();
    prober.client = prober.client.at(sandbox.url());
    clients.moved_to(sandbox.url());
    prober.read().await;
    prober.until(200, 20).await;
    clients.progress(50).await;
    check(sandbox, clients, prober).await;
}

#[tokio::test]
async fn a_refusal_by_a_full_disk_is_a_whole_problem() {
    let disk = SmallDisk::mount("2m");
    let sandbox =
        Sandbox::builder(binary()).data(&disk.place).env(FREE_MIN, "0").start().await.unwrap();
    let wire = Wire::new(&sandbox);
    let mut accepted = 0;
    let refused = loop {
        let answer = wire.add(1).await;
        if answer.status != 200 {
            break answer;
        }
        accepted += 1;
    };
    refused.is_problem(507, "store_full");
    assert_eq!(wire.value().await, accepted);
    // What is no write needs no room.
    send(wire.command(ADD, "{")).await.is_problem(400, "malformed_json");
    send(wire.bare(reqwest::Method::GET, "/health")).await.is_accepted();
}

/// The first event of an entity, of about this many bytes.
fn beginning(id: &str, epoch: Epoch, bytes: usize) -> Unit {
    let (kind, id) = (EntityKind::new("counter").unwrap(), EntityId::new(id).unwrap());
    let key = StreamKey::new(tenant(), kind, id);
    let expected = StreamHead::genesis(&key);
    let body = EventBody {
        event_type: "counter.added.v1".into(),
        payload: "1".repeat(bytes).into(),
        recorded_at: Timestamp::from_micros(1),
        causation: CommandId(Uuid::from_u128(1)),
        correlation: CorrelationId(Uuid::from_u128(2)),
        workflow: None,
        policy_bundle: None,
        subject: None,
        key_id: None,
    };
    let events = vec![EventRecord::chain(expected, body)];
    let append = StreamAppend {
        key,
        shard: ShardId(0),
        epoch,
        expected,
        events,
        commands: Vec::new(),
        wake_at: None,
        owes: false,
        waits_as_before: false,
    };
    Unit { appends: vec![append] }
}

#[tokio::test]
async fn a_store_that_fills_up_between_the_units_of_a_batch_does_not_say_nothing_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions { bytes_max: 262_144, ..SqliteOptions::default() };
    let store = SqlStore::open_sqlite(directory.path(), options).await.unwrap();
    let wish = ShardClaim { owner: "a".to_owned(), count: 1, duration: None, succeed_own: false };
    let ClaimOutcome::Granted(epochs) = store.claim(&wish).await.unwrap() else {
        panic!("nobody holds them")
    };
    let epoch = epochs[&ShardId(0)];
    assert_eq!(
        store.append(&[beginning("damaged", epoch, 9)]).await.unwrap(),
        [UnitOutcome::Committed]
    );
    // Its event stays without a row: what is appended to it contradicts what is there, and the
    // rest of its batch is written one by one.
    let mut file = database::open(directory.path()).await;
    sqlx::query("DELETE FROM entities").execute(&mut file).await.unwrap();

    let damaged = beginning("damaged", epoch, 10);
    let batch = [damaged.clone(), beginning("small", epoch, 9), beginning("large", epoch, 400_000)];
    let filled = store.append(&batch).await;
    assert!(matches!(filled, Err(StoreError::Unavailable { .. })), "{filled:?}");
    // An event without its entity's row is not shown, so this is the small one.
    assert_eq!(store.read_journal(Position(0), 10).await.unwrap().len(), 1);
    let small = store.append(&batch[1..2]).await.unwrap();
    assert_eq!(small, [UnitOutcome::Committed], "it was written before and counts as such");
    assert_eq!(store.read_journal(Position(0), 10).await.unwrap().len(), 1);
    // Alone it finds no room, and then nothing was written.
    assert!(matches!(store.append(&batch[2..]).await, Err(StoreError::Full)));
    let refused = store.append(&[damaged]).await.unwrap();
    assert_eq!(refused, [UnitOutcome::Refused(vec![(0, Refusal::Damaged)])]);
}
