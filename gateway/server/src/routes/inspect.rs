//! `/v1/inspect`: the tree, the actors and the dead letters of this node.

mod actors;
mod letters;
mod tree;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use coppice_api::codes;
use coppice_api::inspect::{
    ActorList, ActorRestarted, ActorView, DeadLetterList, LetterDecided, TreeView,
};
use coppice_runtime::Inspector;

use crate::auth::Scope;
use crate::openapi::{Answer, Operation, Routes, Verb, faults, parameters, shape};
use crate::state::AppState;

/// What these routes can reach.
#[derive(Clone)]
pub(super) struct Inspection {
    app: AppState,
    inspector: Inspector,
    looks: Arc<AtomicU64>,
}

impl Inspection {
    pub(super) fn new(app: AppState, inspector: Inspector) -> Self {
        Self { app, inspector, looks: Arc::default() }
    }
}

const TREE: Operation = Operation {
    method: Verb::Get,
    path: "/v1/inspect/tree",
    name: "inspect_tree",
    family: "inspect",
    summary: "The supervision tree, with the figures of kinds, pools and the writer.",
    notes: "Of the whole node.",
    scope: Some(Scope::InspectRead),
    parameters: &[],
    body: None,
    answers: &[Answer::json("The tree.", shape::<TreeView>)],
    faults: &[&[codes::SHUTTING_DOWN]],
};

const ACTORS: Operation = Operation {
    path: "/v1/inspect/actors/{kind}",
    name: "inspect_actors",
    summary: "Entities in memory, those first that hold most up.",
    notes: "",
    parameters: &[parameters::KIND, parameters::LIMIT],
    answers: &[Answer::json("The actors.", shape::<ActorList>)],
    faults: &[&[codes::UNKNOWN_KIND]],
    ..TREE
};

const ACTOR: Operation = Operation {
    path: "/v1/inspect/actors/{kind}/{id}",
    name: "inspect_actor",
    summary: "One entity as an actor.",
    parameters: &[parameters::KIND, parameters::ID],
    answers: &[Answer::json("The actor.", shape::<ActorView>)],
    faults: &[faults::ENTITY, &[codes::ENTITY_NOT_FOUND]],
    ..ACTORS
};

const RESTART: Operation = Operation {
    method: Verb::Post,
    path: "/v1/inspect/actors/{kind}/{id}/restart",
    name: "restart_actor",
    summary: "Ends an entity's actor; the next one reads the journal.",
    notes: "Nothing is lost by it: what waits is decided by the next one, once the decisions under \
            way have been committed. It counts as no crash.",
    scope: Some(Scope::InspectWrite),
    answers: &[Answer::json("It was told.", shape::<ActorRestarted>)],
    faults: &[faults::ENTITY, faults::ASKING],
    ..ACTOR
};

const LETTERS: Operation = Operation {
    path: "/v1/inspect/dead-letters",
    name: "list_dead_letters",
    summary: "What is out of delivery, in order of arrival.",
    parameters: &[
        parameters::query("after", "What the page before gave.", parameters::COUNTED),
        parameters::LIMIT,
    ],
    answers: &[Answer::json("A page.", shape::<DeadLetterList>)],
    faults: &[],
    ..ACTORS
};

const REPLAY: Operation = Operation {
    method: Verb::Post,
    path: "/v1/inspect/dead-letters/{id}/replay",
    name: "replay_dead_letter",
    summary: "Delivers a dead letter once more.",
    scope: Some(Scope::InspectWrite),
    parameters: &[parameters::LETTER],
    answers: &[Answer::json("It is on its way.", shape::<LetterDecided>)],
    faults: &[
        faults::ENTITY,
        faults::ASKING,
        faults::CHANGING,
        &[
            codes::DEAD_LETTER_NOT_FOUND,
            codes::DEAD_LETTER_STAYS,
            codes::UNKNOWN_COMMAND,
            codes::INVALID_BODY,
        ],
    ],
    ..ACTORS
};

const DISCARD: Operation = Operation {
    path: "/v1/inspect/dead-letters/{id}/discard",
    name: "discard_dead_letter",
    summary: "Gives a dead letter up.",
    answers: &[Answer::json("It is gone.", shape::<LetterDecided>)],
    ..REPLAY
};

/// The routes, on a node that can be looked into.
pub(super) fn routes() -> Routes<Inspection> {
    Routes::new()
        .on(&TREE, tree::tree)
        .on(&ACTORS, actors::actors)
        .on(&ACTOR, actors::actor)
        .on(&RESTART, actors::restart)
        .on(&LETTERS, letters::list)
        .on(&REPLAY, letters::replay)
        .on(&DISCARD, letters::discard)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
