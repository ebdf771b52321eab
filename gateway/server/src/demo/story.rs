//! The story, one scene after the other.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::checks::Checks;
use super::client::{AskError, Client};
use super::shown::Printer;
use super::stage::{DiffHost, signature, webhook};
use super::{DemoError, DemoOptions};
use crate::own_node::{ANY_PORT, Node, Settings};

/// How long anything that must come to pass may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether something has come to pass.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The process is killed within this time after the webhook: the whole review takes about as long.
const KILL_WITHIN_MS: u64 = 250;

/// What the tenant has to begin with, in cents.
const FUNDS: i64 = 10_000;

/// Findings that are printed; the report has all.
const FINDINGS_SHOWN: usize = 6;

/// Everything that the scenes share.
struct Stage {
    printer: Printer,
    checks: Checks,
    node: Node,
    client: Client,
    host: DiffHost,
    settings: Settings,
    key: String,
    webhook_secret: String,
    /// Steps that were printed.
    shown: Vec<Value>,
}

pub(super) async fn play(options: &DemoOptions) -> Result<bool, DemoError> {
    Printer::plain("A pull request becomes reviewed, approved, paid and proven work.");
    let mut stage = open(options).await?;
    fund(&stage).await?;
    let delivery = deliver(&mut stage).await?;
    stage = interrupt(stage, options).await?;
    redeliver(&mut stage, &delivery).await?;
    let workflow = planned(&stage, &delivery).await?;
    let waiting = follow(&mut stage, &workflow, "waiting_approval").await?;
    show_report(&mut stage, &waiting);
    agree(&stage, &workflow).await?;
    let ended = follow(&mut stage, &workflow, "success").await?;
    let published = step(&ended, "publish");
    stage.checks.that(published["settlement"] == "posted", "the payment was posted");
    ledger(&mut stage, &workflow).await?;
    trail(&mut stage, &workflow).await?;
    close(stage, options)
}

async fn open(options: &DemoOptions) -> Result<Stage, DemoError> {
    let printer = Printer::new();
    let host = DiffHost::open().await?;
    let home = match &options.data {
        Some(data) => data.clone(),
        None => std::env::temp_dir().join(format!("coppice-demo-{:08x}", random()?)),
    };
    let system = |source| DemoError::System { doing: "making the data directory", source };
    std::fs::create_dir_all(&home).map_err(system)?;
    let config = home.join("coppice.toml");
    let hosts = format!("[plugins]\nfetch_hosts = [\"{}\"]\n", host.authority);
    std::fs::write(&config, hosts).map_err(system)?;
    let (first, second) = (u128::from(random()?), u128::from(random()?));
    let key = format!("sk_test_{:032x}", (first << 64) | second);
    let webhook_secret = format!("{:016x}", random()?);
    let settings = Settings {
        listen: ANY_PORT.to_owned(),
        data: home.join("data"),
        log: home.join("node.log"),
        database: options.database.clone(),
        config: Some(config),
        environment: vec![
            ("COPPICE_BOOTSTRAP_KEY".to_owned(), key.clone()),
            ("COPPICE_GITHUB_WEBHOOK_SECRET".to_owned(), webhook_secret.clone()),
        ],
    };
    let node = Node::start(&settings)?;
    let client = Client::new(node.url(), &key).map_err(asked("connecting"))?;
    printer.line("node", &format!("serves {}, data in {}", node.url(), home.display()));
    let (checks, shown) = (Checks::default(), Vec::new());
    Ok(Stage { printer, checks, node, client, host, settings, key, webhook_secret, shown })
}

async fn fund(stage: &Stage) -> Result<(), DemoError> {
    let client = &stage.client;
    let account = client.post("/v1/money/accounts", &json!({"asset": "USD"})).await;
    let account = account.map_err(asked("opening the funding account"))?;
    let deposit = json!({"to": account["id"], "amount": FUNDS});
    client.post("/v1/money/transfers", &deposit).await.map_err(asked("depositing"))?;
    let text = format!("{} opened with 100.00 USD", text(&account["id"]));
    stage.printer.line("money", &text);
    Ok(())
}

