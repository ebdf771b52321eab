//! What the end of a call becomes: a result, a failure, another try, a question to a person.

use coppice_core::{Decision, EffectId, EffectMode, EffectOutcome, Json, Timestamp};
use serde::Deserialize;

use super::decide::{After, digest};
use super::event::{
    ApprovalAsked, Event, PaymentHeld, PaymentSettled, Settlement, StepFailed, StepFinished,
};
use super::graph::{StepStatus, index};
use super::look::Fresh;
use super::request::Call;
use super::state::{Work, is_as_it_should, place_of};
use super::tally::Change;
use super::view::{Receipt, status_of};

/// The largest output of a step that is taken in, in bytes. It is recorded, kept in the state and
/// handed on.
pub const OUTPUT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Failures that may pass by themselves.
const PASSING: [&str; 6] = [
    "plugin_unavailable",
    "plugin_timeout",
    "plugin_transient",
    "unreachable",
    "outcome_unknown",
    "treasury_unavailable",
];

/// A person must agree before the call is made.
const APPROVAL_REQUIRED: &str = "approval_required";

/// What a plugin's run gave.
#[derive(Deserialize)]
struct Ran {
    status: RanStatus,
    #[serde(default)]
    output: Json,
    #[serde(default)]
    result: String,
    #[serde(default)]
    plugin: String,
    #[serde(default)]
    policy: Option<Json>,
    #[serde(default)]
    meta: Option<Json>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RanStatus {
    Success,
    Partial,
}

/// What the treasury said of an authorization.
#[derive(Deserialize)]
struct Authorized {
    decision: String,
    #[serde(default)]
    reason_code: String,
}

/// What the treasury said of a reservation's end.
#[derive(Deserialize)]
struct Moved {
    status: Settlement,
}

/// Whether it is left to an operator what became of a call: where it may have been made and must
/// not be made again. Money's calls are repeated under their key until they are answered.
pub(super) fn is_left(work: &Work, effect: &EffectId) -> bool {
    match place_of(effect) {
        Some((Call::Run, place)) => {
            let step = work.graph.plan.steps.get(index(place));
            step.is_some_and(|step| step.mode == EffectMode::AtMostOnce)
        }
        Some((Call::Pay | Call::Post | Call::Void, _)) | None => true,
    }
}

pub(super) fn settled(
    work: &Work,
    effect: &EffectId,
    outcome: &EffectOutcome,
    now: Timestamp,
) -> Decision<Event, Receipt> {
    let nothing = || Decision { events: Vec::new(), reply: Receipt::new(work, status_of(work)) };
    let Some((call, place)) = place_of(effect) else { return nothing() };
    if index(place) >= work.records.len() {
        return nothing();
    }
    let end = CallEnd { work, place, now };
    match (call, outcome) {
        (Call::Run, EffectOutcome::Done { response }) => end.ran(response),
        (Call::Pay, EffectOutcome::Done { response }) => end.authorized(response),
        (Call::Post | Call::Void, outcome) => end.moved(call == Call::Post, outcome),
        (_, EffectOutcome::Failed { code, detail }) if **code == *APPROVAL_REQUIRED => {
            end.asks("policy", detail)
        }
        (_, EffectOutcome::Failed { code, detail }) => end.failed(code, detail),
        (_, EffectOutcome::Unknown { detail }) => end.failed("outcome_unknown", detail),
    }
}

/// One call that has ended.
struct CallEnd<'a> {
    work: &'a Work,
    place: u32,
    now: Timestamp,
}

