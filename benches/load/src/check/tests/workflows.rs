//! Workflows: one that ended, one that nobody knows of; and they again with one thing wrong.

use serde_json::json;

use super::super::memory::By;
use super::*;

const OURS: fn(u64) -> By = |op| By::Op(RUN, op);

fn submitted(memory: &mut Memory, by: By, id: &str) {
    let data =
        json!({ "workflow": id, "plan": { "name": "p", "steps": [{ "id": "a" }, { "id": "b" }] } });
    memory.event("workflow", id, by, "workflow.submitted.v1", &data);
}

fn finished(memory: &mut Memory, id: &str, step: &str) {
    let data = json!({ "step": step, "status": "success", "output": {} });
    memory.event("workflow", id, By::Other, "workflow.step_finished.v1", &data);
}

fn ended(memory: &mut Memory, id: &str) {
    memory.event("workflow", id, By::Other, "workflow.ended.v1", &json!({ "status": "success" }));
}

fn good() -> (Memory, Vec<Entry>) {
    let mut memory = Memory::default();
    submitted(&mut memory, OURS(0), "w");
    let failed = json!({ "step": "a", "code": "plugin_timeout", "retry_at": 7 });
    memory.event("workflow", "w", By::Other, "workflow.step_failed.v1", &failed);
    finished(&mut memory, "w", "a");
    finished(&mut memory, "w", "b");
    ended(&mut memory, "w");
    submitted(&mut memory, By::Other, "of somebody else");
    let unknown = Entry { outcome: Outcome::TimedOut, ..entry(1, Operation::Workflow, 2, 0) };
    (memory, vec![entry(0, Operation::Workflow, 1, 0), unknown])
}

async fn spoilt(spoil: impl FnOnce(&mut Memory, &mut Vec<Entry>)) -> Vec<Check> {
    let (mut memory, mut entries) = good();
    spoil(&mut memory, &mut entries);
    found(&judged(&memory, &entries).await)
}

#[tokio::test]
async fn what_is_right_passes_and_every_check_has_looked() {
    let (memory, entries) = good();
    let verdict = judged(&memory, &entries).await;
    assert!(verdict.is_sound(), "{verdict:#?}");
    let examined = |check| verdict.checks[&check].examined;
    assert_eq!([examined(Check::Lost), examined(Check::Unended), examined(Check::Step)], [1, 1, 2]);
    assert_eq!(verdict.unknown_absent, 1);
}

#[tokio::test]
async fn an_acknowledged_workflow_that_is_not_there_is_lost() {
    let lost = |_: &mut Memory, entries: &mut Vec<Entry>| {
        entries.push(entry(2, Operation::Workflow, 3, 0));
    };
    assert_eq!(spoilt(lost).await, [Check::Lost]);
}

#[tokio::test]
async fn one_that_does_not_end_or_ends_twice_is_found() {
    let open = |memory: &mut Memory, _: &mut Vec<Entry>| {
        memory.events_of("workflow", "w").pop();
    };
    assert_eq!(spoilt(open).await, [Check::Unended]);
    let twice = |memory: &mut Memory, _: &mut Vec<Entry>| ended(memory, "w");
    assert_eq!(spoilt(twice).await, [Check::Unended]);
}

#[tokio::test]
async fn a_step_with_two_results_is_found() {
    let twice = |memory: &mut Memory, _: &mut Vec<Entry>| finished(memory, "w", "a");
    assert_eq!(spoilt(twice).await, [Check::Step]);
    let unknown = |memory: &mut Memory, _: &mut Vec<Entry>| finished(memory, "w", "c");
    assert_eq!(spoilt(unknown).await, [Check::Step]);
}

#[tokio::test]
async fn two_workflows_of_one_operation_are_doubled() {
    let doubled = |memory: &mut Memory, _: &mut Vec<Entry>| {
        submitted(memory, OURS(0), "x");
        ended(memory, "x");
    };
    assert_eq!(spoilt(doubled).await, [Check::Doubled]);
}

#[tokio::test]
async fn one_that_the_run_never_asked_for_is_invented() {
    let invented = |memory: &mut Memory, _: &mut Vec<Entry>| {
        submitted(memory, OURS(77), "x");
        ended(memory, "x");
    };
    assert_eq!(spoilt(invented).await, [Check::Invented]);
}
