//! Authorizations: approved as one linked commit over everything that they draw on, or denied as an
//! event of the intent.

use coppice_core::{Json, Sequence};
use coppice_domain::treasury::intent::{self, Decided, Status, Wanted};
use coppice_domain::treasury::names::{AccountName, Role};
use coppice_domain::treasury::plan::{self, Bound, Limits};
use coppice_domain::treasury::{Amount, Day, Reason, account};
use coppice_runtime::{Answer, Failure};
use tokio::time::{Instant, timeout_at};

use crate::call::Call;
use crate::entities::{Step, read};
use crate::error::{TreasuryError, refusal};
use crate::permission::{Question, Verdict};
use crate::queue::{Closed, Look, Pass, Word};
use crate::treasury::{Shown, TRIES_MAX, Treasury, first_failure, is_contention, of_intent};

/// The largest record of a policy that goes into an event, in bytes: a question with all of its
/// facts is a tenth of it.
const RECORD_BYTES_MAX: usize = 32 * 1024;

/// What an authorization came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    /// Whether it was approved.
    pub approved: bool,
    /// Why.
    pub reason: Reason,
    /// The intent's sequence behind it.
    pub sequence: Sequence,
    /// Whether it had been decided before.
    pub repeated: bool,
}

/// What one try led to.
enum Tried {
    Done(Authorized),
    Denied(Reason),
    /// Somebody else decided it, or something else came in between.
    Again,
    /// The cap is of a day that is over.
    DayOver,
}

/// An intent that is being decided.
struct Deciding<'a> {
    treasury: &'a Treasury,
    call: &'a Call,
    id: &'a str,
    wanted: &'a Wanted,
    limits: Limits,
    policy: Option<Json>,
    until: Instant,
}

impl Treasury {
    /// Decides an intent: approves it and sets its amount aside, or denies it. What is decided stays
    /// so. `approved` says that a person has said yes to it.
    ///
    /// Takes as long as `authorize_timeout` and then denies, which takes the same again at most; the
    /// answer says which of approval and denial came first.
    ///
    /// # Errors
    /// [`TreasuryError`], where nothing is decided, or nobody can say what was: the failure's
    /// outcome tells them apart.
    pub async fn authorize(
        &self,
        call: &Call,
        id: &str,
        approved: bool,
    ) -> Result<Authorized, TreasuryError> {
        let until = (Instant::now() + self.0.options.authorize_timeout).min(call.deadline);
        let deciding = async {
            let _turn = self.0.turns.take(&call.tenant, id).await;
            self.decide(call, id, approved, until).await
        };
        match timeout_at(until, deciding).await {
            Ok(Err(TreasuryError::Failed(Failure::TimedOut | Failure::DeadlineExceeded)))
            | Err(_) => self.time_out(call, id).await,
            Ok(decided) => decided,
        }
    }

    /// The denial meets the approval, if there is one under way, in the intent's own order. It has
    /// as long as the authorization had; then nobody can say what stands, and a repeat tells.
    async fn time_out(&self, call: &Call, id: &str) -> Result<Authorized, TreasuryError> {
        let deadline = (Instant::now() + self.0.options.authorize_timeout).min(call.deadline);
        let call = Call { deadline, ..call.clone() };
        let denied = self.deny(&call, id, Reason::Timeout, None).await;
        denied.map_err(|error| match error {
            TreasuryError::Failed(_) => TreasuryError::Failed(Failure::TimedOut),
            error => error,
        })
    }