/// The webhook, once with a signature that isn't its own and once with it.
async fn deliver(stage: &mut Stage) -> Result<String, DemoError> {
    let body = webhook(&stage.host.authority);
    let delivery = format!("{:08x}-0000-4000-8000-{:012x}", random()? >> 32, random()? >> 16);
    let forged = signature("not the secret", &body);
    let refused = send(stage, &delivery, &body, forged).await;
    let is_refused = matches!(refused, Err(AskError::Refused { status: 401, .. }));
    stage.checks.that(is_refused, "a forged signature is refused");
    stage.printer.line("webhook", "with a forged signature: refused");
    let signed = signature(&stage.webhook_secret, &body);
    let taken = send(stage, &delivery, &body, signed).await.map_err(asked("the webhook"))?;
    stage.checks.that(taken["outcome"] == "routed", "the webhook is routed");
    let text = format!("pull_request.opened, signed: stored, {}", text(&taken["plan"]));
    stage.printer.line("webhook", &text);
    Ok(delivery)
}

async fn send(
    stage: &Stage,
    delivery: &str,
    body: &str,
    signature: String,
) -> Result<Value, AskError> {
    let headers = [
        ("x-github-event", "pull_request".to_owned()),
        ("x-github-delivery", delivery.to_owned()),
        ("x-hub-signature-256", signature),
    ];
    stage.client.deliver("/ingress/github", body.to_owned(), &headers).await
}

/// Kills the process somewhere in the middle, and starts it again on the same data.
async fn interrupt(mut stage: Stage, options: &DemoOptions) -> Result<Stage, DemoError> {
    let after = match options.kill_after_ms {
        Some(after) => after,
        None => random()? % KILL_WITHIN_MS,
    };
    tokio::time::sleep(Duration::from_millis(after)).await;
    let process = stage.node.process_id();
    stage.printer.line("SIGKILL", &format!("process {process}, {after} ms after the webhook"));
    let since = Instant::now();
    stage.node = stage.node.kill_and_start()?;
    stage.client = stage.client.at(stage.node.url());
    let text = format!("serves again after {} ms", since.elapsed().as_millis());
    stage.printer.line("node", &text);
    Ok(stage)
}

/// A sender that isn't sure delivers again.
async fn redeliver(stage: &mut Stage, delivery: &str) -> Result<(), DemoError> {
    let body = webhook(&stage.host.authority);
    let signed = signature(&stage.webhook_secret, &body);
    let again = send(stage, delivery, &body, signed).await.map_err(asked("the webhook"))?;
    stage.checks.that(again["outcome"] == "repeated", "a repeated webhook does nothing again");
    stage.printer.line("webhook", "delivered again: known, nothing done twice");
    Ok(())
}