impl CallEnd<'_> {
    fn step(&self) -> String {
        self.work.graph.plan.steps[index(self.place)].id.clone()
    }

    fn is_paid(&self) -> bool {
        self.work.held.contains(&self.place)
    }

    fn ran(&self, response: &str) -> Decision<Event, Receipt> {
        if response.len() > OUTPUT_BYTES_MAX {
            let detail = format!("the answer has more than {OUTPUT_BYTES_MAX} bytes");
            return self.failed("plugin_output_invalid", &detail);
        }
        let ran: Ran = match serde_json::from_str(response) {
            Ok(ran) => ran,
            Err(error) => return self.failed("plugin_output_invalid", &error.to_string()),
        };
        let status = match ran.status {
            RanStatus::Success => StepStatus::Success,
            RanStatus::Partial => StepStatus::Partial,
        };
        let place = self.place;
        let fresh = Fresh { place, status, output: &ran.output, result: &ran.result };
        let ends = self.work.ends_behind(fresh);
        let change = Change::Finished { place, status, ends, paid: self.is_paid() };
        let after = After::of(self.work, change, Some(place), Some(fresh));
        let event = StepFinished {
            step: self.step(),
            status,
            input_hash: digest(&self.work.input(place)),
            output_hash: digest(&ran.output),
            output: ran.output,
            result: ran.result,
            plugin: ran.plugin,
            policy: ran.policy,
            meta: ran.meta,
            at: self.now,
        };
        after.decision(self.work, vec![Event::StepFinished(Box::new(event))], self.now)
    }

    fn authorized(&self, response: &str) -> Decision<Event, Receipt> {
        let authorized: Authorized = match serde_json::from_str(response) {
            Ok(authorized) => authorized,
            Err(error) => return self.failed("treasury_answer_invalid", &error.to_string()),
        };
        if authorized.decision != "approved" {
            let code = authorized.reason_code.as_str();
            if code == APPROVAL_REQUIRED {
                return self.asks("money", "the payment needs approval");
            }
            let code = if code.is_empty() { "payment_denied" } else { code };
            return self.failed(code, "the payment was denied");
        }
        let intent = self.work.records[index(self.place)].intent.clone().unwrap_or_default();
        let after =
            After::of(self.work, Change::Held { place: self.place }, Some(self.place), None);
        let event = Event::PaymentHeld(PaymentHeld { step: self.step(), intent });
        after.decision(self.work, vec![event], self.now)
    }

    fn moved(&self, posting: bool, outcome: &EffectOutcome) -> Decision<Event, Receipt> {
        let settlement = match outcome {
            EffectOutcome::Done { response } => {
                let moved: Result<Moved, _> = serde_json::from_str(response);
                moved.map_or(Settlement::Refused, |moved| moved.status)
            }
            EffectOutcome::Failed { .. } | EffectOutcome::Unknown { .. } => Settlement::Refused,
        };
        let as_it_should = is_as_it_should(posting, settlement);
        let after = After::of(self.work, Change::Settled { as_it_should }, None, None);
        let intent = self.work.records[index(self.place)].intent.clone().unwrap_or_default();
        let event = PaymentSettled { step: self.step(), intent, settlement };
        after.decision(self.work, vec![Event::PaymentSettled(event)], self.now)
    }

    /// A person is asked, unless nothing more is to start.
    fn asks(&self, reason: &str, detail: &str) -> Decision<Event, Receipt> {
        if self.work.tally.halted.is_some() {
            return self.failed(APPROVAL_REQUIRED, detail);
        }
        let change = Change::Parked { place: self.place };
        let after = After::of(self.work, change, Some(self.place), None);
        let event = ApprovalAsked {
            step: self.step(),
            reason: reason.to_owned(),
            detail: Some(detail.to_owned()),
        };
        after.decision(self.work, vec![Event::ApprovalAsked(event)], self.now)
    }

    fn failed(&self, code: &str, detail: &str) -> Decision<Event, Receipt> {
        let (place, record) = (self.place, &self.work.records[index(self.place)]);
        let retry = self.work.graph.plan.steps[index(place)].retry;
        let passes = PASSING.contains(&code) && self.work.tally.halted.is_none();
        let wait_ms = retry.wait_ms(record.tries.max(1)).filter(|_| passes);
        let wait = wait_ms.and_then(|wait_ms| i64::try_from(wait_ms).ok());
        let retry_at = wait.map(|ms| self.now.saturating_add_micros(ms.saturating_mul(1_000)));
        let change = match retry_at {
            Some(_) => Change::PutOff { place },
            None => Change::Failed { place, paid: self.is_paid() },
        };
        let after = After::of(self.work, change, Some(place), None);
        let event = StepFailed {
            step: self.step(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            input_hash: digest(&self.work.input(place)),
            retry_at,
            at: self.now,
        };
        after.decision(self.work, vec![Event::StepFailed(event)], self.now)
    }
}