    async fn decide(
        &self,
        call: &Call,
        id: &str,
        approved: bool,
        until: Instant,
    ) -> Result<Authorized, TreasuryError> {
        let Shown { view, sequence, .. } = self.intent(call, id).await?;
        if let Some(decided) = standing(&view, sequence) {
            return Ok(decided);
        }
        let wanted = view.wanted.ok_or_else(|| TreasuryError::NoIntent(id.to_owned()))?;
        if self.0.clock.now() >= wanted.expires {
            return self.deny(call, id, Reason::IntentExpired, None).await;
        }
        let question = Question {
            tenant: &call.tenant,
            asker: &call.asker,
            intent: id,
            wanted: &wanted,
            approved,
        };
        // One whose record doesn't fit into the event is none.
        let fits = |verdict: &Verdict| verdict.record.as_str().len() <= RECORD_BYTES_MAX;
        let Some(verdict) = self.0.permission.ask(&question).ok().filter(fits) else {
            return self.deny(call, id, Reason::PolicyUnavailable, None).await;
        };
        let against = against(&verdict, approved);
        let policy = Some(verdict.record);
        if let Some(reason) = against {
            return self.deny(call, id, reason, policy).await;
        }
        let limits = self.0.options.limits(&wanted.asset);
        let deciding =
            Deciding { treasury: self, call, id, wanted: &wanted, limits, policy, until };
        deciding.run().await
    }

    /// Denies an intent that isn't decided, and says what stands.
    pub(crate) async fn deny(
        &self,
        call: &Call,
        id: &str,
        reason: Reason,
        policy: Option<Json>,
    ) -> Result<Authorized, TreasuryError> {
        let part = of_intent(id, &intent::Command::Deny(intent::Deny { reason, policy }))?;
        let answer = self.0.entities.ask(call, Some(Step::Deny), id, part).await;
        let answer = answer.map_err(|failure| match refusal(&failure) {
            Some("intent_not_there") => TreasuryError::NoIntent(id.to_owned()),
            _ => TreasuryError::Failed(failure),
        })?;
        let view = read(&answer.reply)?;
        let standing = standing(&view, answer.sequence);
        let standing = standing.ok_or(TreasuryError::Failed(Failure::Conflict))?;
        Ok(Authorized { repeated: false, ..standing })
    }
}

impl Deciding<'_> {
    async fn run(&self) -> Result<Authorized, TreasuryError> {
        let mut over = None;
        for _ in 0..TRIES_MAX {
            let today = Day::of(self.treasury.0.clock.now());
            // The cap's own time may be ahead of a clock that was set back.
            let day = over.map_or(today, |over: Day| today.max(over.next()));
            match self.once(day).await? {
                Tried::Done(done) => return Ok(done),
                Tried::Denied(reason) => {
                    let policy = self.policy.clone();
                    return self.treasury.deny(self.call, self.id, reason, policy).await;
                }
                Tried::DayOver => over = Some(day),
                Tried::Again => {
                    let Shown { view, sequence, .. } =
                        self.treasury.intent(self.call, self.id).await?;
                    if let Some(decided) = standing(&view, sequence) {
                        return Ok(decided);
                    }
                }
            }
        }
        Err(TreasuryError::Failed(Failure::Conflict))
    }

    /// One try: a place in front of every bound, and then the linked commit.
    async fn once(&self, day: Day) -> Result<Tried, TreasuryError> {
        let encoded = |error| TreasuryError::internal(&error);
        let bounds = plan::bounds(self.wanted, &self.limits, day).map_err(encoded)?;
        let accounts = bounds.iter().map(|bound| bound.look.id.clone());
        let amount = self.wanted.amount;
        let queue = &self.treasury.0.queue;
        let looking = Looking { deciding: self, bounds: &bounds };
        let pass = match queue.enter(&self.call.tenant, accounts, amount, &looking).await {
            Ok(pass) => pass,
            Err(Closed::NoRoom(at)) => return Ok(Tried::Denied(exceeded(&bounds, at))),
            Err(Closed::Unasked(TreasuryError::Failed(failure))) => {
                return self.failed(failure);
            }
            Err(Closed::Unasked(error)) => return Err(error),
        };
        let parts = plan::authorize(self.id, self.wanted, &self.limits, day, self.policy.clone());
        let parts = parts.map_err(encoded)?;
        let entities = &self.treasury.0.entities;
        let answers =
            entities.ask_linked(self.call, Step::Authorize, self.id, parts, self.until).await;
        let (done, failed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        if failed.is_empty() {
            let answers: Vec<Answer> = done.into_iter().filter_map(Result::ok).collect();
            learn(&pass, &bounds, &answers);
            let sequence = answers.first().map_or(Sequence(0), |answer| answer.sequence);
            let (approved, reason, repeated) = (true, Reason::Approved, false);
            return Ok(Tried::Done(Authorized { approved, reason, sequence, repeated }));
        }
        self.failed(first_failure(failed).unwrap_or(Failure::Conflict))
    }

    fn failed(&self, failure: Failure) -> Result<Tried, TreasuryError> {
        let tried = match refusal(&failure) {
            Some("account_day_over") => Tried::DayOver,
            Some("intent_decided") => Tried::Again,
            Some("account_hold_expired" | "transfer_expired") => {
                Tried::Denied(Reason::IntentExpired)
            }
            Some("transfer_other") => return Err(TreasuryError::Other(self.id.to_owned())),
            Some(code) => match Reason::of_code(code) {
                Some(reason) => Tried::Denied(reason),
                None => return Err(failure.into()),
            },
            None if is_contention(&failure) => Tried::Again,
            None if matches!(failure, Failure::Frozen(_)) => Tried::Denied(Reason::Frozen),
            None => return Err(failure.into()),
        };
        Ok(tried)
    }
}

