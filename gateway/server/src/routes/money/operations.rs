//! What the routes of money take, answer and refuse.

use coppice_api::money::{
    AccountView, Authorization, AuthorizationDecision, IntentView, LedgerView, NewAccount,
    NewIntent, NewTransfer, Nothing, Posting, SettledIntent, TransferView,
};
use coppice_api::{Code, codes};

use crate::auth::Scope;
use crate::openapi::older::alias;
use crate::openapi::{Answer, Operation, Parameter, Place, Verb, faults, parameters, shape};

const FAMILY: &str = "money";

const ID: Parameter = Parameter {
    place: Place::Path,
    name: "id",
    description: "The intent.",
    required: true,
    schema: parameters::ENTITY_ID,
};

const WORKFLOW: Parameter = Parameter {
    place: Place::Path,
    name: "workflow_id",
    description: "The workflow.",
    required: true,
    schema: r#"{"type":"string","pattern":"^[A-Za-z0-9_.~@-]{1,64}$"}"#,
};

/// Of what is made under an id that follows from the caller's key.
const MAKING: &[Code] = &[codes::INVALID_IDEMPOTENCY_KEY, codes::IDEMPOTENCY_KEY_REUSED];

/// Of whatever changes something.
const CHANGING: &[Code] =
    &[codes::FROZEN, codes::CONFLICT, codes::MESSAGE_QUARANTINED, codes::STORE_FULL];

pub(super) const OPEN_ACCOUNT: Operation = Operation {
    method: Verb::Post,
    path: "/v1/money/accounts",
    name: "open_account",
    family: FAMILY,
    summary: "Opens a funding account, or the budget of a workflow under its ceiling.",
    notes: "Accounts of merchants, and those that limits are counted on, come to be by their use. \
        Again, it changes nothing.",
    scope: Some(Scope::MoneyWrite),
    parameters: &[],
    body: Some(shape::<NewAccount>),
    answers: &[Answer::with(201, "It is open.", shape::<AccountView>)],
    faults: &[faults::ASKING, faults::BODY, CHANGING],
};

pub(super) const VIEW_ACCOUNT: Operation = Operation {
    method: Verb::Get,
    path: "/v1/money/accounts/{id}",
    name: "view_account",
    summary: "An account with its balance and what is held of it.",
    notes: "",
    scope: Some(Scope::MoneyRead),
    parameters: &[Parameter { description: "The account, such as `funding:USD.2`.", ..ID }],
    body: None,
    answers: &[Answer::json("The account.", shape::<AccountView>)],
    faults: &[faults::ASKING, &[codes::ACCOUNT_NOT_FOUND]],
    ..OPEN_ACCOUNT
};

pub(super) const TRANSFER: Operation = Operation {
    path: "/v1/money/transfers",
    name: "transfer_money",
    summary: "Brings money in from the world, or moves it between funding accounts.",
    notes: "Money leaves by an intent only.",
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<NewTransfer>),
    answers: &[Answer::with(201, "It has moved.", shape::<TransferView>)],
    faults: &[faults::ASKING, faults::BODY, CHANGING, MAKING],
    ..OPEN_ACCOUNT
};

pub(super) const CREATE_INTENT: Operation = Operation {
    path: "/v1/money/intents",
    name: "create_intent",
    summary: "Records what somebody wants to spend. Nothing is set aside yet.",
    notes: "",
    parameters: &[parameters::IDEMPOTENCY_KEY],
    body: Some(shape::<NewIntent>),
    answers: &[Answer::with(201, "It is recorded.", shape::<IntentView>)],
    faults: &[faults::ASKING, faults::BODY, CHANGING, MAKING],
    ..OPEN_ACCOUNT
};

pub(super) const VIEW_INTENT: Operation = Operation {
    path: "/v1/money/intents/{id}",
    name: "view_intent",
    summary: "An intent, and what was decided about it.",
    parameters: &[ID],
    answers: &[Answer::json("The intent.", shape::<IntentView>)],
    faults: &[faults::ASKING, &[codes::INTENT_NOT_FOUND]],
    ..VIEW_ACCOUNT
};

pub(super) const AUTHORIZE: Operation = Operation {
    path: "/v1/money/authorize",
    name: "authorize_intent",
    summary: "Decides an intent: approves it and sets its amount aside, or denies it.",
    notes: "A denial is an answer and no problem. What was decided stays so, and is the answer to \
        every repeat. It is denied with `timeout` where it can't be decided in time.",
    body: Some(shape::<Authorization>),
    answers: &[Answer::json("It is decided.", shape::<AuthorizationDecision>)],
    faults: &[faults::ASKING, faults::BODY, CHANGING, &[codes::INTENT_NOT_FOUND]],
    ..OPEN_ACCOUNT
};

pub(super) const POST_INTENT: Operation = Operation {
    path: "/v1/money/intents/{id}/post",
    name: "post_intent",
    summary: "Moves what is set aside for an intent, or a part of it.",
    notes: "The rest is given back. Again, it changes nothing.",
    parameters: &[ID],
    body: Some(shape::<Posting>),
    answers: &[Answer::json("It has moved.", shape::<SettledIntent>)],
    ..AUTHORIZE
};

pub(super) const VOID_INTENT: Operation = Operation {
    path: "/v1/money/intents/{id}/void",
    name: "void_intent",
    summary: "Gives back what is set aside for an intent, or takes it back undecided.",
    notes: "Again, it changes nothing.",
    body: Some(shape::<Nothing>),
    answers: &[Answer::json("It is given back.", shape::<SettledIntent>)],
    ..POST_INTENT
};

pub(super) const LEDGER: Operation = Operation {
    path: "/v1/ledger/{workflow_id}",
    name: "read_ledger",
    summary: "The transfers of a workflow with both of their entries, and their sums.",
    notes: "Everything that was answered before it is asked for is in it.",
    parameters: &[
        WORKFLOW,
        parameters::query("cursor", "What the page before gave.", parameters::ENTITY_ID),
        parameters::LIMIT,
    ],
    answers: &[Answer::json("A page.", shape::<LedgerView>)],
    faults: &[&[codes::READ_MODEL_BEHIND]],
    ..VIEW_ACCOUNT
};

pub(super) const OLDER_CREATE_INTENT: Operation =
    alias("/money/intents", "older_create_intent", CREATE_INTENT);
pub(super) const OLDER_VIEW_INTENT: Operation =
    alias("/money/intents/{id}", "older_view_intent", VIEW_INTENT);
pub(super) const OLDER_AUTHORIZE: Operation =
    alias("/money/authorize", "older_authorize_intent", AUTHORIZE);
pub(super) const OLDER_LEDGER: Operation =
    alias("/ledger/{workflow_id}", "older_read_ledger", LEDGER);