async fn planned(stage: &Stage, delivery: &str) -> Result<String, DemoError> {
    let path = format!("/v1/entities/delivery/github:{delivery}");
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let view = stage.client.get(&path).await.map_err(asked("the delivery"))?;
        if let Some(workflow) = view["state"]["workflow"].as_str() {
            stage.printer.line("plan", &format!("workflow {workflow}"));
            return Ok(workflow.to_owned());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(DemoError::InVain("the delivery had become a workflow"))
}

/// Prints steps as they end, until the workflow stands so.
async fn follow(stage: &mut Stage, workflow: &str, status: &str) -> Result<Value, DemoError> {
    let path = format!("/v1/workflows/{workflow}");
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let view = stage.client.get(&path).await.map_err(asked("the workflow"))?;
        for step in list(&view["steps"]) {
            let is_over = !step["finished_at"].is_null();
            if is_over && !stage.shown.contains(&step["id"]) {
                stage.shown.push(step["id"].clone());
                let name = format!("{} {}", text(&step["id"]), text(&step["status"]));
                stage.printer.line("step", &format!("{name}: {}", text(&step["result"])));
            }
        }
        if view["status"] == status {
            return Ok(view);
        }
        if !view["ended_at"].is_null() {
            stage.printer.line("workflow", &view.to_string());
            return Err(DemoError::InVain("the workflow went well"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(DemoError::InVain("the workflow had come so far"))
}

/// Prints what the review found, the worst first.
fn show_report(stage: &mut Stage, view: &Value) {
    let report = step(view, "report")["output"].clone();
    let findings = list(&report["findings"]);
    let severe = |finding: &&Value| finding["severity"] == "critical";
    stage.checks.that(findings.iter().any(|finding| severe(&finding)), "the planted key is found");
    stage.printer.line("findings", &format!("{} in all", findings.len()));
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        let place = format!("{}:{}", text(&finding["file"]), finding["line"]);
        let what = format!("{:<8} {place}  {}", text(&finding["severity"]), text(&finding["rule"]));
        stage.printer.line("", &what);
    }
}

async fn agree(stage: &Stage, workflow: &str) -> Result<(), DemoError> {
    let path = format!("/v1/workflows/{workflow}/approvals");
    let yes = json!({"approved": true, "reason": "the findings are worth publishing"});
    stage.printer.line("approval", "asked for publish; agreed");
    stage.client.post(&path, &yes).await.map_err(asked("the approval")).map(drop)
}

async fn ledger(stage: &mut Stage, workflow: &str) -> Result<(), DemoError> {
    let path = format!("/v1/ledger/{workflow}");
    let ledger = stage.client.get(&path).await.map_err(asked("the ledger"))?;
    let transfers = list(&ledger["transfers"]);
    for transfer in &transfers {
        let entries = list(&transfer["entries"]);
        let entry = |entry: &Value| format!("{} {}", text(&entry["account"]), entry["amount"]);
        let entries: Vec<String> = entries.iter().map(entry).collect();
        let text = format!("{}: {}", text(&transfer["status"]), entries.join(", "));
        stage.printer.line("ledger", &text);
    }
    let amounts = transfers.iter().flat_map(|transfer| list(&transfer["entries"]));
    let sum: i64 = amounts.filter_map(|entry| entry["amount"].as_i64()).sum();
    stage.checks.that(!transfers.is_empty() && sum == 0, "the entries sum to zero");
    Ok(())
}

/// Prints the trail and has every hash in it proven.
async fn trail(stage: &mut Stage, workflow: &str) -> Result<(), DemoError> {
    let path = format!("/v1/audit/{workflow}");
    let trail = stage.client.get(&path).await.map_err(asked("the trail"))?;
    let entries = list(&trail["entries"]);
    let mut previous = None;
    let mut hashes = Vec::new();
    for entry in &entries {
        let chained = previous.is_none_or(|previous| entry["previous_hash"] == previous);
        stage.checks.that(chained, "the trail is a chain");
        previous = Some(entry["hash"].clone());
        let short = |hash: &Value| hash.as_str().map(|hash| hash[..12].to_owned());
        let what = format!("{:>3} {}", entry["sequence"], text(&entry["type"]));
        let hash = short(&entry["hash"]).unwrap_or_default();
        stage.printer.line("audit", &format!("{what:<38} {} {hash}", text(&entry["step"])));
        let of_step = [&entry["input_hash"], &entry["output_hash"]];
        hashes.extend(of_step.into_iter().filter_map(|hash| hash.as_str().map(str::to_owned)));
    }
    for hash in &hashes {
        let proof = proven(stage, hash).await?;
        stage.checks.that(proof, format!("{hash} is proven by the journal"));
    }
    let text = format!("{} hashes of inputs and outputs, each proven by the journal", hashes.len());
    stage.printer.line("audit", &text);
    Ok(())
}

/// Whether a hash is proven, once the read model has it.
async fn proven(stage: &Stage, hash: &str) -> Result<bool, DemoError> {
    let path = format!("/v1/audit/verify/{hash}");
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let proof = stage.client.get(&path).await.map_err(asked("the proof of a hash"))?;
        if proof["count"] != 0 {
            return Ok(proof["verified"] == true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}

/// Leaves the node running, or stops it and has its journal walked.
fn close(stage: Stage, options: &DemoOptions) -> Result<bool, DemoError> {
    let Stage { printer, mut checks, mut node, settings, key, .. } = stage;
    if options.keep {
        let text = format!("goes on at {} with the key {key}", node.url());
        printer.line("node", &text);
        node.keep();
    } else {
        drop(node);
        let (is_sound, said) = verify(&settings)?;
        checks.that(is_sound, "the journal is sound");
        printer.line("verify", &said);
        if options.data.is_none() && is_sound {
            remove(settings.data.parent().map(PathBuf::from));
        }
    }
    Ok(checks.verdict(&printer))
}

/// What was made for the demonstration goes with it; what can't be removed is left to the system.
fn remove(home: Option<PathBuf>) {
    if let Some(home) = home {
        let _left = std::fs::remove_dir_all(home);
    }
}

fn verify(settings: &Settings) -> Result<(bool, String), DemoError> {
    let system = |source| DemoError::System { doing: "verifying the journal", source };
    let mut command = Command::new(std::env::current_exe().map_err(system)?);
    command.arg("verify").arg("--data").arg(&settings.data);
    if let Some(database) = &settings.database {
        command.args(["--database", database]);
    }
    let output = command.output().map_err(system)?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok((output.status.success(), said))
}

fn asked(doing: &'static str) -> impl FnOnce(AskError) -> DemoError {
    move |source| DemoError::Asked { doing, source }
}

fn random() -> Result<u64, DemoError> {
    getrandom::u64().map_err(|_| DemoError::Random)
}

fn step(view: &Value, id: &str) -> Value {
    let steps = list(&view["steps"]);
    steps.into_iter().find(|step| step["id"] == id).unwrap_or_default()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