/// Asks the bounds of an authorization how much room they have.
struct Looking<'a> {
    deciding: &'a Deciding<'a>,
    bounds: &'a [Bound],
}

impl Look for Looking<'_> {
    type Error = TreasuryError;

    async fn look(&self, at: usize) -> Result<Word, TreasuryError> {
        let Deciding { treasury, call, id, .. } = self.deciding;
        let look = self.bounds[at].look.clone();
        word(&treasury.0.entities.ask(call, None, id, look).await?)
    }
}

/// What was decided about an intent, if it was.
fn standing(view: &intent::View, sequence: Sequence) -> Option<Authorized> {
    let Decided { approved, reason } = view.decided?;
    debug_assert_ne!(view.status, Status::Created, "what is decided is somewhere");
    Some(Authorized { approved, reason, sequence, repeated: true })
}

fn word(answer: &Answer) -> Result<Word, TreasuryError> {
    let standing: account::Standing = read(&answer.reply)?;
    let unbounded = Amount::MAX;
    Ok((answer.sequence, standing.room.unwrap_or(unbounded)))
}

/// The accounts' own words come with their answers, so that who comes next needs not ask.
fn learn(pass: &Pass, bounds: &[Bound], answers: &[Answer]) {
    for (at, bound) in bounds.iter().enumerate() {
        if let Some(Ok(word)) = answers.get(bound.part).map(word) {
            pass.learn(at, word);
        }
    }
}

/// What it means that a bound has no room: each says so in its own words.
fn exceeded(bounds: &[Bound], at: usize) -> Reason {
    let name = bounds.get(at).and_then(|bound| AccountName::parse(&bound.look.id));
    match name.map(|name| name.role) {
        Some(Role::Budget(_)) => Reason::BudgetExceeded,
        Some(Role::Velocity(_)) => Reason::VelocityExceeded,
        Some(Role::Cap(_)) => Reason::DailyCapExceeded,
        Some(Role::Funding(_) | Role::World | Role::Payee(_)) | None => Reason::InsufficientFunds,
    }
}

/// Why the policy is against it, if it is.
fn against(verdict: &Verdict, approved: bool) -> Option<Reason> {
    if !verdict.allowed {
        let reason = Reason::of_code(&verdict.reason_code);
        let is_policys = |reason: &Reason| {
            matches!(
                reason,
                Reason::MerchantNotAllowed | Reason::CategoryNotAllowed | Reason::ApprovalRequired
            )
        };
        return Some(reason.filter(is_policys).unwrap_or(Reason::PolicyDenied));
    }
    (verdict.requires_approval && !approved).then_some(Reason::ApprovalRequired)
}
